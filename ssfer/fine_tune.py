"""``python ssfer/fine_tune.py``: the published path of :mod:`ssfer.finetune.main`."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from ssfer.finetune.main import cli

if __name__ == "__main__":
    cli()
