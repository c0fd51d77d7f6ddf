"""Votes, tag lists and converters: what was released, and what is made of it."""

import json
import shutil

import numpy as np
import pytest

from common.cli import UserError
from common.data import pickles
from webemotion import lists
from webemotion.class_names import CLASSES
from webemotion.dataset_release import tag_split, votes
from webemotion.dataset_release.__main__ import main
from webemotion.lists import Entry

WEBTAGS = "data/webtags"


def test_votes_by_hand():
    said = [["fear"], ["fear", "anger"], ["anger"], ["neutral"]]
    single, multi = votes.labelled({"a": said, "b": [["fear"]]}, 2)
    se30k8 = CLASSES["se30k8"]
    # Of the two that have two votes, the one named first; one vote makes no label.
    assert single == [Entry("a", se30k8.index("fear"))]
    assert multi[0].label[se30k8.index("anger")] == pytest.approx(0.4)
    assert [sum(entry.label) for entry in multi] == pytest.approx([1, 1])


@pytest.mark.parametrize(
    ("given", "told"), [([[], []], "nobody named"), ([["boredom"]], "'boredom' is none of")]
)
def test_votes_that_cannot_be_counted(given, told):
    with pytest.raises(UserError, match=told):
        votes.labelled({"a": given})


def test_every_form_of_annotations(tmp_path):
    plain = {"1": [["fear"], ["anger"]], "2": [["neutral"]]}
    (tmp_path / "a.json").write_text(json.dumps(plain))
    released = {key: {"image_emotion": of, "worker": [1]} for key, of in plain.items()}
    pickles.save(released, tmp_path / "b.pkl")
    pickles.save(list(plain.items()), tmp_path / "c.pkl")
    for name in ("a.json", "b.pkl", "c.pkl"):
        assert votes.read_annotations(tmp_path / name) == plain
    for name, bad in (("d.pkl", {}), ("e.pkl", {"1": 3}), ("f.pkl", {"1": [[3]]})):
        pickles.save(bad, tmp_path / name)
        with pytest.raises(UserError, match="expected a dictionary image"):
            votes.read_annotations(tmp_path / name)


def test_vote_lists_agree_with_the_drawn_ones(world, tmp_path, in_process):
    source = world / WEBTAGS / "SE30K8"
    argv = ["votes", "--annotations", source / "annotations.json", "--out", "made"]
    seen = in_process(main, argv, tmp_path)
    assert seen.code == 0, seen.err
    single = {e.path: e.label for e in lists.read_list(tmp_path / "made/single.jsonl")}
    drawn = {e.path: e.label for e in lists.read_list(source / "train.pkl")}
    assert drawn.items() <= single.items()
    again = in_process(main, argv, tmp_path)
    assert again.code == 2 and "exist and are left as they are" in again.err


def test_tags_become_classes(tmp_path):
    classes = {"fear": 7, "joy": 9}  # number of the tag in the vocabulary
    tags = {"a": ["sky", "joy", "fear", "joy"], "b": ["sky"], "c": [9, 2]}
    assert tag_split.class_entries(tags, "labels", classes) == [
        Entry("a", [1, 0]),
        Entry("c", [1]),
    ]
    full = tag_split.class_entries(tags, "full_tag", classes)
    assert full[0].tags == ["sky", "joy", "fear", "joy"]
    assert tag_split.class_entries(tags, "idxcount", classes)[0].label == [[1, 2], [0, 1]]


def test_split690_is_a_tenth_and_repeatable(tmp_path, in_process):
    rows = [{"path": f"{k}.jpg", "tags": ["anger", "sky"]} for k in range(30)]
    rows += [{"path": "none.jpg", "tags": ["sky"]}]
    (tmp_path / "tags.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    for out in ("one", "two"):
        argv = ["split690", "--tags", "tags.jsonl", "--out", out, "--form", ".pkl"]
        seen = in_process(main, argv, tmp_path)
        assert seen.code == 0 and "1 of 31 images have none" in seen.out
    train = lists.read_list(tmp_path / "one/train.pkl")
    test = lists.read_list(tmp_path / "one/test.pkl")
    assert len(train) == 27 and len(test) == 3
    assert len({e.path for e in train + test}) == 30
    assert (tmp_path / "one/test.pkl").read_bytes() == (tmp_path / "two/test.pkl").read_bytes()
    lists.check_labels(train, 690, "train")


@pytest.mark.parametrize(
    ("name", "folder"), [("unbiasedemo", "UnBiasedEmo"), ("deepemotion", "Deepemotion")]
)
def test_class_folders_become_lists(world, tmp_path, in_process, name, folder):
    source = world / WEBTAGS / folder
    seen = in_process(main, ["convert", name, "--source", source, "--out", "made"], tmp_path)
    assert seen.code == 0, seen.err
    made = [e for f in (tmp_path / "made").iterdir() for e in lists.read_list(f)]
    lists.check_images(made, source, "made")
    drawn = {
        e.path: e.label for f in (source / "z_data").glob("train*") for e in lists.read_list(f)
    }
    labels = {e.path.removeprefix("images/"): e.label for e in made}
    assert drawn.items() <= labels.items()


@pytest.mark.parametrize("name", ["advertisement", "deepsentiment"])
def test_annotation_files_become_lists(world, tmp_path, in_process, name):
    folder = {"advertisement": "Advertisement", "deepsentiment": "Deepsentiment"}[name]
    source = world / WEBTAGS / folder
    seen = in_process(main, ["convert", name, "--source", source, "--out", "made"], tmp_path)
    assert seen.code == 0, seen.err
    made = {e.path: e.label for f in (tmp_path / "made").iterdir() for e in lists.read_list(f)}
    drawn = {
        f"images/{e.path}": e.label for f in source.rglob("train*.pkl") for e in lists.read_list(f)
    }
    assert drawn.items() <= made.items()


def test_advertisements_count_from_one_in_their_own_file(world, tmp_path, in_process):
    shutil.copytree(world / WEBTAGS / "Advertisement", tmp_path / "ads")
    for file in (tmp_path / "ads").glob("*.pkl"):
        file.unlink()
    seen = in_process(main, ["convert", "advertisement", "--source", "ads", "--out", "m"], tmp_path)
    assert seen.code == 0, seen.err
    made = {e.path: e.label for f in (tmp_path / "m").iterdir() for e in lists.read_list(f)}
    drawn = lists.read_list(world / WEBTAGS / "Advertisement/train_list.pkl")
    assert all(made[f"images/{entry.path}"] == entry.label for entry in drawn)


def test_people_of_emotic_are_cut_out(world, tmp_path, in_process):
    source = world / WEBTAGS / "EMOTIC"
    argv = ["convert", "emotic", "--source", source, "--out", "made", "--form", ".pkl"]
    seen = in_process(main, argv, tmp_path)
    assert seen.code == 0, seen.err
    made = lists.read_list(tmp_path / "made/train.pkl")
    assert made == lists.read_list(source / "train.pkl")
    lists.check_labels(made, len(CLASSES["emotic"]), "train")
    for entry in made[:3]:
        cut, drawn = (f / "crops" / entry.path for f in (tmp_path / "made", source))
        from PIL import Image

        assert np.array_equal(np.asarray(Image.open(cut)), np.asarray(Image.open(drawn)))


def test_a_folder_without_the_dataset_is_told(tmp_path, in_process):
    seen = in_process(main, ["convert", "emotic", "--source", ".", "--out", "made"], tmp_path)
    assert seen.code == 2 and "Annotations.mat" in seen.err and not (tmp_path / "made").exists()
