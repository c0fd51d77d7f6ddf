"""Every published script and configuration runs, two steps each, on drawn images."""

from __future__ import annotations

import importlib
import json
import shutil
from pathlib import Path

import pytest

from webemotion.catalogue import PUBLISHED, SCRIPTS
from webemotion.config import load

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "webemotion"
OTHER_SPELLING = "mains/main_mclss_cross_entropy_v2"
TINY = (
    *("--device", "cpu", "--backbone", "resnet10", "--image_size", "32", "--max_steps", "2"),
    *("--set", "workers=0", "--set", "batch_size=4", "--set", "epochs=1", "--overwrite"),
)
WEB = "data/webtags"
TAGGED = {
    "num_classes": 690,
    "data_dir": f"{WEB}/stockimage742/images-256",
    "train_file": f"{WEB}/data_v6_690_xmas/CNNsplit_tag_labels_train.pkl",
    "val_file": f"{WEB}/data_v6_690_xmas/CNNsplit_key_labels_test.pkl",
    "trainloader": "multilabel_v2_train",
    "valloader": "multilabel_v2_val",
}
WORDS = TAGGED | {
    "train_file": f"{WEB}/data_v6_690_xmas/CNNsplit_tag_label_tag_full_train.pkl",
    "text_embed": f"{WEB}/vocabulary/text_embed.pkl",
    "idx2tag": f"{WEB}/vocabulary/idx2tag.pkl",
    "trainloader": "image_textembed_train",
    "arch": "resnet_2branch_50",
}
TEXT = WORDS | {"trainloader": "image_text_train", "text_ckpt": "models/transformed8.pth.tar"}
SMALL = WORDS | {
    "num_classes": 12,
    "train_file": f"{WEB}/small/train_full_tag.pkl",
    "val_file": f"{WEB}/small/test.pkl",
    "trainloader": "image_cls_text_textembed_train",
    "text_ckpt": "models/deeper12.pth.tar",
}
EMOTION = {
    "num_classes": 8,
    "data_dir": f"{WEB}/Deepemotion/images",
    "train_file": f"{WEB}/Deepemotion/z_data/train_8.pkl",
    "val_file": f"{WEB}/Deepemotion/z_data/test_8.pkl",
    "trainloader": "singlelabel_v2_train",
    "valloader": "singlelabel_v2_val",
    "freeze": True,
    "resume": "ckpts/plain/checkpoint_0000.pth.tar",
}
OLDER = {
    "num_classes": 8,
    "dataset": {
        "name": "singlelabel",
        "args": {
            "data_dir": f"{WEB}/Deepemotion/images",
            "annotation_file": "older/{}_8.pkl",
        },
    },
}
CROPS = {
    "arch": "resnet_2branch_50",
    "visual_model": "ckpts/2branch/checkpoint_0000.pth.tar",
    "text_embed": "models/Embeddings/Key690_BN.pkl",
    "text_ckpt": "models/transformed8.pth.tar",
    "val_file": f"{WEB}/EMOTIC/test.pkl",
    "data_dir": f"{WEB}/EMOTIC/crops",
}
FEATURES = {"arch": "resnet50_feature_extractor", "resume": "ckpts/plain/checkpoint_0000.pth.tar"}

# Scripts that no published configuration fits, and a configuration of the same keys.
OWN: dict[str, dict] = {
    "mains_baselines/main_mclss_cross_entropy": TAGGED,
    "mains_ablation/main_mclss_cross_entropy_top1": TAGGED
    | {
        "num_classes": 12,
        "train_file": f"{WEB}/small/train_idxcount.pkl",
        "val_file": f"{WEB}/small/test_idxcount.pkl",
        "trainloader": "multilabel_idxcount_v2_train",
        "valloader": "multilabel_idxcount_v2_val",
    },
    "mains_v2/main_mclss_2Branch": TEXT | {"alpha": 0.5},
    "mains_v2/main_mclss_3Branch": TEXT | {"arch": "resnet_3branch_50", "beta": 0.5},
    "mains_v2/main_Cls690+Distll690": SMALL | {"arch": "resnet50"},
    "mains_v2/main_Avggooglenews+ClswithSoftNEpred": SMALL,
    "mains_ablation/main_mclss_2Branch_AvgW2v": WORDS,
    "mains_ablation/main_mclss_1Branch_AvgW2v": WORDS,
    "mains_ablation/main_mclss_1Branch_AvgW2v_halfedited": WORDS,
    "mains/main_mclss_2Branch_Joint": TEXT
    | {"arch": "resnet_joint_50", "text_ckpt": "models/model_best.pth.tar"},
    "mains/main_sclss_cross_entropy": OLDER,
    "mains/main_deepemotion": OLDER,
    "mains_ablation/main_finetune30K": EMOTION | {"dataloader": "singlelabel_v2"},
    "mains_finetuning/main_sclss_cross_entropy_finetune": EMOTION,
    "mains_finetuning/main_sclss_mAP_eval_cross_entropy_finetune": EMOTION,
    "mains_finetuning/main_mclss_cross_entropy_finetune": EMOTION
    | {
        "data_dir": f"{WEB}/SE30K8/images",
        "train_file": f"{WEB}/SE30K8/train_multi.pkl",
        "val_file": f"{WEB}/SE30K8/test_multi.pkl",
        "trainloader": "simple_multilabel_train",
        "valloader": "simple_multilabel_val",
    },
    "mains/main_sclss_2Branch_0Shot_Evaluation_EMOTIC_SingleEmotion_SentenceBased": CROPS
    | {"text_ckpt": "models/model_best.pth.tar"},
    "mains/main_sclss_2Branch_0Shot_Evaluation_EMOTIC_SingleEmotion_WordMax": CROPS
    | {"tag_embeddings": "models/Embeddings/Key690_BN.pkl"},
    "mains_zeroshot_v2/main_sclss_0Shot_Evaluation_EMOTIC_SingleEmotion_Full_WordAvg_old": CROPS
    | {"tag_embeddings": "models/Embeddings/Key690_BN.pkl"},
    "mains/main_sclss_Joint_0Shot_Evaluation_EMOTIC_SingleEmotion_SentenceBased": CROPS
    | {
        "arch": "resnet_joint_50",
        "visual_model": "ckpts/joint/checkpoint_0000.pth.tar",
        "text_ckpt": "models/model_best.pth.tar",
    },
    "mains_zeroshot/main_0Shot_EMOTIC_RawEmbedding": CROPS,
    "mains_zeroshot_v2/main_0Shot_EMOTIC_RawEmbedding": CROPS,
    "mains_zeroshot/main_0Shot_Emotic_SentenceEmbedding": CROPS,
    "mains_zeroshot_v2/main_0Shot_Emotic_SentenceEmbedding": CROPS,
    "mains/main_feature_extractor": FEATURES | OLDER,
    "mains_v2/main_feature_extractor": FEATURES
    | {"val_file": EMOTION["val_file"], "data_dir": EMOTION["data_dir"]},
}
FITTING = {config: name for config, name in PUBLISHED.items() if name in SCRIPTS}
RUNS = [(name, None) for name in OWN] + [(name, config) for config, name in FITTING.items()]


