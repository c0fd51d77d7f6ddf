"""``python ssfer/pretrain_distribute.py``: the published path of :mod:`ssfer.pretrain.main`."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from ssfer.pretrain.main import cli

if __name__ == "__main__":
    cli()
