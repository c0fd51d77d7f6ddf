"""A configuration is read as written, or refused in a sentence."""

from pathlib import Path

import pytest

from common.cli import UserError
from webemotion.catalogue import SCRIPTS
from webemotion.config import KEYS, Config, load
from webemotion.options import assignment, build_parser

ROOT = Path(__file__).resolve().parents[2]
V3 = "mains/main_mclss_cross_entropy_v3"
FILES = {"train_file": "t.pkl", "val_file": "v.pkl", "data_dir": "d"}
PLAIN = {"num_classes": 8, "trainloader": "multilabel_v2", "valloader": "multilabel_v2", **FILES}


def test_missing_keys_have_the_published_defaults(write):
    config = load(write(PLAIN), V3)
    assert (config.lr, config.momentum, config.weight_decay) == (1e-3, 0.9, 1e-5)
    assert (config.epochs, config.batch_size, config.lr_schedule) == (30, 256, "10, 20, 30")
    assert (config.arch, config.image_size, config.resize) == ("resnet50", 224, 256)
    assert config.name == "Some_config"
    assert config.evaluate is False


def test_null_is_the_default_except_where_it_says_something(write):
    config = load(write({**PLAIN, "momentum": None, "lr_schedule": None}), V3)
    assert config.momentum == 0.9
    assert config.lr_schedule is None


def test_what_is_given_on_the_command_line_wins(write):
    config = load(write(PLAIN), V3, {"lr": 0.5, "image_size": 64})
    assert config.lr == 0.5
    assert config.resize == 73


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({**PLAIN, "epocs": 3}, "'epocs' is no known key; did you mean 'epochs'?"),
        ({**PLAIN, "epochs": "3"}, "'epochs' is '3', expected a whole number or null"),
        ({**PLAIN, "epochs": True}, "'epochs' is True, expected a whole number"),
        ({**PLAIN, "epochs": 0}, "'epochs' is 0, expected 1 or more"),
        ({**PLAIN, "lr": float("nan")}, "'lr' is nan, expected 0 or more"),
        ({**PLAIN, "freeze": 1}, "'freeze' is 1, expected true or false"),
        ({**PLAIN, "dataset": "multilabel"}, "expected an object"),
        ({**PLAIN, "dataset": {"name": "x"}}, "'dataset' must be"),
        ({"num_classes": 8}, "lacks trainloader, valloader, train_file, val_file, data_dir"),
        ({**PLAIN, "num_classes": None}, "lacks num_classes"),
        ("[1]", "holds no JSON object"),
        ('{"a": 1,}', "is not valid JSON (line 1"),
    ],
)
def test_mistakes_are_told(write, values, told):
    with pytest.raises(UserError) as error:
        load(write(values), V3)
    assert told in str(error.value)


def test_the_older_form_names_loader_folder_and_both_lists(write):
    parts = {"data_dir": "images", "annotation_file": "lists/CNNsplit_{}.pkl"}
    values = {"num_classes": 8, "dataset": {"name": "singlelabel", "args": parts}}
    config = load(write(values), "mains/main_sclss_cross_entropy")
    assert config.dataloader == "singlelabel"
    assert config.data_dir == "images"
    assert config.train_file == "lists/CNNsplit_train.pkl"
    assert config.val_file == "lists/CNNsplit_val.pkl"


def test_assignments_are_json_or_text():
    assert assignment("lr=0.1") == ("lr", 0.1)
    assert assignment("resume=null") == ("resume", None)
    assert assignment("arch=resnet50") == ("arch", "resnet50")
    assert assignment("ID=a=b") == ("ID", "a=b")


def test_every_script_can_be_named_by_a_flag():
    for name in SCRIPTS:
        words = ["--config_file", "x.json", "--script", name]
        assert build_parser().parse_args(words).script == name


def test_what_a_continuation_may_differ_in():
    neutral = {name for name, about in KEYS.items() if about.metadata["neutral"]}
    assert neutral == {
        *("name", "ID", "paramname", "workers", "epochs", "print_freq", "resume", "evaluate"),
        *("world_size", "dist_url", "dist_backend", "gpu", "device", "save_directory"),
        *("data_dir", "train_file", "val_file", "text_ckpt", "text_embed", "idx2tag"),
        *("visual_model", "pretrained"),
    }
    assert Config(path="c.json", lr=0.5).decisive()["lr"] == 0.5
