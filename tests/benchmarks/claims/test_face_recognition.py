"""Weights from drawn people: what is drawn, and who can start from them."""

import numpy as np
from PIL import Image

from adacm.model import UnitNormResNet, load_weights
from benchmarks.claims import face_recognition, semi_supervision
from benchmarks.claims.face_recognition import Recognition, draw_people
from common.datasets.standins.people import Identity


def pixels(path):
    return np.asarray(Image.open(path), dtype=float)


def test_a_person_keeps_the_identity_and_changes_the_rest(tmp_path, monkeypatch):
    """Every picture of a person is drawn with one identity; no two pictures are equal."""
    drawn = []
    real = face_recognition.draw_face
    monkeypatch.setattr(
        face_recognition,
        "draw_face",
        lambda actions, rng, size, who: drawn.append(who) or real(actions, rng, size, who),
    )
    draw_people(tmp_path, 2, 32)
    of_person = sum(face_recognition.SAMPLES_PER_PERSON.values())
    assert [id(who) for who in drawn] == [id(drawn[0])] * of_person + [id(drawn[-1])] * of_person
    assert isinstance(drawn[0], Identity) and drawn[0] is not drawn[-1]
    files = sorted(tmp_path.glob("*/person_0000/*.jpg"))
    assert len(files) == of_person
    assert not np.array_equal(pixels(files[0]), pixels(files[1]))


def test_drawing_again_gives_the_same_bytes(tmp_path):
    """The pictures follow from the seed."""
    for name in "ab":
        draw_people(tmp_path / name, 1, 32)
    first, second = (sorted((tmp_path / name).rglob("*.jpg")) for name in "ab")
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


def test_ada_cm_starts_from_the_weights(tmp_path):
    """The file holds a whole trunk and no head; it is made once."""
    weights = face_recognition.pretrain(tmp_path, Recognition(2, 1, 1), 32)
    model = UnitNormResNet(7)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    load_weights(model, weights)
    changed = {n for n, v in model.state_dict().items() if not v.equal(before[n])}
    assert "base.0.weight" in changed and not any(n.startswith("classifier") for n in changed)
    made = weights.stat().st_mtime_ns
    assert face_recognition.pretrain(tmp_path, Recognition(2, 1, 1), 32) == weights
    assert weights.stat().st_mtime_ns == made
    assert 0 <= face_recognition.accuracy(tmp_path) <= 1


def test_only_the_published_start_is_from_people():
    """The comparison named after the paper starts as the paper does; the other from nothing."""
    starts = {name: c["start"] for name, c in semi_supervision.FewLabels.comparisons.items()}
    assert starts["adacm"] == "people" and starts["adacm_from_scratch"] == "random"
