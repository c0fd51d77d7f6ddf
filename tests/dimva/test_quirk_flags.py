"""Each correction changes what it says, and only that."""

import json

import numpy as np
import pytest
import torch

from dimva import data, evaluation
from dimva.data import Converter
from dimva.evaluation import Seen
from dimva.method import Dimensional, DimvaConfig
from dimva.options import build_parser


@pytest.fixture
def parsed(tiny):
    """``parsed(mode, task, dataname, *flags)``: arguments of a tiny run."""

    def parse(*words):
        return build_parser().parse_args([str(w) for w in tiny(*words)])

    return parse


def read(args) -> data.Sets:
    return data.read(args)


def paths(sets: data.Sets) -> dict[str, list[str]]:
    return {name: manifest.table["path"].tolist() for name, manifest in sets.named.items()}


@pytest.mark.parametrize(
    ("per", "rates"), [("batch", [1e-4 * 0.5**k for k in (0, 1)]), ("epoch", [1e-4, 1e-4])]
)
def test_schedule_per(place, command, tiny, per, rates):
    # Four batches an epoch: the eleventh is in the third epoch.
    argv = tiny("one_stage", "single", "FI", "--num_epochs", "3", "--keep_best")
    assert command([*argv, "--schedule_per", per, "--early_stop", "9"], place).code == 0
    lines = (place / "runs/one_stage_single_FI_rs_42/metrics.jsonl").read_text().splitlines()
    shown = [json.loads(line)["lr"] for line in lines]
    assert shown == pytest.approx([rates[0], rates[0], rates[1]])


def test_eval_all(parsed):
    plain, whole = (parsed("one_stage", "single", "FI", *f) for f in ((), ("--eval_all",)))
    sets = read(plain)
    number = len(sets.named["test_va"])
    assert number % plain.batch_size  # else nothing would be dropped

    def served(args, epoch: int) -> list[int]:
        keys = data.stream(sets, "test_va", args, False).keys(epoch)
        return [index for batch in keys for index, _ in batch]

    assert served(whole, 0) == served(whole, 1) == list(range(number))
    assert len(served(plain, 0)) == number - number % plain.batch_size
    assert set(served(plain, 0)) != set(served(plain, 1)) or served(plain, 0) != served(plain, 1)
    train = [data.stream(sets, "train", args, False).keys(0) for args in (plain, whole)]
    assert train[0] == train[1]


def test_ldl_test_split(parsed, caplog):
    plain = paths(read(parsed("one_stage", "multi", "FlickrLDL")))
    assert "TRAIN folder" in caplog.text
    caplog.clear()
    flag = ("--ldl_test_split", "test")
    corrected = paths(read(parsed("one_stage", "multi", "FlickrLDL", *flag)))
    assert "TRAIN folder" not in caplog.text
    assert all("/train/" in path for path in plain["test_cat"])
    assert all("/test/" in path for path in corrected["test_cat"])
    assert {n for n in plain if plain[n] != corrected[n]} == {"test_cat"}


def test_label_order():
    # Converter order (b, a): folder ids (1, 0). The prediction is right in words only.
    converter = Converter(torch.tensor([[9.0, 1.0], [1.0, 9.0]]), False, torch.tensor([1, 0]))
    va = torch.tensor([[8.0, 1.0], [1.0, 8.0], [1.0, 7.0]])
    seen = Seen(va, va, torch.tensor([1, 0, 0]))
    settings = DimvaConfig("one_stage", "single")
    by_order = {
        order: evaluation.report(seen, "cls", settings, converter, order)
        for order in ("converter", "folder")
    }
    assert (by_order["converter"]["accuracy"], by_order["folder"]["accuracy"]) == (0.0, 1.0)
    changed = {k for k, v in by_order["folder"].items() if v != by_order["converter"][k]}
    assert changed == {"accuracy"}
    assert by_order["converter"]["accuracy_corrected"] == 1.0


def test_label_order_of_rated_images_in_the_multi_task():
    converter = Converter(torch.tensor([[9.0, 1.0], [1.0, 9.0]]), False, torch.tensor([1, 0]))
    va = torch.tensor([[8.0, 1.0], [1.0, 8.0]])
    logits = torch.tensor([[0.0, 5.0], [5.0, 0.0]])  # folder ids 1, 0
    seen = Seen(va, va, torch.tensor([0, 0]), logits)
    report = evaluation.report(seen, "reg", DimvaConfig("one_stage", "multi"), converter)
    assert (report["accuracy_authors"], report["accuracy_corrected"]) == (0.0, 1.0)


def test_label_order_of_several_labels():
    # Every word's cosine is above 0.5 but the second's for the last image.
    converter = Converter(torch.tensor([[9.0, 1.0], [1.0, 9.0]]), True, torch.tensor([1, 0]))
    va = torch.tensor([[5.0, 5.0], [5.0, 5.0], [9.0, 1.0]])
    hot = torch.tensor([[1, 0], [1, 1], [0, 0]])
    seen, settings = Seen(va, va, hot), DimvaConfig("one_stage", "single", True)
    authors, corrected = (
        evaluation.report(seen, "cls", settings, converter, order)
        for order in ("converter", "folder")
    )
    # Intersection over union 2/3 and 1/2; predicted 3 and 2 times, true 2 and 1 times.
    assert authors["accuracy"] == pytest.approx((3 * 2 / 3 + 2 * 1 / 2) / 5)
    assert corrected["accuracy"] == pytest.approx((2 * 2 / 3 + 1 * 1 / 2) / 3)
    assert authors["accuracy_corrected"] == corrected["accuracy"] == corrected["accuracy_corrected"]


def test_split_once(parsed):
    plain = paths(read(parsed("two_stage", "multi", "Flickr")))
    corrected = paths(read(parsed("two_stage", "multi", "Flickr", "--split_once")))
    assert set(plain["val_va"]) & set(plain["train_va"])
    assert not set(corrected["val_va"]) & set(corrected["train_va"])
    assert {n for n in plain if plain[n] != corrected[n]} == {"val_va"}


def test_val_plain_view(parsed):
    plain, corrected = (
        read(parsed("one_stage", "multi", "Flickr", *f)) for f in ((), ("--val_plain_view",))
    )
    assert plain.augmented == {"val_cat", "val_va"} and not corrected.augmented
    assert paths(plain) == paths(corrected)
    folder_val = read(parsed("one_stage", "multi", "FI"))
    assert folder_val.augmented == {"val_va"}


@pytest.mark.parametrize("finite", [False, True])
def test_finite_loss(finite):
    torch.manual_seed(0)
    logits, va = torch.randn(3, 8), torch.randn(3, 2)
    method = Dimensional(torch.nn.Identity(), DimvaConfig("two_stage", "multi", False, finite))
    given = (logits, va, torch.tensor([0, 1, 2]), torch.randn(3, 2), torch.ones(3))
    output = method.losses(*given)
    assert torch.isfinite(output.loss)
    told = output.logs.get("loss", output.loss)
    assert torch.isfinite(told) if finite else torch.isnan(told)


def test_rated_share_is_random_and_fixed_by_the_seed(parsed):
    one, same, other = (
        paths(read(parsed("one_stage", "single", "FI", "--seed", s)))["val_va"] for s in (1, 1, 2)
    )
    assert one == same != other
    assert len(one) == np.ceil(0.2 * 21)
