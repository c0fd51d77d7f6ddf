"""Class names of the datasets, in the order in which their labels count, and words for them."""

from __future__ import annotations

from pathlib import Path

import yaml

from common.datasets.catalogue import DATASETS

_FOLDER = Path(__file__).parent

CLASSES: dict[str, tuple[str, ...]] = {
    "deepemotion": DATASETS["fi"].classes,
    "unbiasedemo": DATASETS["unbiasedemo"].classes,
    "se30k8": DATASETS["SE30K8"].classes,
    "emotic": DATASETS["emotic"].classes,
    "advertisement": DATASETS["advertisement"].classes,
    "deepsentiment": DATASETS["deepsentiment"].classes,
    "twitter1": DATASETS["twitter1"].classes,
}
"""The authors' name of a dataset -> names. Advertisement's are numbered from 1 in the authors'
code; its annotation files count from 0."""

WORDS: dict[str, dict[str, str]] = yaml.safe_load(
    (_FOLDER / "emotic_words.yaml").read_text(encoding="utf-8")
)
"""The authors' name of a list -> EMOTIC's category -> its words, joined by commas."""


def stockemotion690() -> dict[str, int]:
    """The 690 emotion tags in class order, each with its number among all tags."""
    return yaml.safe_load((_FOLDER / "stockemotion690.yaml").read_text(encoding="utf-8"))
