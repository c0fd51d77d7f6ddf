"""What the READMEs show can be typed, and their fidelity tables say what the registers say."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest

from benchmarks.__main__ import COMMANDS
from benchmarks.claims import readmes
from common import quirks
from webemotion.catalogue import SCRIPTS

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("*/README.md")])
REGISTERS = sorted(ROOT.glob("*/quirks.yaml"))
PARSERS = {
    "s2ver/main.py": "s2ver.options",
    "adacm/main.py": "adacm.options",
    "dimva/train.py": "dimva.options",
    "ssfer/pretrain_distribute.py": "ssfer.pretrain.options",
    "ssfer/fine_tune.py": "ssfer.finetune.options",
    "ssfer/fine-tune.py": "ssfer.finetune.options",
    "ssfer/evaluate.py": "ssfer.evaluate",
}
PARSERS |= {f"webemotion/{name}.py": "webemotion.options" for name in SCRIPTS}
RUN = re.compile(r"(?:^|`)[ ]*(python (?:-m )?[^`\n]+)", re.MULTILINE)


def commands() -> list[tuple[str, list[str]]]:
    """(page, words) of every command in a README that starts with ``python``."""
    found = []
    for page in PAGES:
        for text in RUN.findall(page.read_text(encoding="utf-8").replace("\\\n", " ")):
            text = text.split("#")[0].split(" …")[0]
            found.append((page.relative_to(ROOT).as_posix(), shlex.split(text)))
    return found


@pytest.mark.parametrize(("page", "words"), commands(), ids=lambda value: " ".join(value)[:60])
def test_command_exists_and_its_flags_are_known(page, words):
    script = words[1]
    if script == "-m":
        module = words[2].split(".")
        assert (ROOT / Path(*module)).with_suffix(".py").exists() or (
            ROOT / Path(*module) / "__main__.py"
        ).exists(), f"{page}: no module {words[2]}"
        if words[2] == "benchmarks" and len(words) > 3 and not words[3].startswith("-"):
            assert words[3] in COMMANDS, f"{page}: no command {words[3]}"
        return
    assert (ROOT / script).exists(), f"{page}: no script {script}"
    if script in PARSERS and "--help" not in words:
        importlib.import_module(PARSERS[script]).build_parser().parse_args(words[2:])


@pytest.mark.parametrize("register", REGISTERS, ids=lambda path: path.parent.name)
def test_fidelity_table_shows_the_register(register):
    assert quirks.sync_readme(register.parent / "README.md", quirks.load(register), write=False)


@pytest.mark.parametrize("register", REGISTERS, ids=lambda path: path.parent.name)
def test_flags_of_the_register_exist(register):
    package = register.parent.name
    modules = sorted({m for m in PARSERS.values() if m.startswith(f"{package}.")})
    parsers = [importlib.import_module(m).build_parser() for m in modules]
    destinations = {action.dest for parser in parsers for action in parser._actions}
    flags = {flag for parser in parsers for flag in parser._option_string_actions}
    for quirk in quirks.load(register):
        assert quirk.flag is None or quirk.flag in flags, quirk.name
        assert quirk.corrected.keys() | quirk.active.keys() <= destinations, quirk.name


@pytest.mark.parametrize("name", readmes.TABLES)
def test_results_table_shows_its_file(name):
    assert readmes.sync(name, write=False)


def test_files_that_pages_link_to_exist():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_pages_hold_no_placeholder():
    for page in PAGES:
        assert not re.search(r"\b[A-Z]+_(TIME|RESULT|BLOCK)\b", page.read_text(encoding="utf-8"))
