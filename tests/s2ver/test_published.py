"""What the published command does, beyond its whole-command cases."""

import numpy as np
import torch
from PIL import Image

from common.data.views import IMAGENET
from s2ver.data import STATISTICS, shown, test_views
from s2ver.method import S2VER
from s2ver.options import build_parser


def test_a_folder_of_the_authors_is_replaced_with_overwrite(command, place, images, tiny):
    folder = place / "saved_models/main"
    folder.mkdir(parents=True)
    for name in ("model_best.pth", "log.txt", "events.out.tfevents.1.host"):
        (folder / name).write_bytes(b"theirs")
    np.save(folder / "sampled_label_idx_fi_16.npy", np.arange(0, 96, 6))
    words = [*tiny, "-ds", "fi", "-nc", "8", "--data_dir", images]
    assert command(words, place).code == 2
    seen = command([*words, "--overwrite"], place)
    assert seen.code == 0, seen.err
    assert "labelled images read back" in seen.log
    assert not (folder / "events.out.tfevents.1.host").exists()


def test_mixed_precision_evaluates_in_fp32(command, place, images, tiny, monkeypatch):
    seen = {}
    predict, step = S2VER.predict, S2VER.training_step

    def noted(name, function):
        def call(*args):
            seen[name] = torch.is_autocast_enabled("cpu")
            return function(*args)

        return call

    monkeypatch.setattr(S2VER, "predict", noted("evaluation", predict))
    monkeypatch.setattr(S2VER, "training_step", noted("training", step))
    words = [*tiny, "-ds", "fi", "-nc", "8", "--data_dir", images, "--device", "cpu", "--amp"]
    outcome = command(words, place)
    assert outcome.code == 0, outcome.err
    assert seen == {"training": True, "evaluation": False}
    assert "mixed precision" in outcome.json("config.json")["quirks_in_force"]


def test_names_of_small_images_bring_their_own_normalisation():
    grey = Image.new("RGB", (40, 40), (128, 128, 128))
    for name, (mean, deviation) in STATISTICS.items():
        args = build_parser().parse_args(["--dataset", name, "--image_size", "32"])
        seen = test_views(*shown(args))["image"](grey)[:, 0, 0]
        torch.testing.assert_close(seen, (128 / 255 - torch.tensor(mean)) / torch.tensor(deviation))
    assert shown(build_parser().parse_args(["--dataset", "fi"]))[1] == IMAGENET
