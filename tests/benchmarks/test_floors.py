"""The rooms of ``benchmarks`` stand on floors: what is above may be imported by nothing below."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "benchmarks"
FLOORS = (
    "ground",
    "baselines",
    "parity",
    "speed",
    "claims",
    "ledger",
    "runs",
    "report",
    "upkeep",
    "demo",
    "__main__",
)
FOLDERS = sorted(path for path in ROOT.iterdir() if (path / "__init__.py").exists())
ROOMS = sorted(path.stem for path in (*FOLDERS, *ROOT.glob("*.py")))


def imported(room: str) -> set[str]:
    """Rooms that a room imports, inside functions too."""
    path = ROOT / room
    names = set()
    for file in path.rglob("*.py") if path.is_dir() else [path.with_suffix(".py")]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "benchmarks":
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("benchmarks."):
                names.add(node.module.split(".")[1])
            elif isinstance(node, ast.Import):
                words = [alias.name.split(".") for alias in node.names]
                names |= {w[1] for w in words if w[0] == "benchmarks" and len(w) > 1}
    return names - {room}


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "__init__"])
def test_a_room_imports_only_what_is_below(room):
    below = FLOORS[: FLOORS.index(room)]
    assert imported(room) <= set(below)


@pytest.mark.parametrize("folder", [ROOT, *FOLDERS], ids=lambda path: path.name)
def test_folders_hold_at_most_twelve_entries(folder):
    entries = [p.name for p in folder.iterdir() if p.name not in ("__pycache__", "results")]
    assert len(entries) <= 12, entries
