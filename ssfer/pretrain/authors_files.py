"""The files of a pre-training: the authors' checkpoints and loss curve, and our pictures."""

from __future__ import annotations

import logging
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torch import Tensor
from torchvision.transforms.functional import to_pil_image
from torchvision.utils import make_grid
from tqdm import tqdm

from common.cli import UserError
from common.engine import checkpoint
from common.engine.checkpoint import AuthorsCheckpoint
from common.engine.run_folder import CONFIG, ENVIRONMENT, LAST, METRICS, PREVIOUS, SUMMARY
from common.engine.trainer import Callback, Trainer
from common.files import replacing
from ssfer.views import to_pixels

log = logging.getLogger(__name__)

KEYS = ("model", "optimizer", "epoch", "lr_scheduler_state_dict")
WRAPPER = "module."
LOG = "log.txt"
PUBLISHED_FOLDER = Path("output_dir")
PICTURE_SEED = 0
CURVE_DPI = 800


def own_files(name: str) -> tuple[str, ...]:
    """Patterns of the files of a run, in a folder where others may lie too."""
    ours = (CONFIG, ENVIRONMENT, METRICS, SUMMARY, LAST, PREVIOUS, LOG)
    authors = (f"{name}_*.pth", "reconstruction_*.png", "events.out.tfevents.*")
    return (*ours, *authors)


class AuthorsFiles(Callback):
    """Prints the published lines, writes the checkpoints and, at the end, draws the loss.

    Args:
        name: checkpoints are called ``<name>_<epoch>.pth``.
        every: epochs between them; the last epoch has one too.
        published: they go to ``./output_dir`` as published, and the last epoch is like any other.
    """

    def __init__(self, name: str, every: int, published: bool = False):
        self.name, self.every, self.published = name, every, published

    def on_epoch_end(self, trainer: Trainer, row: dict) -> None:
        """Tell the epoch and write the checkpoint, if it is time and this process writes."""
        if not trainer.run:
            return
        epoch, rate = row["epoch"], trainer.optimizer.param_groups[0]["lr"]
        line = "=" * 26
        tqdm.write(f"{line} epoch:{epoch}/{trainer.recipe.epochs} {line}")
        tqdm.write(f"loss: {row['train']['loss']}   lr: {rate}")
        if epoch % self.every == 0 or (trainer.finished and not self.published):
            folder = PUBLISHED_FOLDER if self.published else trainer.run.path
            folder.mkdir(parents=True, exist_ok=True)
            checkpoint.save(authors_state(trainer, epoch), folder / f"{self.name}_{epoch}.pth")

    def on_fit_end(self, trainer: Trainer) -> None:
        """Draw the mean loss of every epoch, in the working folder under one name for all sizes."""
        if trainer.run and trainer.finished:
            losses = [row["train"]["loss"] for row in trainer.history]
            draw_curve(losses, Path(f"vit_base_loss_{trainer.recipe.epochs}.png"))


def authors_state(trainer: Trainer, epoch: int) -> dict:
    """The four keys of a published checkpoint; the model's names are those without a wrapper."""
    values = (
        trainer.method.model.state_dict(),
        trainer.optimizer.state_dict(),
        epoch,
        trainer.scheduler.state_dict(),
    )
    return dict(zip(KEYS, values, strict=True))


def draw_curve(losses: list[float], path: Path) -> None:
    """The training loss over the epochs as a PNG."""
    figure, axes = plt.subplots()
    axes.plot(range(1, len(losses) + 1), losses, label="Train Loss")
    axes.set(xlabel="Epoch", ylabel="Value")
    axes.legend()
    with replacing(path) as part:
        figure.savefig(part, dpi=CURVE_DPI, format="png")
    plt.close(figure)


class Pictures(Callback):
    """Writes ``reconstruction_<epoch>.png``: a column an image; input, masked, output below it.

    The same patches are hidden every time, and the training's random numbers are left alone.

    Args:
        images: normalised, [n, 3, h, h].
        every: epochs between pictures.
    """

    def __init__(self, images: Tensor, every: int):
        self.images, self.every = images, every

    def on_epoch_end(self, trainer: Trainer, row: dict) -> None:
        """Draw, if it is time and this process writes."""
        if not trainer.run or (row["epoch"] % self.every and not trainer.finished):
            return
        method, images = trainer.method, self.images.to(trainer.device)
        patches = method.model.patch_embed.num_patches
        generator = torch.Generator().manual_seed(PICTURE_SEED)
        noise = torch.rand(len(images), patches, generator=generator)
        method.eval()
        masked, painted = method.reconstruct(images, noise.to(trainer.device))
        method.train()
        rows = torch.cat([to_pixels(part) for part in (images, masked, painted)]).cpu()
        picture = to_pil_image(make_grid(rows, nrow=len(images)))
        path = trainer.run.path / f"reconstruction_{row['epoch']}.png"
        with replacing(path) as part:
            picture.save(part, format="PNG")


def load(trainer: Trainer, state: dict, path: Path) -> None:
    """Restore network, optimiser, schedule and epoch from one of the authors' files.

    What is drawn differs, and gradients that were waiting are lost.

    Raises:
        UserError: the file is of another model, or of the last epoch.
    """
    epoch = int(state["epoch"])
    if epoch >= trainer.recipe.epochs:
        raise UserError(f"{path} is after epoch {epoch}, the last one; give more --epochs.")
    weights = {name.removeprefix(WRAPPER): value for name, value in state["model"].items()}
    trainer.method.model.load_state_dict(weights)
    trainer.optimizer.load_state_dict(state["optimizer"])
    trainer.scheduler.load_state_dict(state["lr_scheduler_state_dict"])
    trainer.progress.epoch = epoch
    log.warning(
        "%s holds network, optimiser, schedule and epoch alone: what is drawn differs from a "
        "run that never stopped, and the loss curve starts here. Resume from %s for an exact "
        "continuation.",
        path,
        LAST,
    )


CHECKPOINT = AuthorsCheckpoint(
    f"checkpoint with the keys {', '.join(KEYS)}", frozenset(KEYS), load, "--model and --input_size"
)
