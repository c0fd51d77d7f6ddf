"""Images labelled with the emotion they evoke, as class folders or lists.

None of these has one official layout that is known here for certain; the forms read are those the
published code of their users reads: ``<split>/<class>/``, class folders without a split (a fixed
fifth is then the test split), and lists ``train*``, ``test*`` beside ``images/``.
"""

from __future__ import annotations

from pathlib import Path

from common.data.manifest import Manifest
from common.datasets.catalogue import DATASETS
from common.datasets.readers.folder import Labels, has_class_folders, read_tree
from common.datasets.readers.lists import find_lists, read_listed


def read(root: Path, name: str) -> Manifest:
    """Read a dataset: its folders a split, else its lists, else its class folders.

    Args:
        root: its folder.
        name: its row in the catalogue, which says classes, their spellings and the source.

    Raises:
        UserError: neither is there, or not all of it.
    """
    row, labels = DATASETS[name], Labels.of_dataset(name)
    hint = (
        f"expected {row.title} as train/<class>/<image> and test/<class>/<image>, as "
        f"<class>/<image>, or as images/ with lists of 'path label'; source: {row.source}."
    )
    if has_class_folders(root):
        return read_tree(name, root, labels, hint)
    if root.is_dir() and (files := find_lists(root, len(row.classes) or None)):
        return read_listed(name, root, files, labels)
    return read_tree(name, root, labels, hint)
