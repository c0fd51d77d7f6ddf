"""RAF-DB, FERPlus, SFEW and AffectNet: official layouts in, checked manifests out."""

import csv

import numpy as np
import pytest
from PIL import Image

from common.cli import UserError
from common.datasets.readers import affectnet, ferplus, rafdb, sfew
from common.datasets.readers.rafdb import differing_counts


def picture(path, shade=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 4), shade % 256).save(path)


@pytest.fixture(params=["", "basic"])
def official(tmp_path, request):
    """RAF-DB's tree, with and without the level of the archive."""
    base = tmp_path / request.param
    lines = []
    for split in ("train", "test"):
        for n in range(1, 8):
            picture(base / f"Image/aligned/{split}_{n:05d}_aligned.jpg", n)
            lines.append(f"{split}_{n:05d}.jpg {n}\n")
    (base / "EmoLabel").mkdir()
    (base / "EmoLabel/list_patition_label.txt").write_text("".join(lines))
    return base


# --- RAF-DB --------------------------------------------------------------------------------------


def test_official_tree(official, tmp_path):
    manifest = rafdb.read(tmp_path)
    assert manifest.classes[1] == "fear"
    assert manifest.split("train").labels.tolist() == list(range(7))
    assert manifest.table["path"][0].endswith("train_00001_aligned.jpg")
    assert manifest.notes[0].startswith("rafdb: 7 train images, published are 12271 (surprise 1 ")


def test_plain_names_of_official_images(official, tmp_path):
    for image in (official / "Image/aligned").iterdir():
        image.rename(image.with_name(image.name.replace("_aligned", "")))
    assert len(rafdb.read(tmp_path)) == 14


def test_published_counts_need_no_note():
    assert sum(rafdb.COUNTS["train"]) == 12271
    assert sum(rafdb.COUNTS["test"]) == 3068


def test_differing_counts_name_the_classes(official, tmp_path):
    manifest = rafdb.read(tmp_path)
    assert differing_counts(manifest, {"train": [1] * 7, "test": [1] * 7}) == []
    (note,) = differing_counts(manifest, {"train": [1] * 7, "test": [1, 2, 1, 1, 1, 1, 1]})
    assert note == "rafdb: 7 test images, published are 8 (fear 1 instead of 2)"


@pytest.mark.parametrize("columns", [2, 3])
def test_two_lists_from_zero(official, tmp_path, columns):
    folder = official / "Image/aligned"
    for split in ("train", "test"):
        lines = [
            " ".join([f"{split}_{n:05d}_aligned.jpg", str(n - 1), "x"][:columns])
            for n in range(7, 0, -1)
        ]
        (tmp_path / f"{split}.txt").write_text("\n".join(lines))
    manifest = rafdb.read_lists(folder, folder, tmp_path / "train.txt", tmp_path / "test.txt")
    assert manifest.split("test").labels.tolist() == list(range(6, -1, -1))


@pytest.mark.parametrize(
    "names",
    [
        rafdb.CLASSES,
        "1234567",
        "0123456",
        ("Surprised", "Fearful", "Disgust", "Happy", "Sad", "Angry", "Neutral"),
    ],
)
def test_class_folders(tmp_path, names):
    for split in ("train", "test"):
        for k, name in enumerate(names):
            picture(tmp_path / split / name / f"{k}.png")
    manifest = rafdb.read(tmp_path)
    assert manifest.split("train").counts() == dict.fromkeys(rafdb.CLASSES, 1)
    stems = manifest.split("test").table["path"].str.extract(r"(\d)\.png$")[0].astype(int)
    assert (stems == manifest.split("test").labels).all()


def test_line_of_another_form_is_named(official, tmp_path):
    file = official / "EmoLabel/list_patition_label.txt"
    file.write_text(file.read_text().replace("train_00002.jpg 2", "train_00002.jpg 8"))
    with pytest.raises(UserError, match=r"line 2: 'train_00002.jpg 8' .* label from 1 to 7\.$"):
        rafdb.read(tmp_path)


def test_missing_images_are_counted(official, tmp_path):
    (official / "Image/aligned/test_00003_aligned.jpg").unlink()
    with pytest.raises(UserError, match=r"1 of the 14 images .* are missing, e\.g\. .*test_00003"):
        rafdb.read(tmp_path)


@pytest.mark.parametrize(
    ("make", "fact"),
    [
        (lambda root: None, "holds no RAF-DB: expected Image/aligned/"),
        (lambda root: (root / "train/joyful").mkdir(parents=True), "joyful is no class of rafdb"),
        (lambda root: picture(root / "train/fear/a.png"), "no folder for the class surprise"),
    ],
)
def test_other_folders_are_told(tmp_path, make, fact):
    make(tmp_path)
    with pytest.raises(UserError, match=fact):
        rafdb.read(tmp_path)


