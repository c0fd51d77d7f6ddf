"""A small FER+ release with planted faults, and what the doctor says of it."""

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from common.datasets.__main__ import main
from common.datasets.doctor import duplicates, examine
from common.datasets.doctor.scan import perceptual_hash, scan

FOLDERS = {"train": "FER2013Train", "val": "FER2013Valid", "test": "FER2013Test"}
USAGES = {"train": "Training", "val": "PublicTest", "test": "PrivateTest"}
NAMES = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
SIZES = {"train": 80, "val": 24, "test": 32}


def face(seed: int) -> np.ndarray:
    """uint8 [48, 48], smooth as a face is, another one for every seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((48, 48), Image.Resampling.BICUBIC))


def votes_for(label: int | None) -> list[int]:
    """Ten votes with a majority for `label`; None: with none for any class."""
    if label is None:
        return [4, 4, 0, 0, 0, 0, 0, 0, 2, 0]
    votes = [0] * 10
    votes[label], votes[(label + 1) % 8] = 8, 2
    return votes


class Release:
    """The release on disk. Every eighth image of a split is of each class, then come some without.

    Args:
        root: folder to make it in.
        undecided: images a split without a majority.
    """

    def __init__(self, root: Path, undecided: int = 4):
        self.root, number = root, 0
        self.rows: dict[str, list[tuple[str, list[int]]]] = {}
        for split, total in SIZES.items():
            (root / FOLDERS[split]).mkdir(parents=True)
            self.rows[split] = []
            for i in range(total + undecided):
                name = f"fer{number:07d}.png"
                self.put(split, name, face(number))
                votes = votes_for(i % 8 if i < total else None)
                self.rows[split].append((name, votes))
                number += 1

    def path(self, split: str, i: int) -> Path:
        """Image `i` of a split."""
        return self.root / FOLDERS[split] / self.rows[split][i][0]

    def put(self, split: str, name: str, pixels: np.ndarray, **settings) -> Path:
        """Write an image."""
        path = self.root / FOLDERS[split] / name
        Image.fromarray(pixels).save(path, **settings)
        return path

    def copy(self, source: Path, target: Path) -> None:
        """The same pixels in other bytes: colours instead of grey, another compression."""
        with Image.open(source) as image:
            image.convert("RGB").save(target, compress_level=1)
        assert source.read_bytes() != target.read_bytes()

    def write_table(self) -> None:
        """``fer2013new.csv``."""
        header = ["Usage", "Image name", *NAMES, "unknown", "NF"]
        with open(self.root / "fer2013new.csv", "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            for split, rows in self.rows.items():
                writer.writerows([USAGES[split], name, *votes] for name, votes in rows)
            writer.writerow(["Training", "", *[0] * 9, 10])  # no face, hence no image

    def write_lists(self) -> None:
        """``label.csv`` in every folder."""
        for split, rows in self.rows.items():
            with open(self.root / FOLDERS[split] / "label.csv", "w", newline="") as file:
                csv.writer(file).writerows([n, "(0, 0, 48, 48)", *v] for n, v in rows)


KEYS = {
    *("dataset", "root", "form", "classes", "counts", "corrupt", "duplicates", "leaks"),
    *("errors", "warnings"),
}


@pytest.fixture
def release(tmp_path):
    made = Release(tmp_path / "ferplus")
    made.write_table()
    made.write_lists()
    return made


def plant(release: Release) -> None:
    """Three leaks (one of them twice over), one repetition in train, one in test."""
    release.copy(release.path("train", 3), release.path("test", 0))
    release.copy(release.path("train", 5), release.path("test", 9))
    release.copy(release.path("train", 5), release.path("train", 40))
    release.copy(release.path("val", 2), release.path("test", 17))
    release.copy(release.path("test", 20), release.path("test", 21))


def test_sound_release_has_no_errors(release):
    report = examine("FER+", release.root, workers=1)
    assert report.errors == []
    assert report.dataset == "ferplus" and report.classes == list(NAMES)
    assert report.counts["test"] == dict.fromkeys(NAMES, SIZES["test"] // 8)
    assert report.counts["train"] == dict.fromkeys(NAMES, SIZES["train"] // 8)
    assert report.test_leaks == 0 and set(report.within.values()) == {0}
    assert "fer2013new.csv" in report.form and "3 × label.csv" in report.form
    assert report.unused == 12  # without a majority, four a split
    (published,) = [w for w in report.warnings if "published" in w]
    assert "32 test images" in published and "3137" in published


@pytest.mark.parametrize("left", ["both", "table", "lists"])
def test_planted_leaks_and_repetitions_are_found(release, left):
    plant(release)
    if left == "table":
        for folder in FOLDERS.values():
            (release.root / folder / "label.csv").unlink()
    if left == "lists":
        (release.root / "fer2013new.csv").unlink()
    report = examine("ferplus", release.root, workers=1)
    names = {s: [f"{FOLDERS[s]}/{name}" for name, _ in rows] for s, rows in release.rows.items()}
    train, val, test = names["train"], names["val"], names["test"]
    assert report.errors == []
    assert report.test_leaks == 3
    assert sorted(report.leaks) == sorted(
        [[test[0], train[3]], [test[9], train[5]], [test[9], train[40]], [test[17], val[2]]]
    )
    assert report.within == {"train": 1, "val": 0, "test": 1}
    assert {train[40], test[21], train[3], train[5], val[2]} == set(report.exclude)
    assert any("another label" in text for text in report.warnings)  # 3 and 0, 2 and 17, …


def test_images_without_a_majority_do_not_count(release):
    undecided = SIZES["test"]
    release.copy(release.path("train", 1), release.path("test", undecided))
    release.copy(release.path("train", SIZES["train"]), release.path("test", 4))
    report = examine("ferplus", release.root, workers=1)
    assert report.test_leaks == 0 and report.leaks == []
    assert report.leaks_with_unused == 1
    assert any(note.startswith("1 further test images") for note in report.notes)


def test_command_writes_the_record(release, in_process, tmp_path):
    plant(release)
    argv = ["doctor", "ferplus", release.root, "--json", tmp_path / "a/report.json"]
    seen = in_process(main, argv, tmp_path)
    assert seen.code == 0, seen.err
    record = json.loads((tmp_path / "a/report.json").read_text())
    assert record.keys() >= KEYS
    assert record["leaks"]["test_images"] == 3 and len(record["leaks"]["pairs"]) == 4
    assert record["duplicates"]["within"] == {"train": 1, "val": 0, "test": 1}
    assert "3 of 32 test images are also training or validation images" in seen.out
    assert in_process(main, [*argv, "--strict"], tmp_path).code == 1
    (tmp_path / "a/report.json").write_text("{}")
    refused = in_process(main, argv, tmp_path)
    assert refused.code == 2 and "no doctor's report" in refused.err


def test_list_of_images_to_leave_out_is_written_once(release, in_process, tmp_path):
    plant(release)
    argv = ["doctor", "ferplus", release.root, "--write-clean", tmp_path / "out.txt"]
    assert in_process(main, argv, tmp_path).code == 0
    lines = (tmp_path / "out.txt").read_text().splitlines()
    assert len(lines) == 5 and all((release.root / line).is_file() for line in lines)
    again = in_process(main, argv, tmp_path)
    assert again.code == 2 and "is there already" in again.err
    for line in lines:
        (release.root / line).unlink()


@pytest.mark.parametrize("where", ["labelled", "undecided"])
def test_corrupt_image_is_an_error(release, in_process, tmp_path, where):
    path = release.path("test", 6 if where == "labelled" else SIZES["test"])
    path.write_bytes(path.read_bytes()[:-40])
    seen = in_process(
        main, ["doctor", "ferplus", release.root, "--json", "r.json", "--workers", "2"], tmp_path
    )
    assert seen.code == 1
    record = json.loads((tmp_path / "r.json").read_text())
    assert record["corrupt"] == [f"FER2013Test/{path.name}"]
    assert any(path.name in text and "copy them again" in text for text in record["errors"])


def test_missing_image_is_an_error_and_the_rest_is_looked_at(release):
    plant(release)
    release.path("train", 7).unlink()
    report = examine("ferplus", release.root, workers=1)
    assert any("missing" in text for text in report.errors)
    assert report.test_leaks == 3


def test_lists_that_contradict_each_other_are_an_error(release):
    name, votes = release.rows["test"][3]
    release.rows["test"][3] = (name, votes[::-1])
    release.write_lists()
    (told,) = examine("ferplus", release.root, workers=1).errors
    assert "other votes" in told and name in told


def test_class_without_training_images_is_an_error(release):
    empty = NAMES.index("fear")
    release.rows["train"] = [r for r in release.rows["train"] if r[1][empty] != 8]
    release.write_table()
    release.write_lists()
    (told,) = examine("ferplus", release.root, workers=1).errors
    assert "fear has no train image" in told


def test_nothing_there(tmp_path, in_process):
    seen = in_process(main, ["doctor", "ferplus", tmp_path / "none", "--json", "r.json"], tmp_path)
    assert seen.code == 1 and "no FERPlus" in seen.out
    assert json.loads((tmp_path / "r.json").read_text())["errors"]
    seen = in_process(main, ["doctor", "ferpluss", tmp_path], tmp_path)
    assert seen.code == 2 and "ferplus" in seen.err


def test_link_that_leads_out_is_told(release, tmp_path):
    path = release.path("train", 2)
    shutil.move(path, tmp_path / "elsewhere.png")
    path.symlink_to(tmp_path / "elsewhere.png")
    report = examine("ferplus", release.root, workers=1)
    assert report.errors == []
    assert any(path.name in note and "leads out" in note for note in report.notes)


def test_folder_that_is_itself_a_link_is_fine(release, tmp_path):
    (tmp_path / "link").symlink_to(release.root)
    assert examine("ferplus", tmp_path / "link", workers=1).errors == []


def test_odd_names_and_kinds_of_images(tmp_path):
    names = ["with space.png", "имя 顔.png", "line\nbreak.png"]
    for split, first in (("train", 0), ("test", 100)):
        for label in ("calm", "joy"):
            (tmp_path / "own" / split / label).mkdir(parents=True)
            for k, name in enumerate(names):
                seed = first + 10 * (label == "joy") + k
                Image.fromarray(face(seed)).save(tmp_path / "own" / split / label / name)
    deep = (np.arange(48 * 48).reshape(48, 48) * 20).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "own/train/calm/deep.png")
    turned = Image.new("RGB", (20, 10)).getexif()
    turned[0x0112] = 6
    Image.fromarray(face(50)).save(tmp_path / "own/train/calm/turned.jpg", exif=turned)
    frames = [Image.fromarray(face(k)) for k in (60, 61)]
    frames[0].save(tmp_path / "own/train/calm/moving.webp", save_all=True, append_images=frames[1:])
    report = examine("folders", tmp_path / "own", workers=1)
    assert report.errors == [] and report.corrupt == []
    told = " ".join(report.warnings)
    assert "deep.png" in told and "turned.jpg" in told and "moving.webp" in told
    json.dumps(report.as_dict(), ensure_ascii=False).encode()


def test_name_that_is_no_text_is_told(release):
    path = release.path("train", 0)
    shutil.copy(path, os.fsencode(path.parent) + b"/\xff\xfe.png")
    (told,) = examine("ferplus", release.root, workers=1).errors
    assert "no UTF-8 text" in told and r"\xff\xfe.png" in told


def test_scan_in_processes_equals_scan_in_one(release):
    paths = [str(p) for p in sorted(release.root.rglob("*.png"))] * 3
    one, two = scan(paths, 1), scan(paths, 2)
    for name in vars(one):
        assert np.array_equal(getattr(one, name), getattr(two, name)), name


def test_near_duplicates_are_told_from_others(tmp_path):
    rng = np.random.default_rng(0)
    originals = [face(k) for k in range(60)]
    for k, pixels in enumerate(originals):
        Image.fromarray(pixels).save(tmp_path / f"{k:02}.png")
    Image.fromarray(originals[7]).save(tmp_path / "60.jpg", quality=80)
    larger = Image.fromarray(originals[9]).resize((96, 96), Image.Resampling.BICUBIC)
    larger.save(tmp_path / "61.png")
    noise = rng.integers(0, 256, (48, 48), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "62.png")
    seen = scan([str(p) for p in sorted(tmp_path.iterdir())], 1)
    pairs, crowded = duplicates.near_pairs(seen.hash, seen.tiny, duplicates.groups(seen.pixels))
    assert pairs.tolist() == [[7, 60], [9, 61]] and crowded == 0


def test_banded_search_finds_all_pairs_that_brute_force_finds():
    rng = np.random.default_rng(1)
    hashes = rng.integers(0, 2**63, 300, dtype=np.uint64)
    for i in range(0, 200, 2):
        flips = rng.choice(64, i % 6, replace=False)
        hashes[i + 1] = hashes[i] ^ np.uint64(sum(1 << int(b) for b in flips))
    tiny = np.zeros((300, 16, 16), np.uint8)
    pairs, _ = duplicates.near_pairs(hashes, tiny, np.arange(300))
    slow = [
        [i, j]
        for i in range(300)
        for j in range(i + 1, 300)
        if bin(int(hashes[i] ^ hashes[j])).count("1") < duplicates.BANDS
    ]
    assert pairs.tolist() == slow and len(slow) > 30


def test_hash_is_of_the_shape_not_of_the_brightness():
    grey = np.stack([np.resize(face(k), (32, 32)) for k in (1, 1, 2)])
    grey[1] = np.clip(grey[1].astype(int) // 2 + 60, 0, 255)
    same, dimmed, other = perceptual_hash(grey).tolist()
    assert bin(same ^ dimmed).count("1") < 8 < bin(same ^ other).count("1")
