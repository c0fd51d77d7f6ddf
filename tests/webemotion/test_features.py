"""Features of a list, as the published extractors write them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from common.data import pickles
from common.data.dataset import open_rgb
from webemotion import lists
from webemotion.data import val_view
from webemotion.lists import Entry
from webemotion.model import build_network

PLACE = "data/webtags/UnBiasedEmo"
SCRIPT = "mains_v2/main_feature_extractor"
CONFIG = {
    "arch": "resnet50_feature_extractor",
    "depth": "resnet10",
    "image_size": 32,
    "val_file": f"{PLACE}/z_data/test-6.pkl",
    "data_dir": f"{PLACE}/images",
    "resume": "models/trunk.pth.tar",
    "workers": 0,
}


@pytest.fixture(scope="module")
def trunk(world):
    """A checkpoint of an untrained two-branch network."""
    torch.manual_seed(0)
    model = build_network("resnet_2branch_50", 12, trunk="resnet10", adaptive=True)
    state = {f"module.{name}": value for name, value in model.state_dict().items()}
    torch.save({"state_dict": state}, world / "models/trunk.pth.tar")
    return model.eval()


def test_features_are_the_pooled_maps_of_the_checkpoint(world, trunk, script):
    entries = lists.read_list(world / CONFIG["val_file"])
    (world / "odd").mkdir()
    for k, entry in enumerate(entries):
        if k != 1:  # the second image is missing, and the third no image
            (world / "odd" / entry.path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(world / CONFIG["data_dir"] / entry.path, world / "odd" / entry.path)
    (world / "odd" / entries[2].path).write_bytes(b"no image")
    config = {**CONFIG, "data_dir": "odd", "ckpts_dir": "made", "name": "n", "ID": "i"}
    seen = script(SCRIPT, config, cwd=world)
    assert seen.code == 0, seen.err
    (file,) = (world / "made/n").glob("i-*/feature.pkl")
    held = pickles.load(file)
    assert list(held) == [entry.path for k, entry in enumerate(entries) if k not in (1, 2)]
    values = held[entries[0].path]
    assert values.shape == (1, 512)
    image = val_view(32, 37)(open_rgb(str(world / PLACE / "images" / entries[0].path)))
    with torch.no_grad():
        expected = trunk.pooled(image[None])[0].numpy()
    assert values.dtype == np.float32 and np.allclose(values[0], expected, atol=1e-4)


def test_a_network_with_an_fc_gives_logits(world, trunk, script):
    config = {**CONFIG, "arch": "resnet50", "num_classes": 12, "ckpts_dir": "logits"}
    assert script(SCRIPT, config, cwd=world).code == 0
    (file,) = (world / "logits").glob("**/feature.pkl")
    held = pickles.load(file)
    assert {row.shape for row in held.values()} == {(1, 12)}
    wrong = script(SCRIPT, {**config, "num_classes": 13, "ID": "other"}, cwd=world)
    assert wrong.code == 2 and "the first fc.weight" in wrong.err


def test_missing_images_and_wrong_trunks_are_told(world, trunk, script):
    lists.write_list(world / "gone.pkl", [Entry(f"gone{k}.png", 0) for k in range(7)])
    config = {**CONFIG, "save_directory": "../none"}
    seen = script(SCRIPT, {**config, "val_file": "gone.pkl"}, cwd=world)
    assert seen.code == 2 and "7 of the 7 images" in seen.err and "and 2 more" in seen.err
    seen = script(SCRIPT, {**config, "depth": "resnet18"}, cwd=world)
    assert seen.code == 2 and "on resnet18" in seen.err
    assert not (world / "none").exists()


def test_published_extractor_writes_a_file_an_image(world, trunk, script):
    config = {**CONFIG, "save_directory": "../each"}
    seen = script(SCRIPT, {**config, "individual_feat": True}, cwd=world)
    assert seen.code == 0, seen.err
    entries = lists.read_list(world / f"{PLACE}/z_data/test-6.pkl")
    row = np.load(world / "each" / f"{entries[0].path}.npy")
    assert row.shape == (1, 512)
    assert len(list((world / "each").glob("log-*.txt"))) == 1
    assert json.loads((world / "each/config.json").read_text())["data"]["drawn"]
    again = script(SCRIPT, config, cwd=world)
    assert again.code == 2 and "already exists" in again.err
    config |= {"save_directory": "../one", "individual_feat": True, "rel_path_depth": 1}
    assert script(SCRIPT, config, cwd=world).code == 0
    last = "/".join(Path(entries[0].path).parts[-2:])
    assert (world / "one" / f"{last}.npy").is_file()
