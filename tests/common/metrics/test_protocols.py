import pytest

from common.metrics.protocols import four_protocols


def history(test, val=None):
    rows = [{"epoch": n, "test": {"top1": value}} for n, value in enumerate(test, start=1)]
    for row, value in zip(rows, val or [], strict=False):
        row["val"] = {"top1": value}
    return rows


def test_hand_values():
    found = four_protocols(history([0.1, 0.5, 0.3, 0.4]))
    assert (found["best_on_test"]["value"], found["best_on_test"]["epoch"]) == (0.5, 2)
    assert (found["last"]["value"], found["last"]["epoch"]) == (0.4, 4)
    assert found["median_last_20"]["value"] == pytest.approx(0.35)
    assert found["median_last_20"]["epochs"] == 4
    assert found["val_selected"]["value"] is None


def test_tie_goes_to_the_earliest_epoch():
    found = four_protocols(history([0.1, 0.5, 0.5], val=[0.7, 0.2, 0.7]))
    assert found["best_on_test"]["epoch"] == 2
    assert (found["val_selected"]["epoch"], found["val_selected"]["value"]) == (1, 0.1)


def test_median_is_over_the_last_twenty_only():
    found = four_protocols(history([0.9] * 30 + [n / 100 for n in range(20)]))
    assert found["median_last_20"]["value"] == pytest.approx(0.095)
    assert found["median_last_20"]["epochs"] == 20
    assert found["best_on_test"]["epoch"] == 1


def test_validation_reports_the_test_value_of_its_epoch():
    found = four_protocols(history([0.9, 0.2, 0.5], val=[0.1, 0.8, 0.3]))
    assert (found["val_selected"]["epoch"], found["val_selected"]["value"]) == (2, 0.2)


def test_epochs_without_validation_leave_it_out():
    assert four_protocols(history([0.9, 0.2], val=[0.1]))["val_selected"]["value"] is None


def test_smaller_may_be_better():
    found = four_protocols(history([0.9, 0.2, 0.5, 0.2], val=[3, 2, 1, 1]), mode="min")
    assert (found["best_on_test"]["epoch"], found["best_on_test"]["value"]) == (2, 0.2)
    assert found["val_selected"]["epoch"] == 3


def test_every_protocol_says_what_it_is():
    found = four_protocols(history([0.5]))
    assert all(row["meaning"] for row in found.values())
    assert "test set itself" in found["best_on_test"]["meaning"]


def test_no_epoch_yet():
    with pytest.raises(ValueError, match="no epoch"):
        four_protocols([])
