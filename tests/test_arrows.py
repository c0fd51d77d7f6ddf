"""The arrows point one way: benchmarks → papers → common; and files stay small and portable."""

import ast
import graphlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PAPERS = ("s2ver", "adacm", "dimva", "ssfer", "webemotion")
OWN = (*PAPERS, "common", "benchmarks", "tests", "docs")
PAPER_WORDS = re.compile(r"s2[-_ ]?ver|ada[-_ ]?cm|dimva|ssfer|webemotion", re.IGNORECASE)
MACHINE_PATH = re.compile(r"(?<![\w.])/(work|root)" + r"/")
TEXT = {".py", ".md", ".yaml", ".yml", ".toml", ".cfg", ".cff", ".html", ".sh", ".json", ".csv"}
MAX_LINES = 400


def python_files(*packages: str) -> list[Path]:
    found = [path for package in packages for path in (ROOT / package).rglob("*.py")]
    return sorted(path for path in found if "__pycache__" not in path.parts)


def text_files() -> Iterator[Path]:
    for path in ROOT.iterdir():
        if path.is_file() and (path.suffix in TEXT or path.name in ("Makefile", ".gitignore")):
            yield path
    for folder in (*OWN, ".ci"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and (path.suffix in TEXT or folder == ".ci"):
                yield path


def imported(path: Path) -> set[str]:
    """Top-level names of all absolute imports, those inside functions included."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


def offenders(packages: tuple[str, ...], forbidden: set[str]) -> dict[str, set[str]]:
    files = python_files(*packages)
    bad = {str(p.relative_to(ROOT)): imported(p) & forbidden for p in files}
    return {path: names for path, names in bad.items() if names}


def test_there_is_something_to_check():
    assert len(python_files("common")) > 3
    assert "common" in imported(ROOT / "benchmarks" / "__main__.py")


def test_common_imports_neither_papers_nor_benchmarks():
    assert offenders(("common",), {*PAPERS, "benchmarks", "tests"}) == {}


@pytest.mark.parametrize("paper", PAPERS)
def test_no_paper_imports_another_paper_or_the_benchmarks(paper):
    assert offenders((paper,), {*PAPERS, "benchmarks", "tests"} - {paper}) == {}


def test_common_names_no_paper():
    named = {
        f"{path.relative_to(ROOT)}:{number}": line.strip()
        for path in python_files("common")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if PAPER_WORDS.search(line)
    }
    assert named == {}


def modules_of(path: Path) -> set[str]:
    """Modules that a file imports, inside functions and for type hints too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def test_no_import_runs_in_a_circle():
    """A circle that waits in a function, or is there for a type hint, is one all the same."""
    files = python_files(*PAPERS, "common", "benchmarks")
    names = {
        ".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p
        for p in files
    }
    arrows = {name: modules_of(path) & names.keys() - {name} for name, path in names.items()}
    # A package's own page may name its parts, which name the package by their dotted path.
    for name in arrows:
        arrows[name] -= {".".join(name.split(".")[:n]) for n in range(1, name.count(".") + 1)}
    circles = []
    try:
        tuple(graphlib.TopologicalSorter(arrows).static_order())
    except graphlib.CycleError as error:
        circles = error.args[1]
    assert circles == []


DOOR = "common/predict/model.py"
"""The one place that asks the packages beside common, whichever they are, for their predictions."""


def test_common_names_no_module_at_run_time_but_its_own():
    """What ``import_module`` is given in common comes from the catalogue or from the user."""
    literal = re.compile(r"import_module\(\s*[fr]?[\"'](?!common|\{__package__)")
    searched = re.compile(r"glob\([\"'][^\"']*\.py")
    found = [
        str(path.relative_to(ROOT))
        for path in python_files("common")
        if path != ROOT / DOOR
        if literal.search(text := path.read_text(encoding="utf-8")) or searched.search(text)
    ]
    assert found == []
    named = yaml.safe_load((ROOT / "common/datasets/catalogue.yaml").read_text(encoding="utf-8"))
    places = re.findall(r"\b\w+(?:\.\w+)*:\w+", yaml.safe_dump(named))
    assert not [place for place in places if place.split(".")[0] in (*PAPERS, "benchmarks")]


MOST_ENTRIES = 12
EXEMPT = {"readers", "standins", "results", "cases", "templates", "papers"}


def test_no_folder_has_too_many_entries():
    folders = [ROOT / "common", *(p for p in (ROOT / "common").rglob("*") if p.is_dir())]
    many = {
        str(folder.relative_to(ROOT)): number
        for folder in folders
        if folder.name not in EXEMPT and folder.name != "__pycache__"
        if (number := len([e for e in folder.iterdir() if e.name != "__pycache__"])) > MOST_ENTRIES
    }
    assert many == {}


def test_no_entry_of_a_paper_is_longer_than_a_screen_and_a_half():
    entries = [p for name in ("main.py", "train.py") for p in ROOT.glob(f"*/**/{name}")]
    lengths = {
        str(p.relative_to(ROOT)): len(p.read_text(encoding="utf-8").splitlines())
        for p in entries
        if p.relative_to(ROOT).parts[0] in PAPERS
    }
    assert lengths and {path: n for path, n in lengths.items() if n > 130} == {}


def test_no_file_is_longer_than_the_limit():
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in python_files(*OWN)
    }
    assert {path: n for path, n in lengths.items() if n > MAX_LINES} == {}


def test_no_catch_all_modules():
    names = {"utils", "util", "helpers", "helper", "misc"}
    assert [str(p.relative_to(ROOT)) for p in python_files(*OWN) if p.stem in names] == []


def test_no_path_of_one_machine():
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in text_files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if MACHINE_PATH.search(line)
    ]
    assert found == []