# --- FERPlus -------------------------------------------------------------------------------------


def test_majority_rule():
    votes = np.array(
        [
            [6, 4, 0, 0, 0, 0, 0, 0, 0, 0],  # 6 of 10
            [5, 5, 0, 0, 0, 0, 0, 0, 0, 0],  # no majority
            [5, 1, 1, 1, 1, 1, 0, 0, 0, 0],  # single votes do not count: 5 of 5
            [0, 0, 0, 0, 0, 0, 0, 0, 9, 1],  # unknown
            [1, 1, 1, 1, 1, 1, 1, 1, 1, 1],  # nothing is left
        ]
    )
    assert ferplus.majority(votes).tolist() == [0, -1, 0, -1, -1]


@pytest.fixture
def fer(tmp_path):
    """Three usages of eight faces and one undecided, the test faces equal to each other."""
    rows = []
    for usage, folder, number in (
        ("Training", "FER2013Train", 0),
        ("PublicTest", "FER2013Valid", 100),
        ("PrivateTest", "FER2013Test", 200),
    ):
        for k in range(8):
            name = f"fer{number + k:07d}.png"
            picture(tmp_path / folder / name, 7 if usage == "PrivateTest" and k < 2 else number + k)
            rows.append([usage, name, *np.eye(10, dtype=int)[k] * 10])
        rows.append([usage, "", *[0] * 9, 10])
    names = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"]
    with open(tmp_path / "fer2013new.csv", "w", newline="") as file:
        head = ["Usage", "Image name", *names, "unknown", "NF"]
        csv.writer(file).writerows([head, *rows])
    return tmp_path


def test_ferplus(fer):
    manifest = ferplus.read(fer)
    for split in ("train", "val", "test"):
        assert manifest.split(split).labels.tolist() == list(range(8))
    assert manifest.notes[0].startswith("3 faces without a majority")
    assert "2 are also training or validation images and 1 repeat" in manifest.notes[1]


def test_ferplus_mistakes(fer, tmp_path):
    with pytest.raises(UserError, match=r"no FERPlus at .*none: expected fer2013new.csv"):
        ferplus.read(tmp_path / "none")
    file = fer / "fer2013new.csv"
    file.write_text(file.read_text().replace("PublicTest", "Public", 1))
    with pytest.raises(UserError, match="line 11: the usage 'public' is none of Training"):
        ferplus.read(fer)


def test_ferplus_without_an_image_folder(fer):
    (fer / "FER2013Valid").rename(fer / "other")
    with pytest.raises(UserError, match="lacks the folder FER2013Valid"):
        ferplus.read(fer)


# --- SFEW ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("between", ["", "Aligned_Faces"])
def test_sfew(tmp_path, between):
    for split in ("Train", "Val"):
        for name in ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise"):
            picture(tmp_path / split / between / name / "a.png")
    manifest = sfew.read(tmp_path)
    assert manifest.split("test").counts() == dict.fromkeys(sfew.CLASSES, 1)


def test_sfew_missing(tmp_path):
    with pytest.raises(UserError, match=r"there is no SFEW at .*: expected Train/<class>/"):
        sfew.read(tmp_path)


# --- AffectNet -----------------------------------------------------------------------------------

HEAD = (
    "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,"
    "valence,arousal\n"
)


@pytest.fixture(params=[True, False])
def affect(tmp_path, request):
    """AffectNet's lists; validation.csv with and without a header."""
    for stem, header in (("training", True), ("validation", request.param)):
        lines = []
        for code in range(11):
            name = f"{code}/{stem}.jpg"
            picture(tmp_path / "Manually_Annotated_Images" / name)
            lines.append(f"{name},0,0,4,4,1;2,{code},{0.5 if code < 8 else -2},-0.25\n")
        (tmp_path / f"{stem}.csv").write_text((HEAD if header else "") + "".join(lines))
    return tmp_path


@pytest.mark.parametrize("classes", [7, 8])
def test_affectnet_lists(affect, classes):
    manifest = affectnet.read(affect, classes)
    assert manifest.name == f"affectnet{classes}"
    assert manifest.split("test").labels.tolist() == list(range(classes))
    assert set(manifest.table["valence"]) == {0.5}
    assert f"{11 - classes} images in training.csv have none of {classes}" in manifest.notes[0]


@pytest.mark.parametrize("classes", [7, 8])
def test_affectnet_folders(tmp_path, classes):
    for split in ("train", "val"):
        for code in range(8):
            picture(tmp_path / split / str(code) / "a.png")
    manifest = affectnet.read(tmp_path, classes)
    assert manifest.split("train").counts() == dict.fromkeys(manifest.classes, 1)
    assert len(manifest.classes) == classes


def test_affectnet_missing(tmp_path):
    with pytest.raises(UserError, match=r"there is no AffectNet at .*: expected training.csv"):
        affectnet.read(tmp_path)
