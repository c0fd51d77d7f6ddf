"""The same, judged by mean average precision."""

import sys

sys.path[0] = __file__.rpartition("/webemotion/")[0]  # the repository's root, not this folder

from webemotion.train import start

start(__name__, __file__)
