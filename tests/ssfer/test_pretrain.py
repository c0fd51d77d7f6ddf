"""``python ssfer/pretrain_distribute.py`` on tiny images: files, resume, refusals."""

from __future__ import annotations

import json
import os
import shutil
import signal

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, DistributedSampler
from torchvision.datasets import ImageFolder

from common.engine.run_folder import LAST
from ssfer.pretrain import authors_files, data
from ssfer.pretrain import main as program
from ssfer.pretrain.mae import build_mae
from ssfer.pretrain.main import main
from ssfer.pretrain.method import MaskedPretraining, rate_factor
from ssfer.views import crop_view

NAME = "125w_base_warmup50_batch256"
# Six steps an epoch and five accumulated: gradients are waiting when an epoch ends.
TINY = (
    *("--train_dir", "faces", "--model", "tiny", "--input_size", "32", "--batch_size", "4"),
    *("--epochs", "4", "--warmup_epochs", "1", "--accum_iter", "5", "--num_workers", "0"),
    *("--picture_every", "2", "--save_every", "2"),
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A working directory with 26 faces in two sub-folders."""
    folder = tmp_path_factory.mktemp("pretrain")
    generator = np.random.default_rng(0)
    for k in range(26):
        (folder / "faces" / str(k % 2)).mkdir(parents=True, exist_ok=True)
        coarse = generator.integers(0, 256, (3, 3, 3), dtype=np.uint8)
        face = Image.fromarray(coarse).resize((40, 44))
        face.save(folder / "faces" / str(k % 2) / f"{k}.png")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def command(in_process, place):
    """``command(*flags)``: the command with the tiny flags, which later ones overrule."""
    authors_files.CURVE_DPI = 50  # the authors' 800 takes longer than the training
    return lambda *flags: in_process(main, [*TINY, "--device", "cpu", *flags], place)


def run(command, place, name: str, *flags: str):
    seen = command("--output_dir", name, *flags)
    assert seen.code == 0, seen.err
    return place / name


@pytest.fixture(scope="module")
def straight(command, place):
    """Four epochs without a stop."""
    return run(command, place, "straight")


def state(folder) -> dict:
    return torch.load(folder / LAST, weights_only=True)


def rows(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").open()]


def test_files_and_keys_are_the_authors(straight, place):
    names = {path.name for path in straight.iterdir()}
    assert {f"{NAME}_2.pth", f"{NAME}_4.pth"} <= names
    assert (place / "vit_base_loss_4.png").is_file()  # in the working folder, whatever the size
    assert {"config.json", "environment.json", "summary.json", LAST, "log.txt"} <= names
    saved = torch.load(straight / f"{NAME}_4.pth", weights_only=True)
    assert list(saved) == ["model", "optimizer", "epoch", "lr_scheduler_state_dict"]
    assert saved["epoch"] == 4
    build_mae("tiny", img_size=32).load_state_dict(saved["model"])
    assert json.loads((straight / "summary.json").read_text())["finished"] is True


def test_rate_of_every_epoch_is_in_the_metrics(straight):
    expected = [3.4e-4 * rate_factor(epoch, 1, 4) for epoch in range(4)]
    assert [row["lr"] for row in rows(straight)] == pytest.approx(expected, rel=1e-12)
    assert rows(straight)[-1]["step"] == 24


def test_cache_changes_nothing(straight, command, place, assert_same):
    cached = run(command, place, "cached", "--cache", "pixels")
    assert len(list((place / "pixels").glob("*.pixels"))) == 1
    assert_same(state(cached), state(straight))


def test_gradients_wait_from_epoch_to_epoch(straight):
    """24 steps are four updates of five, whatever epoch they fall into, and four steps wait."""
    optimizer = state(straight)["optimizer"]
    steps = {int(entry["step"]) for entry in optimizer["state"].values()}
    assert steps == {4}
    assert "gradients" in state(straight)


def test_picture_shows_input_masked_and_output_and_leaves_the_training_alone(
    straight, command, place, assert_same
):
    with Image.open(straight / "reconstruction_2.png") as picture:
        assert picture.size == (8 * 34 + 2, 3 * 34 + 2)
        pixels = np.asarray(picture.convert("RGB"))
    given, masked, painted = (pixels[2 + 34 * k : 34 + 34 * k, 2:34] for k in range(3))
    hidden = (masked == masked[..., :1, :1].min()).all()
    assert not hidden
    # Of four patches one is visible, and it is the same in all three.
    blocks = [(slice(16 * r, 16 * r + 16), slice(16 * c, 16 * c + 16)) for r, c in np.ndindex(2, 2)]
    same = [np.array_equal(given[b], masked[b]) for b in blocks]
    assert sum(same) == 1
    visible = blocks[same.index(True)]
    assert np.array_equal(given[visible], painted[visible])
    without = run(command, place, "without", "--picture_every", "0")
    assert not list(without.glob("reconstruction_*"))
    assert_same(state(straight)["method"], state(without)["method"])


def test_two_epochs_and_two_more_equal_four(straight, command, place, assert_same):
    halves = run(command, place, "halves", "--stop_after_epoch", "2")
    assert "gradients" in state(halves) and len(rows(halves)) == 2
    run(command, place, "halves", "--resume", "halves/last.ckpt")
    assert_same(state(straight), state(halves))
    assert rows(straight) == rows(halves)
    for name in (f"{NAME}_4.pth", f"{NAME}_2.pth"):
        one, other = (torch.load(f / name, weights_only=True) for f in (straight, halves))
        assert_same(one, other)


def test_stop_in_mid_epoch_goes_on_to_the_same_bits(
    straight, command, place, assert_same, monkeypatch
):
    class Stopped(MaskedPretraining):
        def training_step(self, batches, progress):
            if progress.global_step == 9:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().training_step(batches, progress)

    with monkeypatch.context() as patch:
        patch.setattr(program, "MaskedPretraining", Stopped)
        seen = command("--output_dir", "stopped")
    assert seen.code == 128 + signal.SIGTERM
    assert "epoch 2, step 4 of 6" in seen.err and "--resume stopped/last.ckpt" in seen.err
    stopped = state(place / "stopped")
    assert (stopped["epoch"], stopped["step"]) == (1, 4)
    run(command, place, "stopped", "--resume", "stopped")
    assert_same(state(straight), state(place / "stopped"))


@pytest.mark.parametrize("wrapper", ["", "module."])
def test_authors_checkpoint_restores_network_optimiser_and_epoch(straight, command, place, wrapper):
    saved = torch.load(straight / f"{NAME}_2.pth", weights_only=True)
    saved["model"] = {wrapper + name: value for name, value in saved["model"].items()}
    torch.save(saved, place / "authors.pth")
    name = f"authors{len(wrapper)}"
    flags = ("--resume", "authors.pth", "--stop_after_epoch", "3", "--overwrite")
    seen = command("--output_dir", name, *flags)
    assert seen.code == 0, seen.err
    (row,) = rows(place / name)
    assert (row["epoch"], row["lr"]) == (3, rows(straight)[2]["lr"])
    assert "what is drawn differs" in seen.err
    steps = {int(e["step"]) for e in state(place / name)["optimizer"]["state"].values()}
    assert steps == {2 + 1}  # two updates in twelve steps before, one in six after
    assert state(place / name)["waiting"] == 1  # steps count from the start of this run


def test_resumed_after_its_end_tells_the_result_again(straight, command):
    before = (straight / LAST).stat().st_mtime_ns
    seen = command("--output_dir", "straight", "--resume", "straight/last.ckpt")
    assert seen.code == 0 and "training loss" in seen.out
    assert (straight / LAST).stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--train_dir", "nowhere"), "there is no folder nowhere"),
        (("--train_dir", "empty"), "holds no image"),
        (("--batch_size", "64"), "26 images do not fill a batch of 64"),
        (("--input_size", "60"), "give 64"),
        (("--mask_ratio", "0"), "nothing to predict"),
        (("--world_size", "2"), "torchrun --nproc_per_node 2"),
        (("--resume", "nowhere.pth"), "--resume nowhere.pth does not exist"),
        (("--resume", "faces/0/0.png"), "0.png"),
        (("--output_dir", "faces/0/0.png"), "is a file"),
    ],
)
def test_mistakes_are_told_in_a_sentence_and_leave_no_file(command, place, flags, told):
    (place / "empty").mkdir(exist_ok=True)
    seen = command("--output_dir", "refused", *flags)
    assert seen.code == 2 and told in seen.err.splitlines()[-1]
    assert not (place / "refused").exists()


def test_resume_with_another_flag_is_refused(straight, command, place):
    before = state(straight)["epoch"]
    seen = command("--output_dir", "straight", "--resume", "straight", "--lr", "1")
    assert seen.code == 2 and "lr was 0.00034 and is now 1.0" in seen.err
    assert state(straight)["epoch"] == before


def test_an_earlier_run_is_replaced_only_when_asked_and_other_files_stay(straight, command, place):
    folder = place / "used"
    shutil.copytree(straight, folder)
    (folder / "yolov7s-face.pt").write_bytes(b"a detector")
    seen = command("--output_dir", "used")
    assert seen.code == 2 and "--overwrite to replace it" in seen.err
    seen = command("--output_dir", "used", "--resume", "straight")  # another run's place
    assert seen.code == 2 and "--overwrite to replace it" in seen.err
    run(command, place, "used", "--overwrite", "--epochs", "1")
    assert (folder / "yolov7s-face.pt").read_bytes() == b"a detector"
    assert {p.name for p in folder.glob("*.pth")} == {f"{NAME}_1.pth"}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_published_device_goes_on_on_the_cpu_loudly_and_a_chosen_one_does_not(in_process, place):
    flags = [*TINY, "--epochs", "1", "--output_dir", "machine"]
    seen = in_process(main, flags, place)
    assert seen.code == 0 and "no usable CUDA device: running on the CPU" in seen.err
    seen = in_process(main, [*flags, "--overwrite", "--device", "cuda"], place)
    assert seen.code == 2 and "use --device cpu" in seen.err


def test_order_is_the_same_every_epoch_unless_reshuffled(command, place):
    from ssfer.pretrain.options import build_parser

    args = build_parser().parse_args([*TINY, "--train_dir", str(place / "faces")])
    faces = data.read(args).train

    def order(epoch: int) -> list[int]:
        batches = data.stream(faces, args, False).keys(epoch)
        return [index for batch in batches for index, _ in batch]

    assert order(0) == order(1) and len(set(order(0))) == 24
    args.reshuffle = True
    assert order(0) != order(1)


def test_authors_draws_go_through_class_folders_in_torchvisions_order(in_process, place, tmp_path):
    """A class folder's files before its sub-folders', files beside the folders passed over."""
    faces = tmp_path / "faces"
    for name in ("b/p2", "b/p10", "b/inner/p1", "b-x/p3", "beside"):
        (faces / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(place / "faces" / "0" / "0.png", faces / f"{name}.png")
    dataset, drawn = ImageFolder(faces), []

    def ready(trainer):
        stream = trainer.streams["faces"]
        names = [os.path.relpath(path, faces) for path in stream.dataset.paths]
        assert names == [os.path.relpath(path, faces) for path, _ in dataset.samples]
        torch.manual_seed(7)
        for batch in stream.batches(0):
            drawn.append((batch["index"].tolist(), batch["image"]))
        torch.manual_seed(7)

    words = [*TINY, "--draws", "authors", "--device", "cpu", "--batch_size", "2", "--epochs", "1"]
    words += ["--picture_every", "0", "--output_dir", "out", "--save_every", "1"]
    seen = in_process(lambda argv: main(argv, on_ready=ready), words, tmp_path)
    assert seen.code == 0, seen.err
    torch.manual_seed(7)
    dataset.transform = crop_view(32)
    sampler = DistributedSampler(dataset, 1, 0)
    loader = DataLoader(dataset, 2, sampler=sampler, drop_last=True)
    for (images, _), (_, given) in zip(loader, drawn, strict=True):
        assert torch.equal(images, given)
    assert [k for index, _ in drawn for k in index] == list(sampler)
    assert (tmp_path / "output_dir" / f"{NAME}_1.pth").is_file()  # whatever --output_dir says
    assert (tmp_path / "out" / LAST).is_file() and not list((tmp_path / "out").glob("*.pth"))
    assert "epoch:1/1" in seen.out and "loss: " in seen.out


def test_authors_draws_stop_between_epochs_and_go_on_to_the_same_bits(command, place, assert_same):
    flags = ("--draws", "authors", "--picture_every", "0")
    whole = run(command, place, "drawn", *flags)
    halves = run(command, place, "drawn_halves", *flags, "--stop_after_epoch", "2")
    run(command, place, "drawn_halves", *flags, "--resume", "drawn_halves/last.ckpt")
    assert_same(state(whole), state(halves))
