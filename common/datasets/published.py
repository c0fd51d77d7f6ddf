"""How many images the publications of the datasets give, per form, split and class.

A number stands here only with its source beside it; what is not known is None or left out, and
nothing is compared with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from common.data.manifest import Manifest

ALL = "all"  # every split together


@dataclass(frozen=True)
class Published:
    """Published numbers of one dataset.

    Attributes:
        source: publication or release the numbers are from.
        total: images in all; None: unknown.
        splits: split -> images.
        classes: split, or ``all``, -> class -> images.
        forms: forms of the download the numbers are for; empty: every form.
        remark: what else a reader should know, a sentence.
    """

    source: str
    total: int | None = None
    splits: Mapping[str, int] = field(default_factory=dict)
    classes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    forms: tuple[str, ...] = ()
    remark: str = ""


def _named(names: str, *numbers: int) -> dict[str, int]:
    return dict(zip(names.split(), numbers, strict=True))


_MIKELS = "amusement anger awe contentment disgust excitement fear sadness"
_EKMAN = "anger disgust fear joy sadness surprise"
_RAF = "surprise fear disgust happiness sadness anger neutral"
_AFFECTNET = "neutral happiness sadness surprise fear disgust anger contempt"
_POLAR = "negative positive"

PUBLISHED: dict[str, tuple[Published, ...]] = {
    "fi": (
        # Table of the 23,308 images with at least three of five votes; split in 80/5/15 by its
        # users, whose class counts per split were not published.
        Published(
            "You, Luo, Jin & Yang, AAAI 2016",
            23_308,
            classes={ALL: _named(_MIKELS, 4942, 1266, 3151, 5374, 1658, 2963, 1032, 2922)},
        ),
    ),
    # Two classes: the images whose majority is positive or negative. The number of neutral images
    # in the release is not known here.
    "flickr": (
        Published(
            "Katsurai & Satoh, ICASSP 2016; two-class counts as tabled by Yang et al., CVPR 2018",
            classes={ALL: _named(_POLAR, 12_606, 48_139)},
        ),
    ),
    "instagram": (
        Published(
            "Katsurai & Satoh, ICASSP 2016; two-class counts as tabled by Yang et al., CVPR 2018",
            classes={ALL: _named(_POLAR, 9_780, 33_076)},
        ),
    ),
    "flickrldl": (
        Published(
            "Yang, Sun & Sun, AAAI 2017",
            11_150,
            remark="later papers count 10,700 images in the copy that is handed around",
        ),
    ),
    "twitterldl": (Published("Yang, Sun & Sun, AAAI 2017", 10_045),),
    "emotion6": (
        # 330 images found by each of the six keywords, which are the folders.
        Published(
            "Peng, Chen, Sadovnik & Gallagher, CVPR 2015",
            1_980,
            classes={ALL: dict.fromkeys(_EKMAN.split(), 330)},
        ),
    ),
    "emotion6_web": (Published("Panda et al., ECCV 2018", 8_350),),
    "unbiasedemo": (Published("Panda et al., ECCV 2018", 3_045),),
    "webemo25": (
        Published("Panda et al., ECCV 2018", remark="the paper says about 268,000 images"),
    ),
    "emotionroi": (
        # The images of Emotion6; 70% and 30% by the lists of the release.
        Published(
            "Peng, Sadovnik, Gallagher & Chen, ICIP 2016",
            1_980,
            {"train": 1_386, "test": 594},
            {ALL: dict.fromkeys(_EKMAN.split(), 330)},
        ),
    ),
    "twitter1": (
        Published(
            "You, Luo, Jin & Yang, AAAI 2015, at least three of five agree",
            1_269,
            classes={ALL: _named(_POLAR, 500, 769)},
            forms=("three_agrees",),
        ),
        Published(
            "You, Luo, Jin & Yang, AAAI 2015, at least four of five agree",
            1_116,
            classes={ALL: _named(_POLAR, 427, 689)},
            forms=("four_agrees",),
        ),
        Published(
            "You, Luo, Jin & Yang, AAAI 2015, all five agree",
            882,
            classes={ALL: _named(_POLAR, 301, 581)},
            forms=("five_agrees",),
        ),
    ),
    "twitter2": (
        Published(
            "Borth et al., ACM Multimedia 2013", 603, classes={ALL: _named(_POLAR, 133, 470)}
        ),
    ),
    "se30k8": (Published("Wei et al., CVPR 2020", remark="the name says about 30,000 images"),),
    "stockemotion": (
        Published("Wei et al., CVPR 2020", remark="the paper says more than a million images"),
    ),
    "emotic": (
        Published(
            "Kosti et al., PAMI 2019",
            23_571,
            forms=("official",),
            remark="34,320 people; the CVPR 2017 version has 18,316 images of 23,788",
        ),
    ),
    "advertisement": (
        Published(
            "Hussain et al., CVPR 2017",
            remark="64,832 images in all; how many of them carry a sentiment is not known here",
        ),
    ),
    "emoset": (
        Published(
            "Yang et al., ICCV 2023 (EmoSet-118K)",
            118_102,
            {"train": 94_481, "val": 5_905, "test": 17_716},
        ),
    ),
    "rafdb": (
        Published(
            "Li, Deng & Du, CVPR 2017, basic expressions",
            15_339,
            {"train": 12_271, "test": 3_068},
            {
                "train": _named(_RAF, 1290, 281, 717, 4772, 1982, 705, 2524),
                "test": _named(_RAF, 329, 74, 160, 1185, 478, 162, 680),
            },
        ),
    ),
    "ferplus": (
        # FER2013's sizes are 28,709, 3,589 and 3,589 before the majority rule takes faces out.
        Published(
            "Barsoum et al., ICMI 2016, faces with a majority",
            splits={"test": 3_137},
            forms=("votes", "label.csv"),
        ),
    ),
    "affectnet8": (
        Published(
            "Mollahosseini, Hasani & Mahoor, 2017",
            291_651,
            {"train": 287_651, "test": 4_000},
            {
                "train": _named(
                    _AFFECTNET, 74_874, 134_415, 25_459, 14_090, 6_378, 3_803, 24_882, 3_750
                ),
                "test": dict.fromkeys(_AFFECTNET.split(), 500),
            },
        ),
    ),
    "affectnet7": (
        Published(
            "Mollahosseini, Hasani & Mahoor, 2017, without contempt",
            287_401,
            {"train": 283_901, "test": 3_500},
            {
                "train": _named(
                    _AFFECTNET.removesuffix(" contempt"),
                    *(74_874, 134_415, 25_459, 14_090, 6_378, 3_803, 24_882),
                ),
                "test": dict.fromkeys(_AFFECTNET.split()[:7], 500),
            },
        ),
    ),
    "sfew": (Published("Dhall et al., ICMI 2015 (SFEW 2.0)", splits={"train": 958, "test": 436}),),
    "bass": (Published("Kawai, Lukács & Ansorge 2021", 583),),
    "oasis": (Published("Kurdi, Lozano & Banaji 2017", 900),),
}
"""Dataset -> its published numbers, one entry a form where forms differ."""


def published(name: str, form: str = "") -> Published | None:
    """The numbers published for `form` of a dataset, or None where none are known."""
    for entry in PUBLISHED.get(name.lower(), ()):
        if not entry.forms or form in entry.forms:
            return entry
    return None


def differences(manifest: Manifest) -> list[str]:
    """Sentences that say where a manifest's counts differ from the published ones.

    Drawn stand-ins and datasets without published numbers have none.
    """
    known = published(manifest.name, manifest.form)
    if known is None or manifest.drawn:
        return []
    notes = []
    if known.total is not None and len(manifest) != known.total:
        notes.append(f"{len(manifest)} images, published are {known.total} ({known.source})")
    for split, number in known.splits.items():
        found = len(manifest.split(split))
        if found != number:
            notes.append(f"{found} {split} images, published are {number} ({known.source})")
    for split, of_class in known.classes.items():
        rows = manifest if split == ALL else manifest.split(split)
        found = dict(zip(manifest.classes, _counts(rows), strict=True))
        odd = [
            f"{name} {found.get(name, 0)} instead of {number}"
            for name, number in of_class.items()
            if found.get(name, 0) != number
        ]
        if odd:
            where = "" if split == ALL else f"{split} "
            notes.append(f"{where}images of a class: {', '.join(odd)} ({known.source})")
    return [f"{manifest.name}: {note}" for note in notes]


def _counts(manifest: Manifest) -> list[int]:
    return np.bincount(manifest.labels, minlength=len(manifest.classes)).tolist()
