"""Image lists: both forms say the same, and what does not fit is told with its place."""

import pickle
from collections import Counter

import numpy as np
import pytest

from common.cli import UserError
from webemotion import lists
from webemotion.dataset_release.__main__ import main
from webemotion.lists import Entry

ENTRIES = [
    Entry("a/1.jpg", 3),
    Entry("a/2.jpg", -1),
    Entry("b/3.jpg", [3, 17]),
    Entry("b/4.jpg", []),
    Entry("b/5.jpg", [[3, 2], [17, 1]]),
    Entry("c/6.jpg", [0.5, 0.0, 0.5]),
    Entry("c/7.jpg", [4], [12, 9, 12]),
    Entry("c/ü 8.jpg", [4], ["sky", "naïve"]),
]


@pytest.mark.parametrize("suffix", [".pkl", ".jsonl"])
def test_every_form_of_entry_survives(tmp_path, suffix):
    lists.write_list(tmp_path / f"l{suffix}", ENTRIES)
    assert lists.read_list(tmp_path / f"l{suffix}") == ENTRIES


def test_pickles_hold_the_authors_form(tmp_path):
    lists.write_list(tmp_path / "l.pkl", ENTRIES[:1] + ENTRIES[6:7])
    expected = [["a/1.jpg", 3], ["c/7.jpg", [4], [12, 9, 12]]]
    assert pickle.loads((tmp_path / "l.pkl").read_bytes()) == expected


def test_numpy_numbers_and_tuples_become_plain(tmp_path):
    rows = [("a.jpg", np.int64(3)), ("b.jpg", np.array([1, 2])), ["c.jpg", (np.float32(0.5), 0.5)]]
    (tmp_path / "l.pkl").write_bytes(pickle.dumps(rows))
    read = lists.read_list(tmp_path / "l.pkl")
    assert [entry.label for entry in read] == [3, [1, 2], [0.5, 0.5]]
    assert type(read[0].label) is int


def test_converter_goes_both_ways_and_replaces_nothing(tmp_path, in_process):
    lists.write_list(tmp_path / "l.pkl", ENTRIES)
    assert in_process(main, ["lists", "l.pkl", "l.jsonl"], tmp_path).code == 0
    assert in_process(main, ["lists", "l.jsonl", "back.pkl"], tmp_path).code == 0
    assert lists.read_list(tmp_path / "back.pkl") == ENTRIES
    seen = in_process(main, ["lists", "back.pkl", "l.jsonl"], tmp_path)
    assert seen.code == 2 and "exists and is left as it is" in seen.err


@pytest.mark.parametrize("name", ["empty.pkl", "empty.jsonl"])
def test_empty_list_is_refused(tmp_path, name):
    lists.write_list(tmp_path / name, [])
    with pytest.raises(UserError, match=rf"{name} is empty; expected a path and a label an image"):
        lists.read_list(tmp_path / name)


def test_the_authors_other_forms_are_read(tmp_path):
    released = [
        ["d/1.jpg", 3, 7],
        ["e/2.jpg", Counter({"Peace": 2, "Anger": 1}), {"x": 1}, [0.5, 1, 2, 3]],
        ["e/3.jpg", [1], [1.5]],
    ]
    (tmp_path / "l.pkl").write_bytes(pickle.dumps(released))
    entries = [Entry("d/1.jpg", 3), Entry("e/2.jpg", [1, 0]), Entry("e/3.jpg", [1])]
    assert lists.read_list(tmp_path / "l.pkl", ("Anger", "Peace")) == entries
    with pytest.raises(UserError, match="entry 2"):
        lists.read_list(tmp_path / "l.pkl")
    by_class = {1: ["b/1.jpg", "b/2.jpg"], 0: ["a/1.jpg"]}
    (tmp_path / "d.pkl").write_bytes(pickle.dumps(by_class))
    expected = [Entry("b/1.jpg", 1), Entry("b/2.jpg", 1), Entry("a/1.jpg", 0)]
    assert lists.read_list(tmp_path / "d.pkl") == expected


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"a": 1}, r"entry 1: .* is not \[path, label\]"),
        ([["a.jpg"]], r"entry 1: \['a.jpg'\] is not"),
        ([["a.jpg", 1], ["b.jpg", "fear"]], "entry 2"),
        ([[7, 1]], "entry 1"),
    ],
)
def test_other_content_is_refused(tmp_path, value, told):
    (tmp_path / "l.pkl").write_bytes(pickle.dumps(value))
    with pytest.raises(UserError, match=told):
        lists.read_list(tmp_path / "l.pkl")


@pytest.mark.parametrize(
    "line", ['{"path": "a.jpg"}', '{"path": "a.jpg", "label": 1, "labels": [1]}', "{", "[1]"]
)
def test_other_lines_are_refused_with_their_number(tmp_path, line):
    (tmp_path / "l.jsonl").write_text('{"path": "b.jpg", "label": 0}\n' + line + "\n")
    with pytest.raises(UserError, match=r"l.jsonl, (line|entry) 2: "):
        lists.read_list(tmp_path / "l.jsonl")


def test_shares_of_json_may_be_whole_numbers(tmp_path):
    (tmp_path / "l.jsonl").write_text('{"path": "b.jpg", "target": [0, 1]}\n')
    (entry,) = lists.read_list(tmp_path / "l.jsonl")
    assert entry.label == [0, 1] and lists.is_vector(entry.label)


def test_missing_images_are_counted_and_five_named(tmp_path, caplog):
    entries = [Entry(f"{k}.jpg", 0) for k in range(9)]
    (tmp_path / "3.jpg").touch()
    lists.check_images(entries, tmp_path, "l.pkl")
    assert "8 of the 9 images of l.pkl" in caplog.text
    assert "0.jpg, 1.jpg, 2.jpg, 4.jpg, 5.jpg and 3 more" in caplog.text
    (tmp_path / "3.jpg").unlink()
    with pytest.raises(UserError, match="9 of the 9 images"):
        lists.check_images(entries, tmp_path, "l.pkl")


@pytest.mark.parametrize("label", [8, [1, 8], [[8, 2]], -9])
def test_class_out_of_range_is_refused(label):
    entries = [Entry("a.jpg", 7), Entry("b.jpg", label)]
    with pytest.raises(UserError, match=r"l.pkl: b.jpg has the class -?\d, but num_classes is 8"):
        lists.check_labels(entries, 8, "l.pkl")


def test_ignored_and_negative_classes_are_allowed():
    lists.check_labels([Entry("a.jpg", -1), Entry("b.jpg", [-8])], 8, "l.pkl")


def test_target_vector_of_another_length_is_refused():
    with pytest.raises(UserError, match="has 2 numbers, but num_classes is 8"):
        lists.check_labels([Entry("a.jpg", [0.5, 0.5])], 8, "l.pkl")


@pytest.mark.parametrize(("tags", "told"), [(None, "no tags"), ([52], "tag 52"), (["x"], "'x'")])
def test_tags_beyond_the_vocabulary_are_refused(tags, told):
    with pytest.raises(UserError, match=told):
        lists.check_tags([Entry("a.jpg", [0], [50]), Entry("b.jpg", [0], tags)], 50, "l.pkl")
