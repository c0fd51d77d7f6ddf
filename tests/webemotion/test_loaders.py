"""Loaders by their published names."""

from dataclasses import replace

import pytest

from common.cli import UserError
from webemotion.catalogue import SCRIPTS
from webemotion.config import Config
from webemotion.loaders import loader_of, loaders_of


def test_loaders_of_the_other_split_are_unknown():
    assert loader_of("image_text_train", "train").text == "tokens"
    assert loader_of("multilabel_v2", "val").target == "normalised"
    for name in ("image_text_val", "categorical_val", "multilabel_v2_train", "nonsense"):
        with pytest.raises(UserError, match="known are multilabel_v2_val"):
            loader_of(name, "val")


def test_binary_targets_are_taken_by_a_published_script_alone():
    names = {"trainloader": "multilabel_BCE_train", "valloader": "multilabel_BCE_val"}
    config, row = Config(path="c.json", **names), SCRIPTS["mains/main_mclss_cross_entropy_v3"]
    assert loaders_of(config, row)[0].target == "binary"
    older = replace(config, trainloader=None, valloader=None, dataloader="multilabel_BCE")
    with pytest.raises(UserError, match="no script with such a loss"):
        loaders_of(older, SCRIPTS["mains/main_mclass_cross_entropy_v2"])
