"""The published flags, their defaults and values."""

import pytest

from common import quirks
from dimva.options import build_parser
from dimva.train import EXPERIMENT

REQUIRED = ["--gpu_num", "0", "--dataname", "FI", "--mode", "one_stage", "--task", "single"]
PUBLISHED = {
    "lr": 1e-4,
    "decay": 1e-5,
    "batch_size": 10,
    "early_stop": 5,
    "num_epochs": 100,
    "seed": 42,
}


def test_published_defaults():
    args = vars(build_parser().parse_args(REQUIRED))
    assert {name: args[name] for name in PUBLISHED} == PUBLISHED
    assert (args["backbone"], args["image_size"]) == ("resnet101", 448)


@pytest.mark.parametrize("flag", ["--gpu_num", "--dataname", "--mode", "--task"])
def test_required_flags(flag, capsys):
    at = REQUIRED.index(flag)
    with pytest.raises(SystemExit) as leave:
        build_parser().parse_args(REQUIRED[:at] + REQUIRED[at + 2 :])
    assert leave.value.code == 2 and flag in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["FI", "Flickr", "Instagram", "FlickrLDL", "TwitterLDL", "flickr", "instagram"]
)
def test_data_names(name):
    assert build_parser().parse_args([*REQUIRED, "--dataname", name]).dataname == name


@pytest.mark.parametrize(
    "words", ["--mode three_stage", "--task double", "--dataname fi", "--batch_size 0"]
)
def test_other_values_are_refused(words):
    with pytest.raises(SystemExit):
        build_parser().parse_args([*REQUIRED, *words.split()])


def test_corrected_turns_every_correction_on():
    args = build_parser().parse_args(REQUIRED)
    register = quirks.load(EXPERIMENT.quirks)
    quirks.apply_corrections(register, args, set())
    wanted = {
        "schedule_per": "epoch",
        "keep_best": True,
        "eval_all": True,
        "ldl_test_split": "test",
        "label_order": "folder",
        "split_once": True,
        "val_plain_view": True,
        "finite_loss": True,
    }
    assert {name: getattr(args, name) for name in wanted} == wanted
    left = quirks.in_force(register, args)
    assert not [quirk.name for quirk in left if quirk.corrected]


def test_every_flag_of_the_register_exists():
    known = build_parser().format_help()
    assert all(quirk.flag in known for quirk in quirks.load(EXPERIMENT.quirks) if quirk.flag)
