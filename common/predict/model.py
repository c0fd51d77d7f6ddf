"""A checkpoint of any package as a model: its network, what it is shown, what it answers."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from common.cli import UserError
from common.data.images import DECODE_ERRORS, decode
from common.data.views import Preprocessing
from common.engine import checkpoint

ROOT = Path(__file__).resolve().parents[2]
SPEAKER = "prediction"
"""A package that has a module of this name says in it what its checkpoints answer."""
PREFIXES = ("model.",)


def papers() -> tuple[str, ...]:
    """The packages beside this one whose checkpoints can be asked."""
    folders = [f for f in ROOT.iterdir() if (f / f"{SPEAKER}.py").is_file()]
    return tuple(sorted(folder.name for folder in folders))


def speaker(paper: str) -> ModuleType:
    """The module in which a package says what its checkpoints answer.

    Raises:
        UserError: there is no such package.
    """
    if paper not in papers():  # a name out of a file is compared, never imported as it stands
        raise UserError(f"'{paper}' is not known; known are {', '.join(papers())}.")
    return importlib.import_module(f"{paper}.{SPEAKER}")


class Answers(nn.Module):
    """A network that gives its answers as they are meant.

    Args:
        network: images [n, 3, H, W] -> what `module` takes apart.
        module: see :func:`speaker`.
        kind: ``softmax`` or ``sigmoid`` of the logits; None where there are none.

    Attributes:
        names: of what it gives, in order: ``probabilities`` [n, C], ``valence_arousal`` [n, 2].
    """

    def __init__(self, network: nn.Module, module: ModuleType, meanings: dict):
        super().__init__()
        self.network, self._outputs = network, module.outputs
        self.kind = meanings.get("probabilities")
        kept = {"probabilities": self.kind, "valence_arousal": meanings.get("valence_arousal")}
        self.names = tuple(name for name, meaning in kept.items() if meaning)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Normalised images [n, 3, H, W] -> a tensor for every name."""
        given = self._outputs(self.network(images))
        if self.kind:
            logits = given["logits"].float()
            chances = logits.sigmoid() if self.kind == "sigmoid" else logits.softmax(dim=1)
            given["probabilities"] = chances
        return tuple(given[name].float() for name in self.names)


@dataclass(frozen=True)
class Model:
    """A checkpoint that can be asked.

    Attributes:
        network: normalised images [n, 3, H, W] -> a tuple in the order of ``network.names``.
        preprocessing: how photographs are shown to it.
        classes: in the order of the probabilities; empty for valence and arousal alone.
        scale: lowest and highest valence and arousal; None where there are none.
        record: what the checkpoint says of itself.
        path: the file.
        device: where `network` is.
    """

    network: Answers
    preprocessing: Preprocessing
    classes: tuple[str, ...]
    scale: tuple[float, float] | None
    record: dict
    path: Path
    device: torch.device

    @property
    def transform(self):
        """From an RGB Pillow image to what `network` is shown, float32 [3, side, side]."""
        return self.preprocessing.transform()

    def open(self, path: str | Path) -> Tensor:
        """A file as `network` is shown it.

        Raises:
            DECODE_ERRORS: it cannot be decoded.
        """
        return self.transform(decode(path, upright=self.preprocessing.upright))

    @torch.inference_mode()
    def answer(self, images: Tensor) -> dict[str, Tensor]:
        """Normalised images [n, 3, H, W] -> what the network gives, by name, on the CPU."""
        given = self.network(images.to(self.device))
        return {n: v.cpu() for n, v in zip(self.network.names, given, strict=True)}

    def __call__(self, images: Iterable[str | Path]) -> list[dict[str, Any]]:
        """One answer an image, see :func:`told`; for more than a few see :mod:`common.predict.run`.

        Raises:
            UserError: an image cannot be read.
        """
        rows = []
        for path in images:
            try:
                image = self.open(path)
            except DECODE_ERRORS as error:
                raise UserError(f"the image {path} cannot be read ({error}).") from None
            (row,) = told(self, self.answer(image[None]))
            rows.append({"path": str(path), **row})
        return rows


def told(model: Model, answers: dict[str, Tensor]) -> list[dict[str, Any]]:
    """Answers as names and numbers, one row an image.

    Returns:
        ``class`` (the top one), ``confidence`` (its probability), ``probabilities`` by class,
        ``valence``, ``arousal``: those that the model gives.
    """
    rows: list[dict[str, Any]] = [{} for _ in next(iter(answers.values()))]
    if "probabilities" in answers:
        for row, chances in zip(rows, answers["probabilities"].tolist(), strict=True):
            top = max(range(len(chances)), key=chances.__getitem__)
            row |= {"class": model.classes[top], "confidence": chances[top]}
            row["probabilities"] = dict(zip(model.classes, chances, strict=True))
    if "valence_arousal" in answers:
        for row, (valence, arousal) in zip(rows, answers["valence_arousal"].tolist(), strict=True):
            row |= {"valence": valence, "arousal": arousal}
    return rows


