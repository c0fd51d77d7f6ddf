"""Zero-shot: cosines and average precision by hand, and every evaluator as a script."""

import json

import numpy as np
import pytest
import torch

from common.cli import UserError
from common.data import pickles
from webemotion import lists
from webemotion import zero_shot_scores as scores
from webemotion.catalogue import SCRIPTS
from webemotion.class_names import CLASSES, WORDS
from webemotion.model import build_network
from webemotion.text import checkpoint
from webemotion.zero_shot_words import vector_rows, word_feature_rows

SMALL = {"image_size": 32, "resize": 36, "batch_size": 8, "workers": 0, "depth": "resnet10"}
PREFIX = "main_sclss_2Branch_0Shot_Evaluation_"
EMOTIC = "data/webtags/EMOTIC"
CROPS = {"emotic_file": f"{EMOTIC}/test.pkl", "emotic_dir": f"{EMOTIC}/crops"}
RUNS = {
    f"mains/{PREFIX}EMOTIC_SingleEmotion_Full_WordAvg": CROPS,
    f"mains/{PREFIX}EMOTIC_SingleEmotion_SentenceBased": {
        **CROPS,
        "text_ckpt": "models/model_best.pth.tar",
    },
    f"mains/{PREFIX}EMOTIC_SingleEmotion_WordMax": CROPS,
    "mains/main_sclss_Joint_0Shot_Evaluation_EMOTIC_SingleEmotion_SentenceBased": {
        **CROPS,
        "text_ckpt": "models/model_best.pth.tar",
        "resume": "models/joint.pth.tar",
        "arch": "resnet_joint_50",
    },
    "mains_zeroshot/main_0Shot_EMOTIC_RawEmbedding": {
        "val_file": f"{EMOTIC}/test.pkl",
        "data_dir": f"{EMOTIC}/crops",
        "text_embed": "data/webtags/vocabulary/text_embed.pkl",
    },
    "mains_zeroshot_v2/main_0Shot_Emotic_SentenceEmbedding": {
        "val_file": f"{EMOTIC}/test.pkl",
        "data_dir": f"{EMOTIC}/crops",
        "text_ckpt": "models/transformed8.pth.tar",
    },
}


def test_nearest_word_by_hand():
    words, vectors = ["sky", "joy", "anger"], np.array([[1.0, 1.0], [0.0, 2.0], [3.0, 0.0]])
    found = scores.nearest_label(
        np.array([[0.2, 1.0], [5.0, 1.0]]), words, vectors, ("anger", "joy")
    )
    assert found.label_words == ["joy", "anger"] and found.pred_word == ["joy", "anger"]
    assert found.pred_index.tolist() == [0, 1]
    assert found.label_similarity[1] == pytest.approx([1 / 26**0.5, 5 / 26**0.5])
    # Classes count alphabetically, label words as the dictionary has them.
    assert found.accuracy([1, 0]) == 0.0
    assert found.accuracy_by_name([1, 0], ("anger", "joy")) == 1.0


def test_category_scores_are_means_of_cosines():
    rows = {"Peace": np.array([[1.0, 0.0], [0.0, 1.0]]), "Fear": np.array([[-2.0, 0.0]])}
    out = scores.category_scores(np.array([[3.0, 0.0]]), rows)
    assert out.dtype == np.float32 and out[0] == pytest.approx([0.5, -1.0])
    best = scores.best_word_score(np.array([[3.0, 0.0]]), rows["Peace"])
    assert best == pytest.approx([1.0])


def test_category_without_positives_is_left_out_of_the_mean():
    labels = np.array([[1, 0], [0, 0], [1, 0]])
    ap, mean = scores.mean_average_precision(labels, np.array([[0.9, 1], [0.8, 2], [0.1, 3]]))
    assert ap[0] == pytest.approx((1 + 2 / 3) / 2) and np.isnan(ap[1])
    assert mean == pytest.approx((1 + 2 / 3) / 2)
    modern, mean = scores.mean_average_precision(labels, np.ones((3, 2)), absent_as_zero=True)
    assert modern[1] == 0 and mean == pytest.approx(modern[0] / 2)


def test_words_without_a_vector_are_named():
    with pytest.raises(UserError, match=r"2 of the categories' words .*: fear, joy"):
        vector_rows({"A": ["joy", "sky"], "B": ["fear"]}, {"sky": np.ones(2)})


def test_word_features_are_the_first_positions(world):
    text = checkpoint.load(world / "models/transformed8.pth.tar")
    from webemotion.text import models

    model = models.build("v2", "TextCNN_NLT", text.vocab_size, 20, 300, 300, 8)
    checkpoint.load_into(model, text, "t")
    rows = word_feature_rows({"A": ["joy", "fear"], "B": ["fear"]}, model, text.tag2idx)
    assert rows["A"].shape == (2, 300) and np.allclose(rows["A"][1], rows["B"][0], atol=1e-6)


