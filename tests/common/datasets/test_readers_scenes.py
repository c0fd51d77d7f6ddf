"""Readers of scene datasets: the forms they take beside those of the twins, and their refusals."""

import json

import pytest
from PIL import Image

from common.cli import UserError
from common.data import pickles
from common.datasets.catalogue import DATASETS
from common.datasets.readers import canonical, reader
from common.datasets.readers.se30k8 import shares

EKMAN = ("anger", "disgust", "fear", "joy", "sadness", "surprise")


def picture(path, shade=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), (shade % 256, 0, 0)).save(path)


def pictures(folder, classes, number=3, ending="jpg"):
    for name in classes:
        for k in range(number):
            picture(folder / name / f"{k}.{ending}", k)


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("RAF-DB", "rafdb"),
        ("FER+", "ferplus"),
        ("AffectNet-7", "affectnet7"),
        ("DeepEmotion", "fi"),
        ("se30k8", "SE30K8"),
        ("Twitter II", "twitter2"),
    ],
)
def test_spellings(spelling, name):
    assert canonical(spelling) == name and reader(spelling) is DATASETS[name]


def test_unknown_name():
    with pytest.raises(UserError, match=r"no reader is known for 'emoset2'.*Did you mean emoset"):
        reader("emoset2")


@pytest.mark.parametrize("name", DATASETS)
def test_a_folder_that_is_not_there_is_told(name, tmp_path):
    with pytest.raises(UserError, match="none"):
        reader(name)(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError):
        reader(name)(tmp_path / "empty")


# --- class folders --------------------------------------------------------------------------------


def test_one_folder_gets_a_fixed_split(tmp_path):
    pictures(tmp_path / "images", EKMAN, 10)
    manifest = reader("folders")(tmp_path)
    assert manifest.form == "one folder" and manifest.classes == EKMAN
    assert manifest.split("test").counts() == dict.fromkeys(EKMAN, 2)
    assert "no official split: 12 of 60" in manifest.notes[0]
    moved = tmp_path.rename(tmp_path.with_name("moved"))
    again = reader("folders")(moved)
    names = [
        [p.split("images/")[1] for p in m.split("test").table["path"]] for m in (manifest, again)
    ]
    assert names[0] == names[1]


def test_validation_stands_in_for_a_missing_test_split(tmp_path):
    for split in ("training", "valid"):
        pictures(tmp_path / split, ("neg", "pos"))
    manifest = reader("flickr")(tmp_path)
    assert manifest.classes == ("negative", "positive") and set(manifest.table["split"]) == {
        "train",
        "test",
    }
    assert "came without a test split" in manifest.notes[0]


def test_three_classes_where_there_are_three(tmp_path):
    for split in ("train", "val", "test"):
        pictures(tmp_path / split, ("Negative", "Neutral", "Positive"))
    manifest = reader("instagram")(tmp_path)
    assert manifest.classes == ("negative", "neutral", "positive")
    assert manifest.split("val").counts() == dict.fromkeys(manifest.classes, 3)


def test_a_strange_folder_is_named(tmp_path):
    pictures(tmp_path / "train", ("anger", "joyful"))
    pictures(tmp_path / "test", ("anger",))
    with pytest.raises(UserError, match="joyful is no class of unbiasedemo; expected folders"):
        reader("unbiasedemo")(tmp_path)


# --- lists ----------------------------------------------------------------------------------------


@pytest.fixture
def listed(tmp_path):
    """Eight classes with two images each, and rows of (path, label)."""
    classes = DATASETS["fi"].classes
    pictures(tmp_path / "images", classes, 2)
    rows = {
        s: [(f"{c}/{k}.jpg", n) for n, c in enumerate(classes)]
        for k, s in enumerate(("train", "test"))
    }
    return tmp_path, classes, rows


