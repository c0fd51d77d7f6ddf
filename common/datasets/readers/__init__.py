"""Readers: one file per dataset family, a download in, a checked manifest out.

``READERS[name](folder)`` gives the Manifest; :func:`reader` also takes the usual spellings. A
reader's module is imported when it is called, so that naming the readers costs nothing.
"""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from common.cli import UserError
from common.data.manifest import Manifest


@dataclass(frozen=True)
class Reader:
    """A function of one of this package's modules with its arguments.

    Attributes:
        module: its file's stem.
        function: takes the arguments `first`, the folder, and `options` by name.
        first: arguments before the folder.
        options: arguments by name.
    """

    module: str
    function: str = "read"
    first: tuple[str, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)

    def __call__(self, folder: Path | str) -> Manifest:
        """Read `folder`.

        Raises:
            UserError: it does not hold the dataset, or not all of it.
        """
        read = getattr(importlib.import_module(f"{__name__}.{self.module}"), self.function)
        return read(*self.first, Path(folder), **self.options)


def _scenes(name: str) -> Reader:
    return Reader("scenes", "read", (name,))


READERS: dict[str, Reader] = {
    "fi": _scenes("fi"),
    "flickr": _scenes("flickr"),
    "instagram": _scenes("instagram"),
    "flickrldl": Reader("ldl", "read", ("FlickrLDL",)),
    "twitterldl": Reader("ldl", "read", ("TwitterLDL",)),
    "twitterldl_polarity": _scenes("twitterldl_polarity"),
    "emotion6": Reader("emotion6"),
    "emotion6_web": _scenes("emotion6_web"),
    "emotionroi": Reader("emotionroi"),
    "twitter1": Reader("twitter", "read_one"),
    "twitter1_four": Reader("twitter", "read_one", options={"agree": 4}),
    "twitter1_five": Reader("twitter", "read_one", options={"agree": 5}),
    "twitter2": Reader("twitter", "read_two"),
    "unbiasedemo": _scenes("unbiasedemo"),
    "webemo25": Reader("webemo", options={"classes": 25}),
    "webemo6": Reader("webemo", options={"classes": 6}),
    "webemo2": Reader("webemo", options={"classes": 2}),
    "SE30K8": Reader("se30k8"),
    "stockemotion": Reader("stockemotion"),
    "stockemotion_small": Reader("stockemotion", options={"form": "small"}),
    "emotic": Reader("emotic"),
    "advertisement": Reader("advertisement"),
    "deepsentiment": _scenes("deepsentiment"),
    "emoset": Reader("emoset"),
    "rafdb": Reader("rafdb"),
    "ferplus": Reader("ferplus"),
    "affectnet7": Reader("affectnet", options={"classes": 7}),
    "affectnet8": Reader("affectnet", options={"classes": 8}),
    "sfew": Reader("sfew"),
    "bass": Reader("va", "read_ratings", ("bass",)),
    "oasis": Reader("va", "read_ratings", ("oasis",)),
    "cifar10": _scenes("cifar10"),
    "imagenet": _scenes("imagenet"),
    "folders": _scenes("folders"),
    "table": Reader("tabular"),
    "shards": Reader("shards"),
}
"""Name as commands take it -> reader of a folder."""

ALIASES = {
    "ads": "advertisement",
    "advertisements": "advertisement",
    "affectnet": "affectnet8",
    "csv": "table",
    "deepemotion": "fi",
    "emoroi": "emotionroi",
    "emoset118k": "emoset",
    "emotionsix": "emotion6_web",
    "fer+": "ferplus",
    "fer2013plus": "ferplus",
    "imagefolder": "folders",
    "parquet": "table",
    "raf": "rafdb",
    "twitteri": "twitter1",
    "twitterii": "twitter2",
    "unbiasedemotion": "unbiasedemo",
    "webdataset": "shards",
    "webemo": "webemo25",
}
"""Further spellings; capitals, blanks, hyphens and underscores never matter."""


def canonical(name: str) -> str:
    """The key of :data:`READERS` that `name` means, or `name` itself where there is none."""
    plain = _plain(name)
    known = {_plain(key): key for key in READERS}
    known |= {_plain(other): key for other, key in ALIASES.items() if key in READERS}
    return known.get(plain, name)


def reader(name: str) -> Reader:
    """The reader of a dataset.

    Raises:
        UserError: nothing of that name; says which names are near.
    """
    key = canonical(name)
    if key not in READERS:
        near = difflib.get_close_matches(key.lower(), map(str.lower, READERS), n=3, cutoff=0.5)
        told = f" Did you mean {' or '.join(near)}?" if near else ""
        raise UserError(
            f"no reader is known for '{name}'; known are {', '.join(sorted(READERS))}.{told}"
        )
    return READERS[key]


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).lower()
