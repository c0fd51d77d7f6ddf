"""Everything an exact continuation of a training needs, taken from a trainer and put back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.cli import UserError
from common.engine import checkpoint, distributed
from common.engine.run_folder import LAST

if TYPE_CHECKING:
    from common.engine.trainer import Trainer

FORMAT = 1
OPTIONAL = {"gradients", "other_processes"}


def training_state(trainer: Trainer) -> dict:
    """The state of a training, as plain containers and tensors.

    Gradients are part of it where some are waiting to be used. What differs between processes,
    the generators and the running sums, is there once a process.
    """
    own = {
        "rng": checkpoint.rng_state(),
        "sums": {name: total.cpu() for name, total in trainer.sums.items()},
    }
    first, *others = distributed.gather(own)
    waiting = _waiting_gradients(trainer)
    return {
        "format": FORMAT,
        "identity": trainer.identity,
        "epoch": trainer.progress.epoch,
        "step": trainer.progress.step,
        "rate_used": trainer.rate_used,
        "method": trainer.method.state_dict(),
        "optimizer": trainer.optimizer.state_dict(),
        "scheduler": trainer.scheduler.state_dict() if trainer.scheduler else None,
        "scaler": trainer.scaler.state_dict(),
        "ema": trainer.ema.state_dict() if trainer.ema else None,
        "history": trainer.history,
        "streams": _stream_states(trainer),
        "ended_early": trainer.ended_early and trainer.progress.step == 0,
        "callbacks": _callback_states(trainer),
        **first,
        **({"gradients": waiting} if waiting else {}),
        **({"other_processes": others} if others else {}),
    }


def _waiting_gradients(trainer: Trainer) -> dict:
    if trainer.recipe.accumulate == 1:
        return {}
    named = trainer.method.named_parameters()
    return {name: p.grad.cpu() for name, p in named if p.grad is not None}


def _stream_states(trainer: Trainer) -> dict[str, dict]:
    return {name: stream.state() for name, stream in trainer.streams.items()}


def _callback_states(trainer: Trainer) -> dict[str, dict]:
    states = {type(callback).__name__: callback.state_dict() for callback in trainer.callbacks}
    return {name: state for name, state in states.items() if state}


def restore(trainer: Trainer, state: dict) -> None:
    """Go on, in place, from :func:`training_state`.

    Raises:
        UserError: the checkpoint is of another model or another training.
    """
    if lacking := sorted(training_state(trainer).keys() - OPTIONAL - state.keys()):
        raise UserError(
            f"the checkpoint lacks {', '.join(lacking)}, so it is not one that a training can go "
            f"on from; give a {LAST}."
        )
    _refuse_another_training(trainer, state)
    try:
        trainer.method.load_state_dict(state["method"])
    except RuntimeError as error:
        raise UserError(
            f"the checkpoint is of another model: {str(error).splitlines()[-1].strip()}"
        ) from None
    streams = _stream_states(trainer)
    if streams != state["streams"]:
        raise UserError(
            f"the checkpoint was made with other data: it draws from {state['streams']}, "
            f"this run from {streams}."
        )
    trainer.optimizer.load_state_dict(state["optimizer"])
    if trainer.scheduler:
        trainer.scheduler.load_state_dict(state["scheduler"])
    trainer.scaler.load_state_dict(state["scaler"])
    if trainer.ema:
        trainer.ema.load_state_dict(state["ema"])
    waiting = state.get("gradients", {})
    for name, parameter in trainer.method.named_parameters():
        parameter.grad = waiting[name].to(parameter.device) if name in waiting else None
    trainer.progress.epoch, trainer.progress.step = state["epoch"], state["step"]
    trainer.rate_used, trainer.ended_early = state["rate_used"], state["ended_early"]
    trainer.history = state["history"]
    own = [state, *state.get("other_processes", [])][distributed.rank()]
    trainer.sums = {name: total.to(trainer.device) for name, total in own["sums"].items()}
    for callback in trainer.callbacks:
        if type(callback).__name__ in state["callbacks"]:
            callback.load_state_dict(state["callbacks"][type(callback).__name__], trainer.device)
    checkpoint.set_rng_state(own["rng"])


def _refuse_another_training(trainer: Trainer, state: dict) -> None:
    ours, theirs = trainer.identity, state["identity"]
    differing = sorted(k for k in ours.keys() | theirs.keys() if ours.get(k) != theirs.get(k))
    if differing:
        told = "; ".join(f"{k} was {theirs.get(k)!r} and is now {ours.get(k)!r}" for k in differing)
        raise UserError(
            f"the checkpoint is of another training: {told}. Resume with the flags it was "
            "started with, or start a new run."
        )
