import pickle
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from common.cli import UserError
from common.engine import checkpoint, state


class Harmful:
    """Writes a file when it is unpickled."""

    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


def test_what_is_saved_is_loaded(tmp_path):
    state = {"weights": torch.arange(3.0), "nested": {"list": [1, "a", None, 0.5]}}
    checkpoint.save(state, tmp_path / "last.ckpt")
    loaded = checkpoint.load(tmp_path / "last.ckpt")
    assert torch.equal(loaded["weights"], state["weights"])
    assert loaded["nested"] == state["nested"]
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]
    assert (tmp_path / "last.ckpt").stat().st_mode & 0o777 == 0o644


def test_failing_save_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "last.ckpt"
    checkpoint.save({"epoch": 1}, path)
    before = path.read_bytes()

    def full_disk(state, file):
        file.write(b"half of it")
        raise OSError("No space left on device")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save({"epoch": 2}, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_state_that_cannot_be_pickled_leaves_nothing(tmp_path):
    with pytest.raises((AttributeError, TypeError, pickle.PicklingError)):
        checkpoint.save({"function": lambda: 0}, tmp_path / "last.ckpt")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no checkpoint at all", b"\x80\x02}q"])
def test_file_that_is_no_checkpoint(tmp_path, content):
    path = tmp_path / "last.ckpt"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        checkpoint.load(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_half_a_checkpoint(tmp_path):
    path = tmp_path / "last.ckpt"
    checkpoint.save({"weights": torch.zeros(1000)}, path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(UserError, match=r"no readable checkpoint .* damaged or half copied"):
        checkpoint.load(path)


@pytest.mark.parametrize("legacy", [False, True])
def test_damage_anywhere_is_told_or_harmless(tmp_path, legacy):
    path = tmp_path / "last.ckpt"
    state = {"weights": torch.zeros(3), "epoch": 1}
    torch.save(state, path, _use_new_zipfile_serialization=not legacy)
    whole = path.read_bytes()
    refused = 0
    for place in range(0, len(whole), 29):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            checkpoint.load(path)
        except UserError:
            refused += 1
    assert refused > 3


def test_missing_file_and_folder(tmp_path):
    for path in (tmp_path, tmp_path / "none.ckpt"):
        with pytest.raises(UserError, match="there is no checkpoint at"):
            checkpoint.load(path)


def test_list_is_refused(tmp_path):
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(UserError, match="holds a list, expected a dictionary"):
        checkpoint.load(tmp_path / "list.pth")


def test_objects_are_refused_without_running_them(tmp_path):
    path, trace = tmp_path / "evil.pth", tmp_path / "trace"
    torch.save({"weights": torch.zeros(1), "extra": Harmful(trace)}, path)
    with pytest.raises(UserError, match="cannot be read safely"):
        checkpoint.load(path)
    assert not trace.exists()
    torch.load(path, weights_only=False)  # the file does bite
    assert trace.exists()


def test_generators_go_on_where_they_were(tmp_path):
    def draws():
        return random.gauss(0, 1), np.random.normal(), torch.rand(2).tolist()

    draws()  # leaves half of a pair of Gaussian numbers in the first two generators
    checkpoint.save({"rng": state.rng_state()}, tmp_path / "rng.ckpt")
    expected = draws()
    draws()
    state.set_rng_state(checkpoint.load(tmp_path / "rng.ckpt")["rng"])
    assert draws() == expected


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "a web page"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
            "a Git LFS pointer",
        ),
        (b'\x40\0\0\0\0\0\0\0{"w":{"dtype":"F32"}}', "a safetensors file"),
    ],
)
def test_files_are_named_for_what_they_are(tmp_path, content, told):
    path = tmp_path / "best.pth"
    path.write_bytes(content)
    with pytest.raises(UserError, match=told) as refused:
        checkpoint.load(path)
    assert "weights_only" not in str(refused.value)


def test_one_flipped_bit_of_the_weights_is_noticed(tmp_path):
    path, generator = tmp_path / "a.pth", np.random.default_rng(0)
    checkpoint.save({"w": torch.arange(1000.0), "epoch": 3}, path)
    content = path.read_bytes()
    start = content.index(np.arange(1000, dtype="<f4").tobytes())
    for bit in generator.integers(8 * start, 8 * (start + 4000), 40):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(flipped)
        with pytest.raises(UserError, match="is damaged"):
            checkpoint.load(path)
