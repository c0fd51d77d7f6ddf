"""Loaders by their published names."""

import pytest

from common.cli import UserError
from webemotion.loaders import loader_of


def test_loaders_of_the_other_split_are_unknown():
    assert loader_of("image_text_train", "train").text == "tokens"
    assert loader_of("multilabel_v2", "val").target == "normalised"
    for name in ("image_text_val", "categorical_val", "multilabel_v2_train", "nonsense"):
        with pytest.raises(UserError, match="known are multilabel_v2_val"):
            loader_of(name, "val")
