"""From a checkpoint to answers about photographs: :func:`load` and ``python -m common.predict``."""

from common.predict.model import Model, load

__all__ = ["Model", "load"]
