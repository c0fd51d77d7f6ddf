"""``python ssfer/fine-tune.py``: the authors' name of ``fine_tune.py``."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from ssfer.finetune.main import cli

if __name__ == "__main__":
    cli()
