"""Drawn stand-in for StockEmotion: web images with tag sentences, and lists of 690 emotion tags.

The official set has 1.17 million images and 36,534 tags; this one is as large as :data:`TRAIN` and
:data:`TEST` say at scale 1. File names are those that the published configurations ask for, and a
list entry is ``[path, [class numbers]]``, in the ``full_tag`` lists ``[path, [class numbers], [tag
numbers]]``. Class numbers count the emotion tags alphabetically, tag numbers the vocabulary.
"""

from __future__ import annotations

from pathlib import Path

from common.data import pickles
from common.datasets.standins import emotions, picture_lists
from common.datasets.standins.picture_lists import Job, draw_all, generator
from common.files import write_json

VERSION = 1
SIDE = 96
TRAIN, TEST, LEAST = 4000, 800, 48
CLASS_SETS = {"data_v6_690_xmas": 690, "data_v3_694": 694, "data_v2": 742}
"""Folder of lists -> emotion tags that are classes in it."""
SMALL = tuple(sorted(emotions.FAMILIES))
IMAGES = "stockimage742/images-256"


def write(folder: Path, scale: float, seed: int, size: int) -> dict[str, dict[str, int]]:
    """Write images, vocabulary and every list into an existing empty folder.

    Returns:
        Images per split and family.
    """
    tags = emotions.ranked_tags(max(CLASS_SETS.values()))
    entries = {
        split: _entries(split, picture_lists.scaled(full, scale, LEAST), tags, seed)
        for split, full in (("train", TRAIN), ("test", TEST))
    }
    for of_split in entries.values():
        jobs = [Job(entry["path"], entry["family"]) for entry in of_split]
        draw_all(jobs, folder / IMAGES, seed, size, "stockemotion")
    vocabulary = write_vocabulary(folder / "vocabulary", seed)
    _write_lists(folder, entries, vocabulary)
    return picture_lists.counts({s: [e["family"] for e in of] for s, of in entries.items()})


def _entries(split: str, number: int, tags: dict[str, list[str]], seed: int) -> list[dict]:
    """Every image of a split: path, family, tags, and the tag that it was searched by."""
    out = []
    for k in range(number):
        rng = generator(seed, "stockemotion", split, k)
        family = emotions.FAMILIES[k % len(emotions.FAMILIES)]
        sentence = emotions.sentence(family, tags, rng)
        own = [tag for tag in sentence if tag in tags[family]]
        path = f"{k % 10}/{split}_{k:06d}.png"
        key = str(rng.choice(own))
        out.append({"path": path, "family": family, "tags": sentence, "key": key})
    return out


def write_vocabulary(folder: Path, seed: int) -> dict[str, int]:
    """Write dictionaries and drawn word vectors; returns word -> number, alphabetical.

    ``tag2idx.pkl``, ``idx2tag.pkl``: every tag. ``tag2clsidx.pkl``: the 690 emotion tags.
    ``text_embed.pkl``: word -> float32 [300]. ``classes.json``: the 690 emotion tags in order.
    """
    families = emotions.emotion_tags(max(CLASS_SETS.values()))
    real = {word: name for name, text in emotions.WORDS.items() for word in (name, *text.split())}
    words: dict[str, str | None] = {**dict.fromkeys(emotions.NEUTRAL), **real, **families}
    words = dict(sorted(words.items()))
    tag2idx = {word: number for number, word in enumerate(words)}
    classes = list(emotions.emotion_tags(690))
    folder.mkdir(parents=True, exist_ok=True)
    pickles.save(tag2idx, folder / "tag2idx.pkl")
    pickles.save({number: word for word, number in tag2idx.items()}, folder / "idx2tag.pkl")
    pickles.save({word: k for k, word in enumerate(classes)}, folder / "tag2clsidx.pkl")
    pickles.save(emotions.word_vectors(words, seed), folder / "text_embed.pkl")
    write_json(folder / "classes.json", classes)
    return tag2idx


def _write_lists(folder: Path, entries: dict[str, list[dict]], tag2idx: dict[str, int]) -> None:
    for place, number in CLASS_SETS.items():
        classes = {tag: k for k, tag in enumerate(emotions.emotion_tags(number))}
        lists = {split: _forms(of_split, classes, tag2idx) for split, of_split in entries.items()}
        if place != "data_v6_690_xmas":
            for split, forms in lists.items():
                _save(forms["tag"], folder / place / f"CNNsplit_{split}.pkl")
            # The name that configurations of the older form give the test list.
            _save(lists["test"]["tag"], folder / place / "CNNsplit_val.pkl")
            continue
        for split, forms in lists.items():
            _save(forms["key"], folder / place / f"CNNsplit_key_labels_{split}.pkl")
        train, faces = lists["train"], folder / "data_v7_690_face"
        _save(train["tag"], folder / place / "CNNsplit_tag_labels_train.pkl")
        _save(train["full"], folder / place / "CNNsplit_tag_label_tag_full_train.pkl")
        _save(train["tag"], faces / "CNNsplit_tag_labels_train+face.pkl")
        _save(train["full"], faces / "CNNsplit_tag_labels_train+face_full_tag.pkl")
    families = emotions.emotion_tags(max(CLASS_SETS.values()))
    for split, of_split in entries.items():
        small = [_small(entry, families, tag2idx) for entry in of_split]
        _save([row[:2] for row in small], folder / "small" / f"{split}.pkl")
        _save(small, folder / "small" / f"{split}_full_tag.pkl")
        counted = [_counted(entry, families) for entry in of_split]
        _save(counted, folder / "small" / f"{split}_idxcount.pkl")
        ten = [[path, [k for k in labels if k < 10]] for path, labels, _ in small]
        ten = [row for row in ten if row[1]]
        _save(ten, folder / "debug_subset_10" / f"CNNsplit_{split}.pkl")


def _forms(entries: list[dict], classes: dict[str, int], tag2idx: dict[str, int]) -> dict:
    """A split's lists: by the search word, by all emotion tags, and these with every tag."""
    forms: dict[str, list] = {"key": [], "tag": [], "full": []}
    for entry in entries:
        labels = [classes[tag] for tag in entry["tags"] if tag in classes]
        if not labels:
            continue
        key = classes.get(entry["key"], labels[0])
        numbers = [tag2idx[tag] for tag in entry["tags"]]
        forms["key"].append([entry["path"], [key]])
        forms["tag"].append([entry["path"], labels])
        forms["full"].append([entry["path"], labels, numbers])
    return forms


def _small(entry: dict, family_of: dict[str, str], tag2idx: dict[str, int]) -> list:
    """The small form: which of the twelve families the tags name."""
    families = {family_of[tag] for tag in entry["tags"] if tag in family_of}
    labels = sorted(SMALL.index(family) for family in families)
    return [entry["path"], labels, [tag2idx[tag] for tag in entry["tags"]]]


def _counted(entry: dict, family_of: dict[str, str]) -> list:
    """How many tags name each of the twelve families."""
    named = [SMALL.index(family_of[tag]) for tag in entry["tags"] if tag in family_of]
    return [entry["path"], [[k, named.count(k)] for k in sorted(set(named))]]


def _save(entries: list, path: Path) -> None:
    pickles.save(entries, path)
