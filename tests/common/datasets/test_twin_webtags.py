"""Drawn web images and their relatives: files, forms, and that tags say what images show."""

import json
from collections import Counter

import numpy as np
import pytest

from common.data import pickles
from common.datasets.standins import emotions, listed, people_in_context, tagged
from common.datasets.standins.twin import make_twin

LISTS = {
    "data_v6_690_xmas": (690, ("key_labels_train", "key_labels_test", "tag_labels_train")),
    "data_v7_690_face": (690, ("tag_labels_train+face",)),
    "data_v3_694": (694, ("train", "test")),
    "data_v2": (742, ("train", "test")),
    "debug_subset_10": (10, ("train", "test")),
}


@pytest.fixture(scope="module")
def webtags(tmp_path_factory):
    """Every part, small. Not to be changed."""
    folder = tmp_path_factory.mktemp("twin") / "webtags"
    return folder, make_twin("webtags", folder, scale=0.01, size=24)


def test_every_part_is_counted(webtags):
    folder, counts = webtags
    assert set(counts["train"]) == {
        *("StockEmotion", "Deepemotion", "UnBiasedEmo", "Deepsentiment", "Advertisement"),
        *("SE30K8", "EMOTIC"),
    }
    assert json.loads((folder / "DRAWN.json").read_text())["drawn"] is True


def test_parts_are_what_their_own_names_draw(webtags, tmp_path):
    make_twin("unbiasedemo", tmp_path / "u", scale=0.01, size=24)
    here = sorted(p for p in (tmp_path / "u").rglob("*.png"))
    assert here
    for path in here:
        there = webtags[0] / "UnBiasedEmo" / path.relative_to(tmp_path / "u")
        assert path.read_bytes() == there.read_bytes()


@pytest.mark.parametrize("place", LISTS)
def test_lists_name_images_and_classes(webtags, place):
    folder, _ = webtags
    number, names = LISTS[place]
    for name in names:
        rows = pickles.load(folder / place / f"CNNsplit_{name}.pkl")
        assert rows and all((folder / tagged.IMAGES / path).is_file() for path, _ in rows)
        labels = [k for _, of in rows for k in of]
        assert min(labels) >= 0 and max(labels) < number
        if "key" in name:
            assert {len(of) for _, of in rows} == {1}


def test_tags_name_the_classes(webtags):
    folder, _ = webtags
    rows = pickles.load(folder / "data_v6_690_xmas/CNNsplit_tag_label_tag_full_train.pkl")
    assert rows == pickles.load(
        folder / "data_v7_690_face/CNNsplit_tag_labels_train+face_full_tag.pkl"
    )
    idx2tag = pickles.load(folder / "vocabulary/idx2tag.pkl")
    classes = json.loads((folder / "vocabulary/classes.json").read_text())
    assert len(classes) == 690 and classes == sorted(classes)
    for _, labels, tags in rows:
        words = [idx2tag[number] for number in tags]
        assert [word for word in words if word in classes] == [classes[k] for k in labels]
        assert any(word in emotions.NEUTRAL for word in words)


def test_vocabulary_is_alphabetical_and_complete(webtags):
    folder, _ = webtags
    tag2idx = pickles.load(folder / "vocabulary/tag2idx.pkl")
    idx2tag = pickles.load(folder / "vocabulary/idx2tag.pkl")
    vectors = pickles.load(folder / "vocabulary/text_embed.pkl")
    assert list(tag2idx) == sorted(tag2idx) == list(vectors)
    assert [idx2tag[k] for k in range(len(tag2idx))] == list(tag2idx)
    assert {v.shape for v in vectors.values()} == {(300,)}


def test_every_real_word_has_one_family():
    words = [w for name, text in emotions.WORDS.items() for w in (name, *text.split())]
    assert Counter(words).most_common(1)[0][1] == 1
    assert not set(words) & set(emotions.NEUTRAL)
    assert len(emotions.emotion_tags(742)) == 742
    assert emotions.family_of("jealous") == "disgust"


def test_words_of_a_family_stand_together():
    words = {"joy": "joy", "happy": "joy", "fear": "fear", "sky": None}
    v = emotions.word_vectors(words, seed=0)

    def cosine(a, b):
        return float(v[a] @ v[b] / np.linalg.norm(v[a]) / np.linalg.norm(v[b]))

    assert cosine("joy", "happy") > 0.3 > abs(cosine("joy", "fear"))
    assert abs(cosine("joy", "sky")) < 0.3


def test_sentences_are_about_their_family():
    tags = emotions.ranked_tags(690)
    family = {tag: name for name, of in tags.items() for tag in of}
    own = strays = 0
    for k in range(200):
        sentence = emotions.sentence("fear", tags, np.random.default_rng(k))
        assert len(sentence) == len(set(sentence)) and set(sentence) & set(emotions.NEUTRAL)
        told = [family[tag] for tag in sentence if tag in family]
        own += told.count("fear")
        strays += len(told) - told.count("fear")
    assert 2 * 200 <= own <= 5 * 200 and 0 < strays < 0.25 * own


def test_votes_make_the_lists(webtags):
    folder = webtags[0] / "SE30K8"
    votes = json.loads((folder / "annotations.json").read_text())
    for path, label in pickles.load(folder / "train.pkl"):
        counted = Counter(v for worker in votes[path] for v in worker)
        assert len(votes[path]) == 5
        assert counted[tuple(listed.VOTED)[label]] == max(counted.values()) >= 3
    for path, shares, tags in pickles.load(folder / "test_text.pkl"):
        assert len(shares) == 8 and sum(shares) == pytest.approx(1) and tags
        assert (folder / "images" / path).is_file()


def test_people_have_boxes_inside_their_image(webtags):
    import scipy.io
    from PIL import Image

    folder = webtags[0] / "EMOTIC"
    held = scipy.io.loadmat(folder / "Annotations.mat", squeeze_me=True, struct_as_record=False)
    crops = 0
    for entry in held["test"]:
        with Image.open(folder / "emotic" / entry.folder / entry.filename) as image:
            size = image.size
        assert (entry.image_size.n_col, entry.image_size.n_row) == size
        for person in np.atleast_1d(entry.person):
            left, top, right, bottom = person.body_bbox
            assert 0 <= left < right <= size[0] and 0 <= top < bottom <= size[1]
            assert set(np.atleast_1d(person.combined_categories)) <= set(
                people_in_context.CATEGORIES
            )
            crops += 1
    rows = pickles.load(folder / "test.pkl")
    assert len(rows) == crops and all((folder / "crops" / path).is_file() for path, _ in rows)
    assert {k for _, labels in rows for k in labels} == set(range(26))


def test_same_seed_same_bytes_and_another_seed_other_ones(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        make_twin("se30k8", tmp_path / name, scale=0.001, seed=seed, size=24)
    a, b, c = ([p.read_bytes() for p in sorted((tmp_path / n).rglob("*.png"))] for n in "abc")
    assert a == b and a != c


@pytest.mark.parametrize("name", ["deepemotion", "deepsentiment", "advertisement"])
def test_single_label_lists_have_every_class(tmp_path, name):
    counts = make_twin(name, tmp_path / name, scale=0.001, size=16)
    assert set(counts["train"]) == set(counts["test"])
    rows = [r for f in (tmp_path / name).rglob("*.pkl") for r in pickles.load(f)]
    assert {label for _, label in rows} == set(range(len(counts["train"])))
    assert all((tmp_path / name / "images" / path).is_file() for path, _ in rows)