@pytest.fixture(scope="module")
def start(world, script) -> Path:
    """`world` with short trainings of the three kinds of network, under the names of configs."""
    heads = {"plain": "mains/main_mclss_cross_entropy_v3", "2branch": "mains_v2/main_mclss_2Branch"}
    heads["joint"] = "mains_exp/main_mclss_2Branch_Joint"
    configs = {
        "plain": TAGGED,
        "2branch": TEXT,
        "joint": TEXT | {"arch": "resnet_joint_50", "text_ckpt": "models/model_best.pth.tar"},
    }
    for kind, name in heads.items():
        out = ("--set", f"save_directory={kind}", "--max_steps", "1")
        seen = script(name, configs[kind], (*TINY, *out), world)
        assert seen.code == 0, seen.err
    for config in FITTING:
        values = json.loads((PACKAGE / f"scripts/{config}.json").read_text())
        if values["resume"] and not (world / values["resume"]).exists():
            kind = {"0Shot": "2branch", "Joint": "joint"}
            kind = next((k for part, k in kind.items() if part in config), "plain")
            kind = "plain" if "Selected690" in config else kind
            target = world / values["resume"]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(world / f"ckpts/{kind}/checkpoint_0000.pth.tar")
    return world


@pytest.mark.parametrize(("name", "config"), RUNS, ids=lambda value: str(value).split("/")[-1])
def test_two_steps(start, script, rows, name, config):
    given = OWN[name] if config is None else str(PACKAGE / f"scripts/{config}.json")
    task, out = SCRIPTS[name].task, start / "out"
    extra = ["--set", "save_directory=../out"]
    if task != "train":
        importlib.import_module(f"webemotion.{task}")
    if config and json.loads(Path(given).read_text())["pretrained"]:
        extra += ["--set", "pretrained=false"]
    if config == "Desk_Selected690_2Branch_config":  # the one that only evaluates
        extra += ["--set", "evaluate=null"]
    seen = script(name, given, (*TINY, *extra), start)
    assert seen.code == 0, seen.err
    if task == "train":
        row = rows(out)[-1]
        assert row["step"] == 2
        assert row["train"]["loss"] > 0
        assert row["test"]["images"] == 8
    else:
        assert "images" in seen.out or "written" in seen.out
    shutil.rmtree(out, ignore_errors=True)


def test_every_script_of_the_inventory_is_run():
    files = {f.relative_to(PACKAGE).with_suffix("").as_posix() for f in PACKAGE.glob("mains*/*.py")}
    assert files == set(SCRIPTS)
    absent = {"mains/main_mclass_cross_entropy_v2", OTHER_SPELLING}
    assert len(files - absent) == 36
    run = {name for name, _ in RUNS}
    assert set(SCRIPTS) - run == {OTHER_SPELLING}


def test_a_wrapper_is_short_and_holds_nothing():
    texts = {f.name: f.read_text() for f in PACKAGE.glob("mains*/*.py")}
    assert max(len(text.splitlines()) for text in texts.values()) <= 15
    assert len({text.split('"""', 2)[2] for text in texts.values()}) == 1


def test_other_spelling_runs(start, script):
    seen = script(OTHER_SPELLING, {}, (), start)
    assert seen.code == 2
    assert "lacks num_classes" in seen.err


def test_all_29_published_configurations_parse():
    files = {path.stem: path for path in (PACKAGE / "scripts").glob("*.json")}
    assert set(files) == set(PUBLISHED)
    assert len(files) == 29
    for name, path in files.items():
        fits = PUBLISHED[name]
        values = load(path, fits if fits in SCRIPTS else "mains/main_mclass_cross_entropy_v2")
        assert values.num_classes > 0
        text = path.read_text()
        assert "/home" not in text and '": "/' not in text


def test_configurations_without_a_script_are_refused_with_the_reason(start, script):
    for config, reason in PUBLISHED.items():
        if reason not in SCRIPTS:
            path = str(PACKAGE / f"scripts/{config}.json")
            seen = script("mains/main_mclass_cross_entropy_v2", path, TINY, start)
            assert seen.code == 2
            assert "binary cross-entropy" in seen.err