def test_every_zero_shot_script_has_a_variant():
    for row in SCRIPTS.values():
        assert (row.variant is not None) == (row.task == "zero_shot")
        if row.variant:
            assert (row.variant.classes in CLASSES) == (row.variant.kind == "nearest")
            assert (row.variant.words in WORDS) == (row.variant.kind != "nearest")


@pytest.fixture(scope="module")
def networks(world):
    """Untrained networks: two branches, and joint with its text head."""
    torch.manual_seed(0)
    branch = build_network("resnet_2branch_50", 12, trunk="resnet10", adaptive=True)
    torch.save({"state_dict": branch.state_dict()}, world / "models/branch.pth.tar")
    joint = build_network("resnet_joint_50", 12, trunk="resnet10", adaptive=True)
    from webemotion.text.models import TextTransformation

    head = TextTransformation(300, 300, 8)
    held = {"state_dict": joint.state_dict(), "text_state_dict": head.state_dict()}
    torch.save(held, world / "models/joint.pth.tar")


def config(more: dict) -> dict:
    base = {"arch": "resnet_2branch_50", "num_classes": 12, "resume": "models/branch.pth.tar"}
    base |= {"tag_embeddings": "models/Embeddings/Key690_BN.pkl", "save_directory": "../out_zero"}
    return {**base, **SMALL, **more}


@pytest.mark.parametrize("name", RUNS)
def test_emotic_scripts(world, networks, script, name):
    seen = script(name, config(RUNS[name]), ("--overwrite",), world)
    assert seen.code == 0, seen.err
    report = json.loads((world / "out_zero/zero_shot.json").read_text())
    assert report["script"] == name and report["drawn"] and "DRAWN STAND-IN" in seen.out
    whole = SCRIPTS[name].variant.whole
    listed = lists.read_list(world / f"{EMOTIC}/test{'_whole' if whole else ''}.pkl")
    assert report["images"] == len(listed)
    (written,) = (world / "out_zero").glob("log-*.txt")
    assert "tensors loaded" in written.read_text()
    told = json.loads((world / "out_zero/config.json").read_text())
    assert told["script"] == name and told["data"]["images"] == {"test": report["images"]}
    if name.endswith("WordMax"):
        assert report["category"] == "Peace"
    else:
        assert set(report["ap"]) == set(CLASSES["emotic"])
        values = [v for v in report["ap"].values() if v is not None]
        assert report["mean_ap"] == pytest.approx(np.mean(values))


def test_perfect_projection_finds_every_class(world, script, tmp_path, monkeypatch):
    """Images that are projected onto their class word are all right, whatever the order."""
    from webemotion import zero_shot

    vectors = pickles.load(world / "models/Embeddings/Key690_BN.pkl")
    names = CLASSES["unbiasedemo"]

    def onto_the_word(model, batches, *_):
        targets = np.array([entry.label for entry in batches.dataset.entries])
        return np.stack([vectors[names[k]] for k in targets]), targets

    monkeypatch.setattr(zero_shot, "project", onto_the_word)
    place = "data/webtags/UnBiasedEmo"
    more = {
        "val_file": f"{place}/z_data/train-6.pkl",
        "data_dir": f"{place}/images",
        "resume": None,
    }
    seen = script(f"mains/{PREFIX}UnBiasedEmotion", config(more), ("--overwrite",), world)
    assert seen.code == 0, seen.err
    assert "zero-shot accuracy 100.00% (published comparison 100.00%, chance 16.67%)" in seen.out
    assert "the network is random" in seen.err


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"tag_embeddings": "models/no.pkl"}, "python -m webemotion.text.embed"),
        ({"arch": "resnet50"}, "has no projection"),
        ({"emotic_file": "models/no.pkl"}, "python -m common.datasets twin webtags"),
        ({"word_dim": 20, "resume": None}, "projects to 20 numbers, but the word vectors have 300"),
    ],
)
def test_mistakes_are_told(world, networks, script, more, told):
    name = f"mains/{PREFIX}EMOTIC_SingleEmotion_Full_WordAvg"
    seen = script(name, config({**CROPS, "save_directory": "../none", **more}), cwd=world)
    assert seen.code == 2 and told in seen.err, seen.err
    assert not (world / "none").exists()


def test_there_is_no_training_to_go_on_with(world, networks, script):
    name = f"mains/{PREFIX}EMOTIC_SingleEmotion_Full_WordAvg"
    seen = script(name, config({"save_directory": "../none"}), ("--resume", "out_zero"), world)
    assert seen.code == 2 and "trains nothing" in seen.err
    assert not (world / "none").exists()


def test_joint_needs_its_text_head(world, networks, script):
    name = "mains/main_sclss_Joint_0Shot_Evaluation_EMOTIC_SingleEmotion_SentenceBased"
    wrong = {**RUNS[name], "resume": "models/branch.pth.tar"}
    seen = script(name, config(wrong), ("--overwrite",), world)
    assert seen.code == 2 and "no text_state_dict" in seen.err
