"""One side in a process of its own: ``python -m benchmarks.parity.side_by_side.child REQUEST``.

The request is a JSON file: side, script, argv, steps, paths, and where the trace is to be written.
"""

from __future__ import annotations

import importlib
import json
import runpy
import sys
from functools import partial
from pathlib import Path

from benchmarks.parity.side_by_side import shims
from benchmarks.parity.side_by_side.sides import SIDES
from benchmarks.parity.side_by_side.trace import Enough, Trace, trained_networks

ROOT = Path(__file__).resolve().parents[3]


def theirs(trace: Trace, request: dict) -> None:
    """Run the authors' script as a person does, this project's packages out of its sight."""
    shims.install(SIDES[request["paper"]].old_schedules)
    trace.install(at_first_pass=lambda: trained_networks(shims.OneDevice))
    sys.path[:] = [*request["path"], *(p for p in sys.path if Path(p or ".").resolve() != ROOT)]
    own = {folder.name for folder in ROOT.iterdir() if (folder / "__init__.py").is_file()}
    for name in [name for name in sys.modules if name.split(".")[0] in own]:
        del sys.modules[name]
    sys.argv = [request["script"], *request["argv"]]
    runpy.run_path(request["script"], run_name="__main__")


def ours(trace: Trace, request: dict) -> None:
    """Run our command, which gives its trainer away at the point."""

    def ready(trainer) -> None:
        trace.begin([trainer.method.model])
        if trainer.ema:
            trainer.ema.restart(trainer.method)

    trace.install()
    module, name = SIDES[request["paper"]].ours.split(":")
    main = getattr(importlib.import_module(module), name)
    if request["script"]:
        main = partial(main, request["script"])
    code = main(request["argv"], on_ready=ready)
    if code:
        raise SystemExit(code)


def main(request: dict) -> None:
    """Run a side and write what it did, however it ends."""
    trace = Trace(request["steps"], SIDES[request["paper"]].scale)
    try:
        {"theirs": theirs, "ours": ours}[request["side"]](trace, request)
    except Enough:
        pass
    finally:
        trace.write(Path(request["trace"]))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
