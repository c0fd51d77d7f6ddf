"""Zero-shot on EMOTIC, the best word of the category Peace."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])

from webemotion.train import main

if __name__ == "__main__":
    raise SystemExit(main(__file__))
