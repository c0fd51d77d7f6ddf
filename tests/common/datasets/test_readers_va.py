"""Readers of sets with votes or ratings."""

import shutil
from pathlib import Path

import pytest
from PIL import Image

from common.cli import UserError
from common.datasets.readers.emotion6 import read_emotion6
from common.datasets.readers.ldl import read_votes
from common.datasets.readers.table import class_key, read_delimited
from common.datasets.readers.va import read_ratings

EMOTIONS = ("awe", "fear")
BASS = Path(__file__).resolve().parents[4] / "shared" / "data" / "bass"


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4)).save(path)


@pytest.mark.parametrize(
    "name", ["joy/7.jpg", "joy/joy_7.jpg", "joy_7.jpg", "JOY/7.png", "a/b/joy/7.jpeg"]
)
def test_forms_of_a_file_name_are_one(name):
    assert class_key(name) == ("joy", "7")


def test_quotes_and_commas_of_a_csv(tmp_path):
    (tmp_path / "a.csv").write_text('Theme,[V]\n"Sea, calm",1\n')
    frame = read_delimited(tmp_path / "a.csv", "a table")
    assert list(frame.columns) == ["theme", "v"] and frame.loc[2, "theme"] == "Sea, calm"


@pytest.fixture
def emotion6(tmp_path) -> Path:
    for split, numbers in (("train", (1, 2)), ("test", (3,))):
        for name in ("anger", "joy"):
            for k in numbers:
                picture(tmp_path / split / name / f"{k}.png")
    rows = [f"{n}/{k}.jpg,{k},{k + 0.5}" for n in ("joy", "anger") for k in (1, 2, 3)]
    table = "\n".join(["image,arousal,valence", *rows])
    (tmp_path / "ground_truth_v2.txt").write_text(table)
    return tmp_path


def test_emotion6_ratings_go_to_their_images(emotion6):
    manifest = read_emotion6(emotion6)
    assert manifest.classes == ("anger", "joy")
    for row in manifest.table.itertuples():
        number = int(Path(row.path).stem)
        assert (row.arousal, row.valence) == (number, number + 0.5)
    assert len(manifest.split("train")) == 4 and len(manifest.split("test")) == 2


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("joy/2.jpg,2,2.5", "joy/2.jpg,2,", "line 3"),
        ("joy/2.jpg,2,2.5", "joy/2.jpg,0.5,2.5", "'0.5'"),
        ("joy/2.jpg", "joy/9.jpg", "joy/2.png has no row"),
        ("joy/2.jpg", "joy/1.jpg", "stands in line 2 already"),
        ("joy/2.jpg,2,2.5\n", "", "has no row"),
        ("valence", "pleasure", "no column v"),
    ],
)
def test_emotion6_says_what_is_wrong_and_where(emotion6, old, new, part):
    path = emotion6 / "ground_truth_v2.txt"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(UserError) as told:
        read_emotion6(emotion6)
    assert part in str(told.value) and "ground_truth_v2.txt" in str(told.value)


@pytest.fixture
def ldl(tmp_path) -> Path:
    for split, k in (("train", 1), ("train", 2), ("test", 3)):
        picture(tmp_path / split / f"{k}.jpg")
    (tmp_path / "Flickr_config.csv").write_text("fear,name,awe\n0,1.jpg,4\n2,2.jpg,2\n3,3.jpg,0\n")
    return tmp_path


def test_votes_are_found_by_column_name(ldl):
    manifest = read_votes("SetLDL", ldl, EMOTIONS)
    assert [dist.tolist() for dist in manifest.table["dist"]] == [[0, 3], [4, 0], [2, 2]]
    assert manifest.table["split"].tolist() == ["test", "train", "train"]
    assert manifest.labels.tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("0,1.jpg,4", "-1,1.jpg,4", "'-1'"),
        ("1.jpg", "8.jpg", "1.jpg has no row"),
        ("0,1.jpg,4\n", "", "1.jpg has no row"),
        ("awe", "wonder", "no column awe"),
        ("0,1.jpg,4", "0,1.jpg", "line 2: 2 fields"),
    ],
)
def test_votes_say_what_is_wrong_and_where(ldl, old, new, part):
    path = ldl / "Flickr_config.csv"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(UserError) as told:
        read_votes("SetLDL", ldl, EMOTIONS)
    assert part in str(told.value) and "Flickr_config.csv" in str(told.value)