@pytest.mark.parametrize("form", ["pkl", "jsonl", "csv", "txt", "named", "several"])
def test_lists(listed, form):
    root, classes, rows = listed
    for split, of_split in rows.items():
        if form in ("pkl", "several"):
            entries = [[p, [n, (n + 1) % 8]] if form == "several" else [p, n] for p, n in of_split]
            pickles.save(entries, root / "z_data" / f"{split}_8.pkl")
            pickles.save([[p, n % 2] for p, n in of_split], root / "z_data" / f"{split}_2.pkl")
        elif form == "jsonl":
            text = "".join(json.dumps({"path": p, "label": n}) + "\n" for p, n in of_split)
            (root / f"{split}.jsonl").write_text(text)
        else:
            mark = {"csv": ",", "txt": " ", "named": "\t"}[form]
            lines = [f"{p}{mark}{classes[n] if form == 'named' else n}" for p, n in of_split]
            (root / f"{split}.{'csv' if form == 'csv' else 'txt'}").write_text("\n".join(lines))
    manifest = reader("fi")(root)
    assert manifest.form == "lists" and manifest.classes == classes
    assert manifest.split("train").labels.tolist() == list(range(8))
    assert manifest.split("test").counts() == dict.fromkeys(classes, 1)
    if form == "several":
        assert manifest.table["labels"][7] == [7, 0]


