"""What every test runs under: the repository root importable, no display, one thread a worker."""

import os
import sys
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")
IN_WORKER = "PYTEST_XDIST_WORKER" in os.environ
if IN_WORKER:
    # Read by OpenMP when torch is first imported.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import pytest  # noqa: E402
import torch  # noqa: E402

if IN_WORKER:
    torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked ``gpu`` on a machine without CUDA."""
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="no usable CUDA device"))
