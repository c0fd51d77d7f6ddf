"""The checkpoint that is tested: published rule and --keep_best."""

import math

import pytest

from dimva.selection import choose


def test_patience_run_out_overwrites_the_best():
    choice = choose([0.1, 0.4, 0.2, 0.3, 0.1], early_stop=2)
    assert (choice.saved, choice.patience, choice.stopped) == ((0, 1, 4), 3, True)


def test_keep_best_changes_the_last_save_and_nothing_else():
    published, kept = (choose([0.1, 0.4, 0.2, 0.3, 0.1], 2, keep) for keep in (False, True))
    assert kept.saved == (0, 1)
    assert (kept.best, kept.patience, kept.stopped) == (
        published.best,
        published.patience,
        published.stopped,
    )


def test_equal_and_nan_use_patience_up():
    assert choose([0.4, 0.4, math.nan], 5).patience == 2


@pytest.mark.parametrize(("keep", "saved"), [(False, ()), (True, (0, 2))])
def test_r_below_zero_counts_only_with_keep_best(keep, saved):
    assert choose([-0.5, -0.6, -0.1], 5, keep).saved == saved


def test_nothing_after_the_stop_counts():
    assert choose([0.1, 0.0, 0.0, 0.9], early_stop=1).saved == (0, 2)
