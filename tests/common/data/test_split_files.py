import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from common.cli import UserError
from common.data import split_files
from common.datasets.__main__ import main
from common.datasets.readers import rafdb, reader

CLASSES = rafdb.CLASSES


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """RAF-DB's official tree with 21 training and 3 test images a class, one of them leaking."""
    root = tmp_path_factory.mktemp("data") / "rafdb"
    (root / "Image/aligned").mkdir(parents=True)
    (root / "EmoLabel").mkdir()
    generator, lines = np.random.default_rng(0), []
    for split, number in (("train", 21), ("test", 3)):
        for k in range(number * len(CLASSES)):
            pixels = generator.integers(0, 256, (12, 12, 3), dtype=np.uint8)
            name = f"{split}_{k + 1:04d}"
            Image.fromarray(pixels).save(root / f"Image/aligned/{name}_aligned.jpg")
            lines.append(f"{name}.jpg {k % 7 + 1}\n")
    (root / "EmoLabel/list_patition_label.txt").write_text("".join(lines))
    folder = root / "Image/aligned"
    shutil.copy(folder / "train_0005_aligned.jpg", folder / "test_0002_aligned.jpg")
    return root


def draw(in_process, images, out, *more):
    argv = ["split", "rafdb", images, "--out", out, "--seed", "5", *more]
    return in_process(main, argv, out)


@pytest.fixture(scope="module")
def table(images, tmp_path_factory, in_process):
    """The split file of ``--protocol adacm.data:draw_split --labels 100 --seed 5``."""
    out = tmp_path_factory.mktemp("splits")
    seen = draw(in_process, images, out, "--protocol", "adacm.data:draw_split", "--labels", "100")
    assert seen.code == 0, seen.err
    return out / "rafdb.adacm.100.s5.json"


def test_file_says_what_it_is(table, images):
    content = json.loads(table.read_text())
    assert content["name"] == "rafdb.adacm.100.s5"
    assert content["counts"]["labelled"] == {n: 10 if n == "fear" else 15 for n in CLASSES}
    assert content["counts"]["test"] == dict.fromkeys(CLASSES, 3)
    assert len(content["labelled"]) == 100 and len(content["unlabelled"]) == 47
    assert not set(content["labelled"]) & set(content["unlabelled"])
    leaked = 4 in content["labelled"]  # train_0005
    assert content["overlap"]["labelled_test"] == leaked
    assert content["overlap"]["unlabelled_test"] == (not leaked)
    assert content["overlap"]["labelled_unlabelled"] == 0
    assert split_files.load(table).hash == content["hash"]


def test_drawn_anew_it_is_the_same_file(table, images, tmp_path, in_process):
    draw(in_process, images, tmp_path, "--protocol", "adacm.data:draw_split", "--labels", "100")
    assert (tmp_path / table.name).read_bytes() == table.read_bytes()
    seen = draw(
        in_process, images, tmp_path, "--protocol", "adacm.data:draw_split", "--labels", "100"
    )
    assert seen.code == 0  # an equal file is left alone


def test_held_out_images_stand_in_the_file(images, tmp_path, in_process):
    more = ["--protocol", "balanced", "--labels", "14", "--val_fraction", "0.1"]
    assert draw(in_process, images, tmp_path, *more).code == 0
    path = tmp_path / "rafdb.balanced.14.s5.v0.1.json"
    split = split_files.load(path).split
    assert len(split.validation) == 14 and not set(split.validation) & set(split.unlabelled)
    args = SimpleNamespace(split=path, num_labels=14, val_fraction=0.2)
    with pytest.raises(UserError, match="holds 14 images out"):
        split_files.resolve(args, (), "num_labels")


def test_other_number_of_labels_is_refused(table):
    args = SimpleNamespace(split=table, num_labelled=400, val_fraction=0)
    with pytest.raises(UserError, match=r"400 images are to be labelled, but .* labels 100"):
        split_files.resolve(args, ("num_labelled",), "num_labelled")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (
            ["--protocol", "adacm.data:draw_split", "--labels", "5000"],
            "asks for 791 labelled images",
        ),
        (["--protocol", "s2ver.data:draw_split", "--labels", "20"], "multiple of 7"),
        (["--protocol", "s2ver.data:draw_split", "--labels", "0.5"], "is a share"),
        (["--protocol", "magic", "--labels", "7"], "known is balanced. For a drawing of your own"),
        (["--protocol", "no.such:draw", "--labels", "7"], "no.such cannot be imported"),
        (["--protocol", "adacm.data:nothing", "--labels", "7"], "has no function nothing"),
        (["--protocol", "builtins:slice", "--labels", "7"], "returned a slice; expected a"),
    ],
)
def test_what_cannot_be_drawn_is_told(images, tmp_path, in_process, more, told):
    seen = draw(in_process, images, tmp_path, *more)
    assert seen.code == 2 and told in seen.err
    assert list(tmp_path.iterdir()) == []


def test_file_of_other_images_is_refused(table, images, tmp_path):
    copy = tmp_path / "rafdb"
    shutil.copytree(images, copy)
    manifest = reader("rafdb")(copy)
    train, test = manifest.split("train"), manifest.split("test")
    assert len(split_files.use(table, train, test).labelled) == 100  # the place does not matter
    path = copy / "Image/aligned/test_0001_aligned.jpg"
    Image.new("RGB", (12, 12)).save(path)
    with pytest.raises(UserError, match="drawn from other images"):
        split_files.use(table, train, test)


def test_changed_or_foreign_files_are_refused(table, tmp_path):
    content = json.loads(table.read_text())
    content["labelled"][0], content["labelled"][1] = content["labelled"][1], content["labelled"][0]
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(content))
    with pytest.raises(UserError, match="changed after it was written"):
        split_files.load(changed)
    for text in ("{}", "[]", "no json", '{"labelled": "x"}'):
        changed.write_text(text)
        with pytest.raises(UserError, match=r"is no split file|is not valid JSON"):
            split_files.load(changed)
    with pytest.raises(UserError, match="cannot be read"):
        split_files.load(tmp_path / "none.json")


def test_positions_outside_the_images_are_refused(table, tmp_path):
    content = json.loads(table.read_text())
    content["labelled"][0] = 10**9
    content["hash"] = split_files.hash_of(content)
    (tmp_path / "far.json").write_text(json.dumps(content))
    held = dict(content["content"])

    class Images(list):
        classes = tuple(content["classes"])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(split_files, "content_hash", lambda images: (held["train"], None))
        with pytest.raises(UserError, match="positions that are not among the 3 training images"):
            split_files.use(tmp_path / "far.json", Images([0, 1, 2]), None)


def test_another_split_is_not_replaced(table, images, tmp_path, in_process):
    content = json.loads(table.read_text())
    content["seed"] = 6
    split_files.write({k: v for k, v in content.items() if k != "hash"}, tmp_path / table.name)
    seen = draw(
        in_process, images, tmp_path, "--protocol", "adacm.data:draw_split", "--labels", "100"
    )
    assert seen.code == 2 and "another split" in seen.err
