import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, RandomSampler

from common.cli import UserError
from common.data.dataset import ViewDataset
from common.data.manifest import Manifest
from common.data.streams import (
    GivenStream,
    PassStream,
    SampledStream,
    ShuffledStream,
    eval_loader,
    plain_errors,
)
from common.data.views import eval_view, strong_view


class Numbers(Dataset):
    """Item (index, seed) -> both, so that a batch shows what was asked for."""

    def __len__(self):
        return 7

    def __getitem__(self, key):
        return {"index": torch.tensor(key[0]), "seed": torch.tensor(key[1])}


@pytest.fixture
def manifest(tmp_path):
    generator = np.random.default_rng(0)
    for i in range(6):
        pixels = generator.integers(0, 256, (20, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    table = pd.DataFrame(
        [(f"{i}.png", i % 2, "train") for i in range(6)], columns=["path", "label", "split"]
    )
    return Manifest("sample", tmp_path, ("calm", "joy"), table)


def content(stream, epoch, start=0):
    """[(indices, seeds), …] of the batches of an epoch."""
    return [(b["index"].tolist(), b["seed"].tolist()) for b in stream.batches(epoch, start)]


def test_epoch_has_the_wanted_batches():
    batches = content(SampledStream(Numbers(), 4, 5, seed=0), 0)
    assert [len(indices) for indices, _ in batches] == [4] * 5
    everything = [i for indices, _ in batches for i in indices]
    assert set(everything) <= set(range(7))
    assert len(set(everything)) < 20  # 20 of 7 are drawn with replacement
    seeds = [s for _, of_batch in batches for s in of_batch]
    assert len(set(seeds)) == 20


@pytest.mark.parametrize("start", [1, 3, 5])
def test_later_start_is_the_tail_of_the_epoch(start):
    stream = SampledStream(Numbers(), 4, 5, seed=0)
    assert content(stream, 2, start) == content(stream, 2)[start:]


def test_epochs_and_seeds_differ_and_repeat():
    stream = SampledStream(Numbers(), 4, 5, seed=0)
    again, other = SampledStream(Numbers(), 4, 5, seed=0), SampledStream(Numbers(), 4, 5, seed=1)
    assert content(stream, 0) != content(stream, 1)
    assert content(stream, 0) != content(other, 0)
    assert content(stream, 1) == content(again, 1)


def test_global_generator_neither_matters_nor_moves():
    stream = SampledStream(Numbers(), 4, 5, seed=0)
    torch.manual_seed(1)
    expected = content(stream, 0)
    after = torch.rand(())
    torch.manual_seed(1)
    torch.rand(())
    assert content(stream, 0) == expected
    torch.manual_seed(1)
    assert torch.rand(()) == after


def test_images_do_not_depend_on_the_workers(manifest):
    dataset = ViewDataset(manifest, {"strong": strong_view(16)})
    alone, helped = (SampledStream(dataset, 2, 2, seed=0, workers=w) for w in (0, 2))
    for epoch in (0, 1):
        pairs = list(zip(alone.batches(epoch), helped.batches(epoch), strict=True))
        assert len(pairs) == 2
        for left, right in pairs:
            assert torch.equal(left["strong"], right["strong"])


@pytest.mark.parametrize("workers", [0, 1])
def test_broken_image_ends_in_one_plain_sentence(manifest, workers):
    (manifest.root / "2.png").write_bytes(b"no image")
    dataset = ViewDataset(manifest, {"image": eval_view(16)})
    with pytest.raises(UserError) as error:
        list(plain_errors(eval_loader(dataset, 2, workers)))
    assert str(error.value).startswith(f"the image {manifest.root / '2.png'} cannot be read")
    assert "\n" not in str(error.value)

    with pytest.raises(UserError, match=r"^the image .* resume the run\.$"):
        list(SampledStream(dataset, 8, 2, seed=0, workers=workers).batches(0))


def test_evaluation_sees_every_image_once_in_order(manifest):
    dataset = ViewDataset(manifest, {"image": eval_view(16)})
    batches = list(eval_loader(dataset, 4, 0))
    assert [len(b["label"]) for b in batches] == [4, 2]
    assert torch.cat([b["index"] for b in batches]).tolist() == list(range(6))


def test_state_tells_streams_apart():
    stream = SampledStream(Numbers(), 4, 5, seed=0)
    assert stream.state() == SampledStream(Numbers(), 4, 5, seed=0, workers=1).state()
    for other in (
        SampledStream(Numbers(), 3, 5, seed=0),
        SampledStream(Numbers(), 4, 6, seed=0),
        SampledStream(Numbers(), 4, 5, seed=1),
    ):
        assert stream.state() != other.state()


def test_given_batches_come_as_they_are():
    stream = GivenStream([[{"a": 1}, {"a": 2}], [{"a": 3}]])
    assert [b["a"] for b in stream.batches(0, 1)] == [2]
    assert [b["a"] for b in stream.batches(1)] == [3]
    assert stream.state() == {"steps": [2, 1]}


def test_shuffled_passes_restart_and_drop_the_incomplete_batch():
    stream = ShuffledStream(range(7), batch_size=3, steps=5, seed=1)
    epoch = [[index for index, _ in batch] for batch in stream.keys(0)]
    assert [len(batch) for batch in epoch] == [3] * 5
    for first, second in ((0, 1), (2, 3)):  # a pass is two batches without repetition
        assert len({*epoch[first], *epoch[second]}) == 6
    assert stream.keys(0) == ShuffledStream(range(7), 3, 5, seed=1).keys(0) != stream.keys(1)


def test_too_few_images_for_a_batch_are_told():
    with pytest.raises(UserError, match="2 images do not fill one batch of 3"):
        ShuffledStream(range(2), batch_size=3, steps=1, seed=0)


class Drawing(Dataset):
    """Items that draw from the global generator as they stand."""

    published = True

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> dict:
        return {"index": index, "drawn": torch.rand(())}


def test_published_draws_are_those_of_torchs_own_loaders():
    def seen(batches) -> list:
        torch.manual_seed(7)
        return [value.tolist() for batch in batches() for value in batch.values()]

    sampler = RandomSampler(Drawing(), replacement=True, num_samples=8)
    own = seen(lambda: DataLoader(Drawing(), 2, sampler=sampler))
    assert own == seen(lambda: SampledStream(Drawing(), 2, 4, seed=1).batches(0))
    passes = seen(lambda: DataLoader(Drawing(), 4, shuffle=True, drop_last=True))
    assert passes == seen(lambda: PassStream(Drawing(), 4, seed=1).batches(0))
    again = seen(lambda: ShuffledStream(Drawing(), 4, 2, seed=1).batches(0))
    assert again[:2] == passes and len(again) == 4  # a second pass, drawn anew


def test_published_draws_go_on_at_the_end_of_an_epoch_only():
    stream = SampledStream(Drawing(), 2, 4, seed=1)
    assert stream.state()["draws"] == "authors"
    with pytest.raises(UserError, match="the end of one only"):
        stream.batches(0, start=1)