def test_rows_without_votes_are_counted(ldl):
    path = ldl / "Flickr_config.csv"
    path.write_text(path.read_text().replace("0,1.jpg,4", "0,1.jpg,0"))
    manifest = read_votes("SetLDL", ldl, EMOTIONS)
    assert len(manifest) == 3 and "no vote for 1 image" in " ".join(manifest.notes)


def test_votes_for_images_that_are_not_there_are_left_out_and_counted(ldl):
    with open(ldl / "Flickr_config.csv", "a") as table:
        table.write("0,77.jpg,0\n1,78.jpg,1\n")  # the first one has no vote either
    manifest = read_votes("SetLDL", ldl, EMOTIONS)
    (note,) = manifest.notes
    assert len(manifest) == 3 and note.startswith("2 of 5 rows") and "'77.jpg' in line 5" in note


def test_ratings_of_images_that_are_not_there_are_left_out_and_counted(emotion6):
    with open(emotion6 / "ground_truth_v2.txt", "a") as table:
        table.write("\njoy/77.jpg,2,2.5")
    manifest = read_emotion6(emotion6)
    (note,) = manifest.notes
    assert len(manifest) == 6 and note.startswith("1 of 7 rows") and "'joy/77.jpg'" in note


def test_a_folder_that_is_not_needed_need_not_be_there(ldl):
    shutil.rmtree(ldl / "test")
    with pytest.raises(UserError, match="no test images"):
        read_votes("SetLDL", ldl, EMOTIONS)
    manifest = read_votes("SetLDL", ldl, EMOTIONS, needed=("train",))
    assert manifest.table["split"].tolist() == ["train", "train"]


def test_two_tables_are_one_too_many(ldl):
    (ldl / "other_config.csv").write_text("x\n")
    with pytest.raises(UserError, match="found 2 of them"):
        read_votes("SetLDL", ldl, EMOTIONS)


@pytest.fixture
def oasis(tmp_path) -> Path:
    lines = ["I,Theme,Category,Valence_mean,Arousal_mean"]
    for i, theme in enumerate(("Acorns 1", "Acorns 2", "Dog 1", "Dog 2", "Fire 1", "Sea 1")):
        picture(tmp_path / "images" / f"{theme}.jpg")
        lines.append(f"I{i},{theme},x,{1 + i},7")
    (tmp_path / "OASIS.csv").write_text("\n".join(lines))
    return tmp_path


def test_oasis_is_brought_to_one_to_nine(oasis):
    manifest = read_ratings("oasis", oasis)
    by_name = manifest.table.set_index(manifest.table["path"].map(lambda p: Path(p).stem))
    assert by_name.loc["Acorns 1", "valence"] == 1
    assert by_name.loc["Acorns 2", "valence"] == pytest.approx(1 + 8 / 6)
    assert by_name.loc["Sea 1", "arousal"] == 9
    assert by_name.loc["Dog 1", "split"] == by_name.loc["Dog 2", "split"]
    assert "brought to 1..9" in manifest.notes[0]


def test_oasis_rating_off_its_scale(oasis):
    path = oasis / "OASIS.csv"
    path.write_text(path.read_text().replace("Dog 1,x,3", "Dog 1,x,8"))
    with pytest.raises(UserError, match=r"OASIS\.csv, line 4: valence_mean is '8'"):
        read_ratings("oasis", oasis)


def test_missing_table(tmp_path):
    with pytest.raises(UserError, match=r"OASIS\.csv"):
        read_ratings("oasis", tmp_path)


@pytest.mark.skipif(not BASS.is_dir(), reason="BASS is not on this machine")
def test_bass():
    manifest = read_ratings("bass", BASS)
    assert len(manifest) == 583
    assert manifest.table[["valence", "arousal"]].stack().between(1, 9).all()
    assert 0.15 < len(manifest.split("test")) / 583 < 0.25
    assert "as they are" in manifest.notes[0]
