"""What every test runs under: the repository root importable, no display, one thread a worker."""

import contextlib
import io
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # read by OpenMP when torch is first imported

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import pytest  # noqa: E402
import torch  # noqa: E402

torch.set_num_threads(1)  # the same bits in a worker as alone


@dataclass
class Outcome:
    """What a person sees of a command."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def in_process() -> Callable[..., Outcome]:
    """``in_process(main, argv, cwd)``: run a command's ``main`` in a folder."""

    def run(main: Callable[[list[str]], int], argv: list, cwd: Path) -> Outcome:
        before, out, err = Path.cwd(), io.StringIO(), io.StringIO()
        os.chdir(cwd)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                try:
                    code = main([str(word) for word in argv])
                except SystemExit as leave:  # argparse
                    code = leave.code
        finally:
            os.chdir(before)
            root = logging.getLogger()
            for handler in [h for h in root.handlers if getattr(h, "ours", False)]:
                root.removeHandler(handler)
                handler.close()
        return Outcome(code, out.getvalue(), err.getvalue())

    return run


def same(a, b, where: str = "") -> None:
    """Assert that two nested states are equal to the bit."""
    assert type(a) is type(b), where
    if isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            same(a[key], b[key], f"{where}/{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            same(x, y, f"{where}[{i}]")
    elif isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    else:
        assert a == b, where


@pytest.fixture(scope="session")
def assert_same() -> Callable:
    """``assert_same(a, b)``: two nested states are equal to the bit."""
    return same


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked ``gpu`` on a machine without CUDA."""
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="no usable CUDA device"))