def test_lists_that_are_wrong(listed):
    root, _, rows = listed
    for split, of_split in rows.items():
        pickles.save([list(row) for row in of_split], root / f"{split}.pkl")
    pickles.save([["amusement/0.jpg", 8]], root / "train.pkl")
    with pytest.raises(UserError, match=r"amusement/0.jpg has the label 8, which is none of the 8"):
        reader("fi")(root)
    pickles.save([["amusement/0.jpg"]], root / "train.pkl")
    with pytest.raises(UserError, match=r"train.pkl, entry 1: .* is not \[path, label\]"):
        reader("fi")(root)
    pickles.save([["../secret.jpg", 0]], root / "train.pkl")
    with pytest.raises(UserError, match=r"names \.\./secret.jpg, which is outside"):
        reader("fi")(root)
    pickles.save([["gone.jpg", 0]], root / "train.pkl")
    with pytest.raises(UserError, match=r"1 of the 1 images in .*train.pkl are missing"):
        reader("fi")(root)
    (root / "train.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(UserError, match="which could run code on reading and is refused"):
        reader("fi")(root)


# --- single datasets ------------------------------------------------------------------------------


def test_emotion6_as_published(tmp_path):
    pictures(tmp_path / "images", EKMAN, 5)
    names = ["image_filename", "valence", "arousal", *(f"prob. {n}" for n in (*EKMAN, "neutral"))]
    lines = ["\t".join(f"[{name}]" for name in names)]
    for name in EKMAN:
        for k in range(5):
            lines.append("\t".join([f"{name}/{k}.jpg", "4.5", "6", "0.4", "0.6", *"00000"]))
    (tmp_path / "ground_truth.txt").write_text("\n".join(lines))
    manifest = reader("emotion6")(tmp_path)
    assert manifest.form == "published" and len(manifest) == 30
    assert manifest.table["dist"][0].tolist() == [0.4, 0.6, 0, 0, 0, 0, 0]
    assert set(manifest.table["valence"]) == {4.5}


def test_ground_truth_of_the_distribution_sets(tmp_path):
    for k in range(4):
        picture(tmp_path / f"images/{k}.jpg", k)
    head = "images-name Amusement Awe Contentment Excitement Anger Disgust Fear Sadness"
    for split, numbers in (("train", (0, 1, 2)), ("test", (3,))):
        lines = [f"{k}.jpg " + " ".join("9" if k == n else "1" for n in range(8)) for k in numbers]
        (tmp_path / f"{split}_ground_truth.txt").write_text("\n".join([head, *lines]))
    manifest = reader("flickrldl")(tmp_path)
    assert manifest.form == "ground truth" and manifest.labels.tolist() == [0, 1, 2, 3]
    assert manifest.split("test").table["dist"][0].tolist() == [1, 1, 1, 9, 1, 1, 1, 1]


@pytest.mark.parametrize(("name", "number"), [("twitter1", 12), ("twitter1_five", 6)])
def test_twitter(tmp_path, name, number):
    for k in range(12):
        picture(tmp_path / f"Agg_AMT_Candidates/{k}.jpg", k)
    (tmp_path / "ground_truth").mkdir()
    for word, n in (("three", 12), ("five", 6)):
        lines = [f"{k}.jpg {k % 2}" for k in range(n)]
        (tmp_path / f"ground_truth/twitter_{word}_agrees.txt").write_text("\n".join(lines))
    manifest = reader(name)(tmp_path)
    assert manifest.counts() == {"negative": number / 2, "positive": number / 2}
    with pytest.raises(UserError, match="with 4 of five raters agreeing"):
        reader("twitter1_four")(tmp_path)


def test_webemo_of_two_classes_from_25(tmp_path):
    for split in ("train25", "test25"):
        pictures(tmp_path / "images" / split, [str(k) for k in range(25)], 1)
    assert len(reader("webemo")(tmp_path).split("test")) == 25
    six, two = reader("webemo6")(tmp_path), reader("webemo2")(tmp_path)
    assert six.split("train").counts()["love"] == 3 and six.classes[0] == "anger"
    assert "2 images of confusion are left out" in six.notes[-1]
    assert sum(two.split("test").counts().values()) == 24


def test_emoset_with_and_without_names_of_images(tmp_path):
    entries = []
    for name in ("amusement", "anger", "awe", "contentment", "disgust", "excitement", "fear"):
        picture(tmp_path / f"image/{name}/{name}_1.jpg")
        entries.append([name, f"image/{name}/{name}_1.jpg", f"annotation/{name}/{name}_1.json"])
    for split in ("train", "val", "test"):
        (tmp_path / f"{split}.json").write_text(json.dumps([]))
    with pytest.raises(UserError, match=r"train.json is empty"):
        reader("emoset")(tmp_path)
    parts = {
        "train": entries[:4],
        "val": entries[4:5],
        "test": [[*e[:1], "id", *e[1:]] for e in entries[5:]],
    }
    for split, rows in parts.items():
        (tmp_path / f"{split}.json").write_text(json.dumps(rows))
    manifest = reader("emoset")(tmp_path)
    assert manifest.split("test").labels.tolist() == [5, 6] and len(manifest.classes) == 8
    (tmp_path / "val.json").write_text(json.dumps([["joy", "image/joy/1.jpg", ""]]))
    with pytest.raises(UserError, match=r"val.json, entry 1: \['joy'"):
        reader("emoset")(tmp_path)


def test_votes_of_se30k8(tmp_path):
    votes = {}
    for k in range(10):
        picture(tmp_path / f"images/{k}.jpg", k)
        votes[k] = {"image_emotion": [["anger"], ["anger"], ["anger", "fear"], ["fear"], ["fear"]]}
    votes[9]["image_emotion"] = [["anger"], ["disgust"], ["fear"], ["neutral"], ["sadness"]]
    file = tmp_path / "annotations/mturk_annotations_240.pkl.keep"
    pickles.save(votes, file)
    manifest = reader("SE30K8")(tmp_path)
    assert manifest.form == "annotations" and len(manifest) == 9
    assert manifest.counts()["anger"] == 9  # three votes each: the first met wins
    assert manifest.table["dist"][0][[0, 2]].tolist() == [0.5, 0.5]
    assert "1 images on which fewer than 3 agree" in manifest.notes[0]
    votes[0]["image_emotion"] = [["joyful"]]
    pickles.save(votes, file)
    with pytest.raises(UserError, match="entry 0: 'joyful' is none of anger"):
        reader("SE30K8")(tmp_path)
    assert shares([["happiness"]] * 2, 3, "")[0] == -1


def test_sentiments_of_advertisements(tmp_path):
    for k in range(6):
        picture(tmp_path / f"{k % 2}/{k}.jpg", k)
    chosen = {f"{k % 2}/{k}.jpg": [["10", "1"], ["10"], ["funny"]] for k in range(5)}
    chosen["1/5.jpg"] = [["funny"]]
    (tmp_path / "Sentiments.json").write_text(json.dumps(chosen))
    manifest = reader("ads")(tmp_path)
    assert manifest.classes[manifest.labels[0]] == "confident"
    assert manifest.table["labels"][0] == [0, 9] and len(manifest) == 5
    assert any("1 images without a numbered sentiment" in note for note in manifest.notes)
    chosen["0/0.jpg"] = [["31"]]
    (tmp_path / "Sentiments.json").write_text(json.dumps(chosen))
    with pytest.raises(UserError, match=r"0/0.jpg has the sentiment 31; expected 1 to 30"):
        reader("ads")(tmp_path)