def load(
    path: str | Path,
    paper: str | None = None,
    classes: Sequence[str] | None = None,
    device: str | torch.device = "cpu",
) -> Model:
    """The model of a run folder or a checkpoint.

    Args:
        path: a run folder, or a file of ours or of the authors.
        paper: whose file it is, where it does not say so itself.
        classes: their names in order, where the file does not say them.
        device: where the network goes.

    Raises:
        UserError: no checkpoint, one that says nothing of itself, or one that contradicts what is
            said of it.
    """
    file = find(Path(path), paper)
    state = checkpoint.load(file)
    record = checkpoint.record_of(file, state)
    module = _whose(file, record, paper)
    weights = weights_of(state, module)
    if record is None:
        record = _published(file, module, weights)
    names = _classes(file, record, classes)
    try:
        about, meanings = record["network"], record["outputs"]
        shown = Preprocessing(**record["preprocessing"])
        network = module.network(about, len(names), weights)
        _fill(network, weights, file)
        scale = meanings.get("valence_arousal")
        answers = Answers(network, module, meanings).to(device).eval()
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{file} says of itself what cannot be ({type(error).__name__}: {error}); its record "
            "is damaged. Use another copy."
        ) from None
    kept = {**record, "classes": list(names)}
    low_high = None if scale is None else (float(scale[0]), float(scale[1]))
    return Model(answers, shown, names, low_high, kept, file, torch.device(device))


def find(path: Path, paper: str | None = None) -> Path:
    """The checkpoint of a run folder, or the file itself.

    Args:
        paper: whose file it is, where it does not say so itself.

    Raises:
        UserError: there is none, or several.
    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise UserError(f"there is no run folder or checkpoint at {path}.")
    told: dict[Path, object] = {}
    for name in (paper,) if paper else papers():
        for pattern in speaker(name).FILES:
            fits = []
            for file in _matching(path, pattern):
                if file not in told and not paper:
                    told[file] = (_record(file) or {}).get("paper")
                fits += [file] if paper or told[file] == name else []
            if len(fits) > 1:
                raise UserError(
                    f"{path} holds {len(fits)} checkpoints, {fits[0].name} and {fits[1].name} "
                    "among them; give the file that is meant."
                )
            if fits:
                return fits[0]
    raise UserError(
        f"no checkpoint in {path} says what it is; give the file itself, and --as with the paper's "
        "name for a file of the authors."
    )


def _record(file: Path) -> dict | None:
    own = checkpoint.record_of(file, {})
    return own or checkpoint.record_of(file, checkpoint.load(file))


def _matching(folder: Path, pattern: str) -> list[Path]:
    name = pattern.format(name=folder.resolve().name)
    if name.startswith("../"):
        file = Path(os.path.normpath(folder.resolve() / name))
        return [file] if file.is_file() else []
    return sorted(file for file in folder.glob(name) if file.is_file())


def _whose(file: Path, record: dict | None, paper: str | None) -> ModuleType:
    told_by_file = (record or {}).get("paper")
    if told_by_file is None and paper is None:
        raise UserError(
            f"{file} does not say what it is, as the authors' files do not; give --as with one of "
            f"{', '.join(papers())}, and --classes with the names in order."
        )
    if told_by_file and paper and told_by_file != paper:
        raise UserError(f"{file} is a checkpoint of {told_by_file}, but --as says {paper}.")
    return speaker(str(told_by_file or paper))


def weights_of(state: dict, module: ModuleType) -> dict[str, Tensor]:
    """The weights that a package is judged by, by their names in its network.

    Of a run's exact state these are its average, or the teacher, over what else the network has.
    """
    if "identity" in state:
        held = state["method"] | (_tensors(state.get("ema") or {}))
        for prefix in getattr(module, "PREFIXES", PREFIXES):
            own = {k.removeprefix(prefix): v for k, v in held.items() if k.startswith(prefix)}
            if own:
                return own
    part = next((state[name] for name in module.PARTS if isinstance(state.get(name), dict)), state)
    rename = getattr(module, "rename", str)
    return {rename(k.removeprefix("module.")): v for k, v in _tensors(part).items()}


def _tensors(values: dict) -> dict[str, Tensor]:
    return {k: v for k, v in values.items() if isinstance(k, str) and isinstance(v, Tensor)}


def _published(file: Path, module: ModuleType, weights: dict[str, Tensor]) -> dict:
    record = module.published(weights)
    if record is None:
        raise UserError(
            f"{file} has not the tensors of {module.__package__}'s network (it has "
            f"{', '.join(list(weights)[:3]) or 'none'}, …); give the right --as."
        )
    named = getattr(module, "published_classes", lambda _: ())(file.name)
    return {"classes": list(named)} | record


def _classes(file: Path, record: dict, given: Sequence[str] | None) -> tuple[str, ...]:
    held, number = tuple(map(str, record.get("classes") or ())), record.get("number")
    number = len(held) if number is None else number  # an authors' file may not name them
    if given is not None and len(given) != number:
        raise UserError(
            f"--classes names {len(given)} classes, but {file} has {number}; give as many, in "
            "order."
        )
    if given is not None and "number" not in record and tuple(given) != held:
        raise UserError(f"--classes says {', '.join(given)}, but {file} {', '.join(held)}.")
    if given is None and len(held) != number:
        raise UserError(
            f"{file} has {number} classes and does not name them; give --classes with their names "
            "in order, separated by commas."
        )
    return held if given is None else tuple(given)


def _fill(network: nn.Module, weights: dict[str, Tensor], file: Path) -> None:
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise UserError(
            f"{file} does not fit what it says of itself ({str(error).splitlines()[-1].strip()}); "
            "record and weights are of different runs, or --as names another paper."
        ) from None
