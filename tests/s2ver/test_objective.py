import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from s2ver import objective

T = torch.tensor


def rows(n, classes, seed=0):
    """Random probability rows [n, classes]."""
    return torch.randn(n, classes, generator=torch.Generator().manual_seed(seed)).softmax(dim=1)


# --- prototypes and relation ---------------------------------------------------------------------


def test_prototype_moves_a_tenth_towards_the_mean_of_correct_images():
    prototypes = T([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    features = T([[0.0, 1.0], [1.0, 0.0], [0.6, 0.8], [0.8, 0.6]])
    logits = T([[2.0, 0, 0], [2.0, 0, 0], [2.0, 0, 0], [0, 2.0, 0]])
    labels = T([0, 0, 1, 1])  # the third image is classified wrongly

    moved = objective.update_prototypes(prototypes, features, logits, labels)
    assert_close(moved, T([[0.9 + 0.05, 0.05], [0.08, 0.9 + 0.06], [0.5, 0.5]]))


def test_prototypes_start_at_zero_and_are_not_renormalised():
    moved = objective.update_prototypes(torch.zeros(2, 2), T([[0.6, 0.8]]), T([[1.0, 0.0]]), T([0]))
    assert_close(moved, T([[0.06, 0.08], [0.0, 0.0]]))


@pytest.mark.parametrize(
    ("kind", "l1_abs", "affinities"),
    [
        ("L2", False, [[0, -5], [-5, 0]]),
        ("L1", False, [[0, -1], [1, 0]]),
        ("L1", True, [[0, -7], [-7, 0]]),
    ],
)
def test_relation_of_two_prototypes_by_distance(kind, l1_abs, affinities):
    prototypes = T([[4.0, 0.0], [0.0, 3.0]])
    expected = [
        [math.exp(a / 0.5) / sum(math.exp(b / 0.5) for b in row) for a in row] for row in affinities
    ]
    assert_close(objective.class_relation(prototypes, kind, l1_abs), T(expected))


def test_relation_by_cosine():
    found = objective.class_relation(T([[2.0, 0.0], [3.0, 3.0]]), "cos")
    near, self = math.exp(math.sqrt(0.5) / 0.5), math.exp(1 / 0.5)
    assert_close(found[0], T([self, near]) / (self + near))


def test_unknown_relation():
    with pytest.raises(ValueError, match="'L3' is not one of L2, L1, cos"):
        objective.class_relation(torch.eye(2), "L3")


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), kind=st.sampled_from(objective.RELATIONS), absolute=st.booleans())
def test_relation_rows_sum_to_one_after_any_update(seed, kind, absolute):
    generator = torch.Generator().manual_seed(seed)
    prototypes = torch.randn(6, 4, generator=generator)
    relation = objective.update_relation(torch.full((6, 6), 1 / 6), prototypes, kind, absolute)
    assert_close(relation.sum(dim=1), torch.ones(6))
    assert (relation >= 0).all()


def test_signed_l1_is_asymmetric_and_absolute_l1_is_not():
    prototypes = T([[0.1, 0.2], [0.3, 0.1], [0.0, 0.6]])
    signed = objective.class_relation(prototypes, "L1")
    absolute = objective.class_relation(prototypes, "L1", l1_abs=True)
    # Before its rows are normalised, an affinity is its share over that of the class with itself.
    signed, absolute = (m / m.diagonal()[:, None] for m in (signed, absolute))
    assert_close(absolute, absolute.T)
    assert (absolute <= 1).all()
    assert_close(signed * signed.T, torch.ones(3, 3))
    assert signed.max() > 1


def test_relation_keeps_nine_tenths():
    found = objective.update_relation(torch.eye(2), torch.zeros(2, 3), "L2")
    assert_close(found, T([[0.95, 0.05], [0.05, 0.95]]))


# --- labels and threshold ------------------------------------------------------------------------


def test_prototype_distribution_mixes_the_relation():
    relation = T([[0.8, 0.2], [0.4, 0.6]])
    found = objective.prototype_distribution(T([[1.0, 0.0]]), torch.eye(2), relation, 0.5)
    share = math.exp(2) / (math.exp(2) + 1)
    expected = [0.8 * share + 0.4 * (1 - share), 0.2 * share + 0.6 * (1 - share)]
    assert_close(found, T([expected]))


def test_refined_label_is_a_weighted_mean():
    found = objective.refine_labels(T([[1.0, 0.0]]), T([[0.5, 0.5]]), 0.2)
    assert_close(found, T([[0.9, 0.1]]))


