"""Zero-shot by the nearest label word."""

import sys

sys.path[0] = __file__.rpartition("/webemotion/")[0]  # the repository's root, not this folder

from webemotion.train import main

if __name__ == "__main__":
    raise SystemExit(main(__file__))
