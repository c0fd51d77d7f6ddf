import pytest
import torch
from torch import nn

from common.nn.ema import ParameterEMA, StateEMA


def network():
    """One trainable weight, one frozen one, and batch-norm statistics."""
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1), nn.Linear(1, 1))
    model[2].requires_grad_(False)
    model[0].weight.data.fill_(1.0)
    return model


def test_average_moves_by_the_rest_of_the_decay():
    model = network()
    ema = ParameterEMA(model, 0.9)
    model[0].weight.data.fill_(2.0)
    ema.update(model)
    assert ema.shadow["0.weight"].item() == pytest.approx(0.9 * 1 + 0.1 * 2)
    ema.update(model)
    assert ema.shadow["0.weight"].item() == pytest.approx(0.9 * 1.1 + 0.1 * 2)


@pytest.mark.parametrize(("decay", "kept"), [(0.0, 2.0), (1.0, 1.0)])
def test_extreme_decays(decay, kept):
    model = network()
    ema = ParameterEMA(model, decay)
    model[0].weight.data.fill_(2.0)
    ema.update(model)
    assert ema.shadow["0.weight"].item() == kept


def test_applied_swaps_parameters_and_keeps_live_statistics():
    model = network()
    ema = ParameterEMA(model, 0.9)
    model[0].weight.data.fill_(2.0)
    model[1].running_mean.fill_(5.0)
    model[2].weight.data.fill_(7.0)
    with ema.applied(model):
        assert model[0].weight.item() == 1.0
        assert model[1].running_mean.item() == 5.0
        assert model[2].weight.item() == 7.0
    assert model[0].weight.item() == 2.0


def test_live_values_come_back_after_an_error():
    model = network()
    ema = ParameterEMA(model, 0.9)
    model[0].weight.data.fill_(2.0)
    with pytest.raises(ZeroDivisionError), ema.applied(model):
        _ = 1 / 0
    assert model[0].weight.item() == 2.0


def test_restart_forgets_the_past():
    model = network()
    ema = ParameterEMA(model, 0.9)
    model[0].weight.data.fill_(2.0)
    ema.restart(model)
    assert ema.shadow["0.weight"].item() == 2.0
    model[0].weight.data.fill_(3.0)
    assert ema.shadow["0.weight"].item() == 2.0  # a copy, not the parameter itself


def test_saved_average_is_restored_and_must_fit():
    model = network()
    ema = ParameterEMA(model, 0.9)
    saved = {name: value.clone() for name, value in ema.state_dict().items()}
    model[0].weight.data.fill_(2.0)
    ema.update(model)
    ema.load_state_dict(saved)
    assert torch.equal(ema.shadow["0.weight"], saved["0.weight"])
    with pytest.raises(KeyError, match="other tensors"):
        ema.load_state_dict({"0.weight": saved["0.weight"]})


def test_overwrite_passes_over_what_has_no_average():
    ema = ParameterEMA(network(), 0.9)
    values = {name: torch.full_like(v, 4.0) for name, v in ema.shadow.items()}
    ema.overwrite({**values, "1.running_mean": torch.ones(1)})
    assert all((v == 4).all() for v in ema.shadow.values())
    assert "1.running_mean" not in ema.shadow


def test_state_average_covers_statistics_and_shrinks_the_live_state():
    model = network()
    ema = StateEMA(model, 0.5, shrink=0.1)
    model[0].weight.data.fill_(2.0)
    model[1].running_mean.fill_(4.0)
    model[1].num_batches_tracked.fill_(7)
    ema.update(model)
    assert ema.shadow["0.weight"].item() == pytest.approx(1.5)
    assert ema.shadow["1.running_mean"].item() == pytest.approx(2.0)
    assert ema.shadow["1.num_batches_tracked"].item() == 0
    assert model[0].weight.item() == pytest.approx(1.8)
    assert model[1].running_mean.item() == pytest.approx(3.6)
    with ema.applied(model):
        assert model[1].running_mean.item() == pytest.approx(2.0)
    assert model[1].running_mean.item() == pytest.approx(3.6)
    assert model[1].num_batches_tracked.item() == 7


def test_state_average_can_spare_buffers_and_start_elsewhere():
    model = network()
    start = {name: torch.full_like(v, 3) for name, v in model.state_dict().items()}
    ema = StateEMA(model, 0.5, prefix="1.", shrink=0.5, spare_buffers=True, start=start)
    assert set(ema.state_dict()) == {name for name in start if name.startswith("1.")}
    assert model[0].weight.item() == 1.0
    ema.update(model)
    assert model[1].weight.item() == pytest.approx(1.5)
    assert model[1].running_var.item() == pytest.approx(3.0)
    with pytest.raises(KeyError, match="other tensors"):
        ema.load_state_dict({"1.weight": torch.ones(1)})
