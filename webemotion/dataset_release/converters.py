"""Downloads of the transfer datasets to the image lists that the configurations name.

Reading is done by :mod:`common.datasets.readers`; EMOTIC's people are cut out of their images here.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from common.cli import UserError
from common.data.dataset import open_rgb
from common.datasets.readers import emotic, reader
from common.files import replacing
from webemotion.lists import Entry

log = logging.getLogger(__name__)

READERS = {
    "deepemotion": "fi",
    "unbiasedemo": "unbiasedemo",
    "deepsentiment": "deepsentiment",
    "twitter1": "twitter1",
    "advertisement": "advertisement",
    "se30k8": "SE30K8",
}
"""The authors' name of a dataset -> its reader; both count its classes alike."""

ImageLists = dict[str, list[Entry]]


def convert(name: str, source: Path) -> ImageLists:
    """Split -> entries ``path, class``, paths relative to `source`.

    Raises:
        UserError: the download is not there or of another form, or its classes are others.
    """
    manifest = reader(READERS[name])(source)
    for note in manifest.notes:
        log.info("%s: %s", name, note)
    lists: ImageLists = {}
    base = source.resolve()
    for row in manifest.table.itertuples():
        path = Path(os.path.relpath(manifest.root / row.path, base)).as_posix()
        lists.setdefault(row.split, []).append(Entry(path, int(row.label)))
    return lists


def convert_emotic(source: Path, crops: Path) -> ImageLists:
    """Cut every person out, and list the crops, and the images of one person, with categories.

    A crop is ``<split>/<image's name>_<number>`` with the image's extension; existing files are
    left as they are, so that an interrupted conversion goes on.

    Args:
        source: holds ``Annotations.mat`` and ``emotic/``.
        crops: folder of the crops.

    Returns:
        Split -> entries ``path, [category numbers]``; ``<split>_whole`` -> the same of whole
        images, relative to the download's folder of images.

    Raises:
        UserError: the download is not there or of another form, or an image is missing.
    """
    file = next((source / p for p in emotic.ANNOTATIONS if (source / p).is_file()), None)
    base = next((source / p for p in emotic.IMAGES if (source / p).is_dir()), source)
    if file is None:
        raise UserError(f"there is no EMOTIC at {source}: {emotic.HELP}")
    out: ImageLists = {}
    for split, images in emotic.read_splits(file).items():
        entries, whole = out.setdefault(split, []), out.setdefault(f"{split}_whole", [])
        empty = 0
        for shown in tqdm(images, desc=f"cropping {split}", unit="image", disable=None):
            try:
                path = base / str(shown.folder) / str(shown.filename)
                people = [emotic.read_person(p) for p in np.atleast_1d(shown.person)]
            except (AttributeError, ValueError) as error:
                raise UserError(f"{file}: an entry is of another form ({error}).") from None
            if len(people) == 1 and people[0][1]:
                whole.append(Entry(path.relative_to(base).as_posix(), sorted(people[0][1])))
            image = open_rgb(str(path))
            for k, (box, labels, _) in enumerate(people):
                crop = _crop(image, box)
                if crop is None or not labels:
                    empty += 1
                    continue
                name = f"{split}/{path.stem}_{k}{path.suffix}"
                _save(crop, crops / name)
                entries.append(Entry(name, sorted(labels)))
        if empty:
            log.warning("%s: %d people without a box in the image or a category", split, empty)
    return out


def _crop(image: Image.Image, box: list[int]) -> Image.Image | None:
    """The part of an image inside a box, cut to the image; None where nothing is left."""
    left, top = max(0, box[0]), max(0, box[1])
    right, bottom = min(image.width, box[2]), min(image.height, box[3])
    return image.crop((left, top, right, bottom)) if left < right and top < bottom else None


def _save(crop: Image.Image, path: Path) -> None:
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        crop.save(part, format=Image.registered_extensions().get(path.suffix.lower(), "PNG"))
