"""Images of a manifest under named views, with randomness that belongs to the item."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch.utils.data import Dataset

from common.cli import UserError
from common.data.images import DECODE_ERRORS, decode
from common.data.manifest import Manifest

Key = tuple[int, int]


class ViewDataset(Dataset):
    """Items ``{"index": int, "label": int, <target>: tensor, <view>: tensor}``.

    Views are computed in the order of `views`, from one decoded image. A key ``(index, seed)``
    seeds the three global generators for this item alone, so that what is drawn does not depend on
    how many workers load; a plain index draws from the generators as they stand.

    Args:
        manifest: rows to serve.
        views: view name -> transform of a three-channel Pillow image.
        targets: columns of the manifest that go with an image; floating ones become float32.
        open_image: decodes a path; None: :func:`open_rgb`.
        published: streams over it draw as the published scripts do, from the global generators.
        hide_labels: ``label`` is -1, and the true one, for statistics only, is ``true_label``.
    """

    def __init__(
        self,
        manifest: Manifest,
        views: dict[str, Callable],
        targets: tuple[str, ...] = (),
        open_image: Callable[[str], Image.Image] | None = None,
        hide_labels: bool = False,
        published: bool = False,
    ):
        self.open_image, self.hide_labels = open_image or open_rgb, hide_labels
        self.published = published
        self.paths = [str(manifest.root / p) for p in manifest.table["path"]]
        self.labels = manifest.labels
        self.views = views
        self.targets = {name: _tensor(manifest.table[name]) for name in targets}

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, key: int | Key) -> dict:
        if isinstance(key, tuple):
            index, seed = key
            with seeded(seed):
                return self._item(index)
        return self._item(key)

    def _item(self, index: int) -> dict:
        image = self.open_image(self.paths[index])
        views = {name: view(image) for name, view in self.views.items()}
        targets = {name: values[index] for name, values in self.targets.items()}
        label = int(self.labels[index])
        labels = {"label": -1, "true_label": label} if self.hide_labels else {"label": label}
        return {"index": index, **labels, **targets, **views}


def _tensor(column: pd.Series) -> torch.Tensor:
    """A column of numbers [n], or of equally long arrays [n, k]."""
    values = torch.as_tensor(np.array(column.tolist()))
    return values.float() if values.is_floating_point() else values


def open_rgb(path: str, like_opencv: bool = False) -> Image.Image:
    """Decode an image as RGB, see :func:`common.data.images.decode`.

    Args:
        path: the file.
        like_opencv: as OpenCV's colour read: turned as the camera's EXIF orientation says.

    Raises:
        UserError: the file is gone or cannot be decoded.
    """
    try:
        return decode(path, upright=like_opencv)
    except DECODE_ERRORS as error:
        raise UserError(
            f"the image {path} cannot be read any more ({error}); put it back and resume the run."
        ) from None


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside the block Python's, NumPy's and torch's CPU generators start from `seed`."""
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed)
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])