def test_threshold_of_an_even_and_of_a_certain_label():
    refined = T([[0.5, 0.0, 0.5, 0.0], [1.0, 0.0, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25]])
    polarity = T([1, 1, 1, 0])
    found = objective.ambiguity_threshold(refined, T([0, 0, 0]), polarity, 0.7)
    even = 0.7 + 0.3 / (math.log(2) + 1)
    spread = 0.7 + 0.3 / ((math.log(4) + 1) * 0.75)
    assert_close(found, T([even, 0.95, spread]), atol=1e-5, rtol=1e-5)


def test_mass_on_the_other_polarity_raises_the_threshold():
    refined = T([[0.5, 0.5], [0.5, 0.5]])
    split, alike = (
        objective.ambiguity_threshold(refined, T([0, 0]), T(polarity), 0.5)
        for polarity in ([0, 1], [1, 1])
    )
    assert (split > alike).all()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1000),
    sharpness=st.floats(0.01, 50),
    base=st.floats(0.01, 0.95),
)
def test_threshold_lies_between_base_and_cap(seed, sharpness, base):
    refined = (torch.log(rows(5, 8, seed)) * sharpness).softmax(dim=1)
    polarity = T([1, 0, 1, 1, 0, 1, 0, 0])
    found = objective.ambiguity_threshold(refined, refined.argmax(dim=1), polarity, base)
    assert (found >= base - 1e-6).all()
    assert (found <= objective.THRESHOLD_CAP).all()


# --- graph and losses ----------------------------------------------------------------------------


def test_graph_by_hand():
    refined = T([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])  # products 0.5, 0 and 0.5
    found = objective.similarity_graph(refined, 0.3)
    third = 0.5 / 1.5
    expected = [[2 / 3, third, 0], [0.25, 0.5, 0.25], [0, third, 2 / 3]]
    assert_close(found, T(expected))
    assert_close(objective.similarity_graph(refined, 0.5), torch.eye(3))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), floor=st.floats(0, 0.99))
def test_graph_rows_sum_to_one(seed, floor):
    found = objective.similarity_graph(rows(6, 8, seed), floor)
    assert_close(found.sum(dim=1), torch.ones(6))
    assert (found.diagonal() > 0).all()


def test_contrastive_loss_by_hand():
    strong0, strong1 = torch.eye(2), torch.eye(2)
    graph = T([[0.75, 0.25], [0.0, 1.0]])
    log_self = 5 - math.log(math.exp(5) + 1)
    log_other = -math.log(math.exp(5) + 1)
    first = 0.75 * (math.log(0.75) - log_self) + 0.25 * (math.log(0.25) - log_other)
    found = objective.contrastive_loss(strong0, strong1, graph, 0.2)
    assert found.item() == pytest.approx((first - log_self) / 2, rel=1e-5)


def test_contrastive_loss_is_zero_where_the_views_agree_with_the_graph():
    features = torch.nn.functional.normalize(torch.randn(4, 3), dim=1)
    graph = torch.softmax(features @ features.T / 0.2, dim=1)
    assert objective.contrastive_loss(features, features, graph, 0.2).item() == pytest.approx(
        0, abs=1e-6
    )


def test_pseudo_label_loss_divides_by_all_images():
    logits = T([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    found = objective.pseudo_label_loss(logits, T([0, 1, 1]), T([True, False, False]))
    assert found.item() == pytest.approx(math.log(1 + math.exp(-1)) / 3)


def test_distribution_loss_as_divergence_and_as_cross_entropy():
    logits, refined = torch.zeros(2, 2), T([[0.75, 0.25], [0.5, 0.5]])
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    mask = T([True, False])
    divergence = objective.distribution_loss(logits, refined, mask, False)
    cross_entropy = objective.distribution_loss(logits, refined, mask, True)
    assert divergence.item() == pytest.approx((math.log(2) - entropy) / 2)
    assert cross_entropy.item() == pytest.approx(math.log(2) / 2)


def test_nothing_kept_gives_no_loss_and_no_gradient():
    logits = torch.randn(3, 4, requires_grad=True)
    none = torch.zeros(3, dtype=torch.bool)
    loss = objective.pseudo_label_loss(logits, T([0, 1, 2]), none)
    loss = loss + objective.distribution_loss(logits, rows(3, 4), none, False)
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()
