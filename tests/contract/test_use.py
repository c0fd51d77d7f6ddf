"""What is done with a training the day after: asked, exported; for the runs of every paper."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from common.export import main as export
from common.predict import load
from common.predict.__main__ import main as predict

REAL = Path(__file__).resolve().parents[3] / "shared/data/oasis_subset"
LIMIT = 50


@pytest.fixture(scope="module")
def asked(bench, straight) -> Path:
    """The run folder, of a program whose checkpoints answer about photographs."""
    if bench.program.run == "output_dir":
        pytest.skip("a masked autoencoder has no answers")
    return straight / bench.program.run


@pytest.fixture(scope="module")
def photographs(bench, tmp_path_factory) -> Path:
    """A list of real photographs where there are some, else of drawn ones."""
    folder = REAL if REAL.is_dir() else bench.data
    found = [p for p in sorted(folder.rglob("*")) if p.suffix.lower() in (".jpg", ".png")]
    file = tmp_path_factory.mktemp("photographs") / "list.txt"
    file.write_text("\n".join(map(str, found[:LIMIT])))
    return file


def test_a_run_answers_about_photographs(asked, photographs, in_process, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no image")
    listed = tmp_path / "list.txt"
    listed.write_text(f"{photographs.read_text()}\n{broken}\n")
    argv = [asked, "--images", listed, "--out", "out.csv", "--html", "out.html"]
    seen = in_process(predict, [*argv, "--device", "cpu", "--num_workers", 0], tmp_path)
    assert seen.code == 0, seen.err
    assert f"1 unreadable and left out: {broken}" in seen.out
    rows = list(csv.DictReader((tmp_path / "out.csv").open(newline="")))
    assert [row["path"] for row in rows] == photographs.read_text().split("\n")
    model = load(asked)
    if model.classes:
        chances = np.array([[float(row[f"p_{c}"]) for c in model.classes] for row in rows])
        assert np.allclose(chances.sum(axis=1), 1, atol=1e-4)
        assert [row["class"] for row in rows] == [model.classes[k] for k in chances.argmax(axis=1)]
    else:
        assert all(np.isfinite(float(row["valence"])) for row in rows)
    page = (tmp_path / "out.html").read_text()
    assert page.count("data:image/jpeg;base64,") == len(rows) and "http" not in page
    assert "drawn stand-in images" in page  # the model was trained on such


def test_python_gives_the_same_and_the_parts(asked, photographs):
    model = load(asked)
    path = photographs.read_text().split("\n")[0]
    (answer,) = model([path])
    shown = model.transform(Image.open(path).convert("RGB"))
    given = model.network(shown[None])[0][0].tolist()
    told = list(answer["probabilities"].values()) if model.classes else None
    assert given == pytest.approx(told or [answer["valence"], answer["arousal"]], abs=1e-6)


@pytest.mark.parametrize("kind", ["onnx", "torch", "safetensors"])
def test_an_exported_run_answers_the_same(asked, photographs, in_process, tmp_path, kind):
    argv = [asked, "--format", kind, "--images", photographs, "--out", tmp_path / "model"]
    seen = in_process(export, argv, tmp_path)
    assert seen.code == 0, seen.out + seen.err
    assert "largest difference from torch on" in seen.out
    if kind == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(tmp_path / "model")
        meta = session.get_modelmeta().custom_metadata_map
        assert json.loads(meta["classes"]) == list(load(asked).classes)
        shown = json.loads(meta["preprocessing"])
        side = shown["crop"]
        for number in (1, 3):
            images = np.zeros((number, 3, side, side), np.float32)
            assert len(session.run(None, {"images": images})[0]) == number


def test_a_record_that_contradicts_is_refused(asked, photographs, in_process, tmp_path):
    argv = [asked, "--images", photographs, "--image_size", 999]
    seen = in_process(predict, argv, tmp_path)
    assert seen.code == 2 and "--image_size 999 contradicts" in seen.err
    paper = load(asked).record["paper"]
    other = "adacm" if paper != "adacm" else "s2ver"
    argv = [asked / "last.ckpt", "--images", photographs, "--as", other]
    seen = in_process(predict, argv, tmp_path)
    assert seen.code == 2 and f"is a checkpoint of {paper}, but --as says {other}" in seen.err


def test_last_ckpt_holds_the_weights_that_were_judged(asked):
    model, last = load(asked), load(asked / "last.ckpt")
    assert last.classes == model.classes and last.record["paper"] == model.record["paper"]
    ours, theirs = model.network.state_dict(), last.network.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(value.shape == theirs[name].shape for name, value in ours.items())
    assert all(torch.isfinite(v).all() for v in theirs.values() if v.is_floating_point())
    summary = json.loads((asked / "summary.json").read_text())
    if summary["headline"]["epoch"] == summary["last"]["epoch"]:  # the file is of the last epoch
        assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
