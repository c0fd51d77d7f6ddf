"""Features of a list, and the probes on them."""

import json

import numpy as np
import pytest
import torch

from common.cli import UserError
from webemotion import features, lists, probe
from webemotion.feature_files import Features, read_features, write_features
from webemotion.lists import Entry
from webemotion.model import build_network

PLACE = "data/webtags/UnBiasedEmo"
NET = ("--trunk", "resnet10", "--image_size", "32", "--num_workers", "0", "--device", "cpu")


@pytest.fixture(scope="module")
def trunk(world):
    """A checkpoint of an untrained two-branch network."""
    torch.manual_seed(0)
    model = build_network("resnet_2branch_50", 12, trunk="resnet10", adaptive=True)
    state = {f"module.{name}": value for name, value in model.state_dict().items()}
    torch.save({"state_dict": state}, world / "models/trunk.pth.tar")
    return model.eval()


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_files_keep_paths_values_and_labels(tmp_path, suffix):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    held = Features(np.array(["a.jpg", "ü.jpg"]), np.float32([[1, 2], [3, 4]]), [3, [1, 2]])
    write_features(held, tmp_path / f"f{suffix}")
    read = read_features(tmp_path / f"f{suffix}")
    assert read.paths.tolist() == held.paths.tolist() and read.labels == held.labels
    assert np.array_equal(read.values, held.values) and read.values.dtype == np.float32


def test_features_are_the_pooled_maps_of_the_checkpoint(world, trunk, in_process):
    argv = ["extract", "--list", f"{PLACE}/z_data/test-6.pkl", "--data_dir", f"{PLACE}/images"]
    argv += ["--checkpoint", "models/trunk.pth.tar", "--out", "f.npz", *NET]
    seen = in_process(features.main, argv, world)
    assert seen.code == 0, seen.err
    held = read_features(world / "f.npz")
    entries = lists.read_list(world / f"{PLACE}/z_data/test-6.pkl")
    assert held.paths.tolist() == [e.path for e in entries]
    assert held.labels == [e.label for e in entries]
    from common.data.dataset import open_rgb
    from webemotion.data import val_view

    image = val_view(32, 37)(open_rgb(str(world / PLACE / "images" / entries[0].path)))
    with torch.no_grad():
        expected = trunk.pooled(image[None])[0].numpy()
    assert np.allclose(held.values[0], expected, atol=1e-4)
    again = in_process(features.main, argv, world)
    assert again.code == 2 and "exists and is left as it is" in again.err


def test_one_command_for_features_and_probes(world, trunk, in_process):
    argv = ["run", "--train", f"{PLACE}/z_data/train-6.pkl", "--test", f"{PLACE}/z_data/test-6.pkl"]
    argv += ["--data_dir", f"{PLACE}/images", "--checkpoint", "models/trunk.pth.tar"]
    seen = in_process(features.main, [*argv, "--out", "probed", "--k", "3", *NET], world)
    assert seen.code == 0, seen.err
    report = json.loads((world / "probed/probe.json").read_text())
    assert 0 <= report["linear"]["top1"] <= 1 and report["k"] == 3 and report["features"] == 512
    assert f"linear: top1 {report['linear']['top1']:.2%}" in seen.out
    argv = ["probe", "--train", "probed/train.npz", "--test", "probed/test.npz", "--k", "3"]
    again = in_process(features.main, argv, world)
    assert f"knn: top1 {report['knn']['top1']:.2%}" in again.out


def blobs(labels, seed: int) -> Features:
    rng = np.random.default_rng(seed)
    hot = np.zeros((len(labels), 3), np.float32)
    for row, label in zip(hot, labels, strict=True):
        row[label] = 1
    values = hot + 0.05 * rng.normal(size=hot.shape).astype(np.float32)
    return Features(np.array([str(k) for k in range(len(labels))]), values, list(labels))


def test_probes_separate_what_can_be_separated():
    labels = [0, 1, 2] * 10
    report = probe.evaluate(blobs(labels, 0), blobs(labels, 1), k=3)
    assert report["linear"]["top1"] == report["knn"]["top1"] == 1.0
    assert report["majority"] == pytest.approx(1 / 3)


def test_label_lists_are_judged_by_average_precision():
    labels = [[0], [0, 1], [2], [1, 2]] * 8
    report = probe.evaluate(blobs(labels, 0), blobs(labels, 1), k=3)
    assert report["linear"]["mean_ap"] == pytest.approx(1.0) and report["knn"]["mean_ap"] > 0.95


@pytest.mark.parametrize(
    ("train", "test", "told"),
    [
        (blobs([0, 0, 0, 0, 0], 0), blobs([0], 1), "one class"),
        (blobs([0, 1], 0), blobs([0], 1), "fewer than 5 neighbours"),
        (blobs([0, 1] * 3, 0), blobs([[0]], 1), "others a list"),
        (
            blobs([0, 1] * 3, 0),
            Features(np.array(["a"]), np.ones((1, 2)), [0]),
            "different networks",
        ),
    ],
)
def test_what_cannot_be_probed(train, test, told):
    with pytest.raises(UserError, match=told):
        probe.evaluate(train, test)


def test_missing_images_and_wrong_trunks_are_told(world, trunk, in_process):
    lists.write_list(world / "gone.pkl", [Entry(f"gone{k}.png", 0) for k in range(7)])
    argv = ["extract", "--list", "gone.pkl", "--data_dir", f"{PLACE}/images", "--out", "g.npz"]
    seen = in_process(features.main, [*argv, *NET], world)
    assert seen.code == 2 and "7 of the 7 images" in seen.err and "and 2 more" in seen.err
    argv += ["--checkpoint", "models/trunk.pth.tar", "--trunk", "resnet18", *NET[2:]]
    seen = in_process(features.main, argv, world)
    assert seen.code == 2 and "does not fit resnet18" in seen.err
    assert not (world / "g.npz").exists()


def test_published_extractor_writes_a_file_an_image(world, trunk, script):
    config = {"arch": "resnet50_feature_extractor", "depth": "resnet10", "image_size": 32}
    config |= {"val_file": f"{PLACE}/z_data/test-6.pkl", "data_dir": f"{PLACE}/images"}
    config |= {"resume": "models/trunk.pth.tar", "workers": 0, "save_directory": "each"}
    seen = script("mains_v2/main_feature_extractor", {**config, "individual_feat": True}, cwd=world)
    assert seen.code == 0, seen.err
    entries = lists.read_list(world / f"{PLACE}/z_data/test-6.pkl")
    row = np.load((world / "each" / entries[0].path).with_suffix(".npy"))
    assert row.shape == (512,)
    assert len(list((world / "each").glob("log-*.txt"))) == 1
    assert json.loads((world / "each/config.json").read_text())["data"]["drawn"]
    again = script("mains_v2/main_feature_extractor", config, cwd=world)
    assert again.code == 2 and "already exists" in again.err
    config |= {"save_directory": "one", "individual_feat": False}
    assert script("mains_v2/main_feature_extractor", config, cwd=world).code == 0
    assert np.array_equal(read_features(world / "one/features.npz").values[0], row)
