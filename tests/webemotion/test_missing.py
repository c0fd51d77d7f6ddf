"""A file that is not there is named, with a command that makes it."""

from dataclasses import replace
from pathlib import Path

import pytest

from common.cli import UserError
from webemotion.catalogue import PUBLISHED, SCRIPTS
from webemotion.config import Config, load
from webemotion.missing import require_files

ROOT = Path(__file__).resolve().parents[2]
V3 = "mains/main_mclss_cross_entropy_v3"
FILES = {"train_file": "t.pkl", "val_file": "v.pkl", "data_dir": "d"}
PLAIN = {"num_classes": 8, "trainloader": "multilabel_v2", "valloader": "multilabel_v2", **FILES}


def test_first_missing_file_is_named_with_the_command_that_makes_it(write, tmp_path):
    config = replace(load(write(PLAIN), V3), train_file=str(tmp_path))
    with pytest.raises(UserError) as error:
        require_files(config, ("train_file", "val_file", "data_dir"), V3)
    assert "val_file of" in str(error.value) and "v.pkl, is not there" in str(error.value)
    assert "python -m common.datasets twin webtags" in str(error.value)


def test_missing_embeddings_name_the_text_model_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    script = "mains/main_sclss_2Branch_0Shot_Evaluation_DeepEmotion"
    embed = "webemotion.text.embed --text_ckpt t.pth.tar --words 690 --output bn --out words.pkl`"
    for there in (False, True):
        config = Config(path="c.json", tag_embeddings="words.pkl", text_ckpt="t.pth.tar")
        with pytest.raises(UserError) as error:
            require_files(config, ("tag_embeddings",), script)
        assert embed in str(error.value)
        assert ("--out t.pth.tar && " in str(error.value)) == (not there)
        Path("t.pth.tar").touch()


def test_missing_start_names_the_stage_before(write):
    config = load(write({**PLAIN, "resume": "ckpts/a/model_best.pth.tar"}), V3)
    with pytest.raises(UserError, match=r"main_mclss_2Branch_cosine\.py .*save_directory=a"):
        require_files(config, ("resume",), "mains/main_sclss_2Branch_finetune")
    with pytest.raises(UserError, match=r"main_mclss_cross_entropy_v3\.py"):
        require_files(config, ("resume",), "mains/main_mclss_2Branch_cosine")
    config = replace(config, resume="ckpts/b/model_best_17.pth.tar")
    with pytest.raises(UserError) as error:
        require_files(config, ("resume",), "mains_exp/main_sclss_Joint_finetune")
    made = "cp ckpts/b/model_best.pth.tar ckpts/b/model_best_17.pth.tar"
    assert f"save_directory=b && {made}`" in str(error.value)


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_command_that_makes_a_start_is_one_that_can_be_typed(write, script):
    config = Config(path="c.json", resume="ckpts/a/model_best.pth.tar")
    with pytest.raises(UserError) as error:
        require_files(config, ("resume",), script)
    _, file, flag, values, *_ = str(error.value).split("`")[1].split()
    assert (ROOT / file).is_file() and (ROOT / values).is_file() and flag == "--config_file"
    assert PUBLISHED[Path(values).stem] == file.removeprefix("webemotion/").removesuffix(".py")
