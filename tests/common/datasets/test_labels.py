"""Label algebra: maps are total, keep polarity, agree with each other, and refuse what is not."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.cli import UserError
from common.datasets.__main__ import main
from common.datasets.labels import (
    DATASETS,
    PARENTS,
    QUADRANTS,
    SPACES,
    evaluate_across,
    mapping,
    space,
)

NAMES = sorted(SPACES)
DETOUR = ("webemo25", "webemo6", "disgust")  # the dataset's own hierarchy


def try_mapping(source, target):
    try:
        return mapping(source, target)
    except UserError:
        return None


PAIRS = {(a, b): try_mapping(a, b) for a, b in itertools.product(NAMES, NAMES)}
spaces = st.sampled_from(NAMES)


def test_table_is_a_tree_and_every_class_has_a_concept():
    for known in SPACES.values():
        assert {known.concept(name) for name in known.classes} <= set(PARENTS)
    assert set(QUADRANTS) <= set(PARENTS) and set(QUADRANTS.values()) <= set(PARENTS)
    for concept in PARENTS:
        seen = []
        while concept is not None:
            assert concept not in seen
            seen.append(concept)
            concept = PARENTS[concept]


@given(spaces, spaces)
def test_maps_are_total_or_refused(a, b):
    found = PAIRS[a, b]
    if found is None:
        with pytest.raises(UserError, match=f"no class of {a} has a counterpart in {b}"):
            mapping(a, b)
        return
    assert tuple(found.classes) == SPACES[a].classes
    assert len(found.index) == len(SPACES[a].classes)
    for name, label in zip(found.classes, found.index, strict=True):
        counterpart = found.classes[name]
        assert (label == -1) == (counterpart is None) == (name in found.without)
        assert counterpart is None or SPACES[b].classes[label] == counterpart


@given(spaces)
def test_a_set_maps_to_itself_unchanged(a):
    assert mapping(a, a).index == tuple(range(len(SPACES[a].classes)))


@given(spaces, spaces, spaces)
def test_two_steps_agree_with_one(a, b, c):
    first, second, direct = PAIRS[a, b], PAIRS[b, c], PAIRS[a, c]
    if None in (first, second, direct):
        return
    for name, between in first.classes.items():
        there = None if between is None else second.classes[between]
        if there is not None and direct.classes[name] is not None and (a, b, name) != DETOUR:
            assert there == direct.classes[name], (a, b, c, name)


@given(spaces, spaces)
def test_polarity_survives(a, b):
    found = PAIRS[a, b]
    signs = [PAIRS[name, "polarity"] for name in (a, b)]
    if found is None or None in signs:
        return
    for name, to in found.classes.items():
        if to is not None and signs[0].classes[name] and signs[1].classes[to]:
            assert signs[0].classes[name] == signs[1].classes[to]


def test_well_known_maps():
    fi = mapping("fi", "Emotion-6".replace("-", "")).classes
    assert fi["amusement"] == fi["contentment"] == fi["excitement"] == "joy"
    assert fi["awe"] is None and fi["anger"] == "anger"
    assert mapping("emotion6", "fi").without == ("joy", "surprise")
    webemo = mapping("webemo25", "webemo6")
    assert webemo.classes["disgust"] == "anger" and webemo.without == ("confusion",)
    assert mapping("webemo25", "emotion6").classes["disgust"] == "disgust"
    faces = mapping("affectnet8", "raf7")
    assert faces.without == ("contempt",) and faces.classes["neutral"] == "neutral"
    assert mapping("se30k8", "polarity").without == ("neutral",)
    assert mapping("rafdb", "polarity").without == ("surprise", "neutral")
    assert "surprise" not in mapping("emotion6", "polarity").without
    assert mapping("bass", "polarity").index == (0, 0, 1, 1)


def test_polarity_of_the_catalogue_is_that_of_the_algebra():
    from common.datasets.catalogue import describe, polarity

    for name in ("fi", "emotion6"):
        classes = space(name).classes
        assert tuple(polarity(describe(name).name, classes)) == mapping(name, "polarity").index


def test_datasets_name_label_sets():
    assert {space(name).name for name in DATASETS} <= set(SPACES)
    with pytest.raises(
        UserError, match=r"no label set is known for 'emotoin6'.*Did you mean emotion6"
    ):
        space("emotoin6")


def test_label_sets_are_in_the_order_of_the_readers():
    from common.datasets.readers import affectnet, emoset, emotion6, ferplus, ldl, rafdb, sfew

    for name, classes in {
        "emoset": emoset.MIKELS,
        "flickrldl": ldl.EMOTIONS,
        "emotion6": emotion6.CLASSES,
        "rafdb": rafdb.CLASSES,
        "sfew": sfew.CLASSES,
        "ferplus": ferplus.CLASSES,
        "affectnet8": affectnet.EXPRESSIONS,
        "affectnet7": affectnet.EXPRESSIONS[:7],
    }.items():
        assert space(name).classes == classes


def test_evaluation_across():
    # A model of FI's eight on Emotion6: joy is amusement, contentment or excitement.
    predictions = np.array([0, 3, 5, 1, 7, 2, 1])  # … awe is no emotion of Emotion6
    labels = np.array([3, 3, 3, 0, 0, 3, 5])  # … surprise cannot be predicted
    result = evaluate_across(predictions, labels, "fi", "emotion6")
    assert result["left_out"] == 1 and result["images"] == 6
    assert result["classes"] == ["anger", "disgust", "fear", "joy", "sadness"]
    assert result["accuracy"] == pytest.approx(4 / 6)
    assert result["macro_recall"] == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert "without counterpart: awe" in result["mapping"][0]


def test_scores_of_one_class_are_added_up():
    scores = np.array([[0.25, 0.3, 0.0, 0.15, 0.0, 0.15, 0.15, 0.0]])
    assert evaluate_across(scores, [3], "fi", "emotion6")["accuracy"] == 1.0  # joy 0.55, anger 0.3
    assert evaluate_across(scores, [0], "fi", "emotion6", on="polarity")["accuracy"] == 0.0


def test_nothing_to_compare_is_refused():
    with pytest.raises(UserError, match="no image of emotion6 has a label that a model of fi"):
        evaluate_across(np.array([0]), np.array([5]), "fi", "emotion6")
    with pytest.raises(ValueError, match="2 predictions for 1 labels"):
        evaluate_across(np.array([0, 1]), np.array([0]), "fi", "fi")


def test_command(capsys):
    assert main(["map", "fi", "raf-db"]) == 0
    shown = capsys.readouterr().out
    assert "amusement happiness" in " ".join(shown.split())
    assert "without counterpart in raf7: awe" in shown
    assert main(["map", "webemo", "webemo6", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["map"]["confusion"] is None and len(found["map"]) == 25
    assert main(["map", "polarity", "fi"]) == 2
    assert "no class of polarity has a counterpart in fi8" in capsys.readouterr().err


def test_command_across(tmp_path, capsys):
    file = tmp_path / "predictions.csv"
    file.write_text("image,prediction,label\na,amusement,joy\nb,3,3\nc,awe,0\nd,0,surprise\n")
    assert main(["across", str(file), "--model", "fi", "--data", "emotion6"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["images"] == 3 and found["left_out"] == 1
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["mapping"][0].startswith("labels of fi8 read as emotion6: amusement as joy")
    file.write_text("prediction,label\n8,joy\n")
    assert main(["across", str(file), "--model", "fi", "--data", "emotion6"]) == 2
    assert "line 2: '8' is no class; expected a number from 0 to 7" in capsys.readouterr().err
