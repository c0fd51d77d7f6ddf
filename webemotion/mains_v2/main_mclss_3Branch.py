"""Two branches and a head that learns the text model's 8 emotions."""

import sys

sys.path[0] = __file__.rpartition("/webemotion/")[0]  # the repository's root, not this folder

from webemotion.train import start

start(__name__, __file__)
