"""Pre-training by painting hidden patches: optimiser, schedule and step."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from common.engine.method import Batches, Method, Progress, StepOutput
from ssfer.pretrain.mae import MaskedAutoencoder, patchify, unpatchify

BETAS = (0.9, 0.95)


def rate_factor(epoch: int, warmup_epochs: int, epochs: int) -> float:
    """Multiplier of the rate during `epoch`, from 0: the lower of two curves.

    A line that reaches 1 after `warmup_epochs`, and a cosine over all epochs. They are not one
    after the other, so with a long warm-up the rate never reaches its full value.
    """
    line = (epoch + 1) / (warmup_epochs + 1e-8)
    return min(line, 0.5 * (math.cos(math.pi * epoch / epochs) + 1))


def build_optimizer(
    model: nn.Module, lr: float, weight_decay: float, warmup_epochs: int, epochs: int
) -> tuple[torch.optim.AdamW, LambdaLR]:
    """AdamW over all parameters, and a schedule that moves once an epoch."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=weight_decay, betas=BETAS)
    return optimizer, LambdaLR(optimizer, lambda e: rate_factor(e, warmup_epochs, epochs))


class MaskedPretraining(Method):
    """Hide most patches of every face and predict them.

    Args:
        model: the masked autoencoder.
        mask_ratio: share of the patches that is hidden.
    """

    stream_names = ("faces",)

    def __init__(self, model: MaskedAutoencoder, mask_ratio: float = 0.75):
        super().__init__()
        self.model, self.mask_ratio = model, mask_ratio

    def training_step(self, batches: Batches, progress: Progress) -> StepOutput:
        """The reconstruction loss; details: the mask [n, L]."""
        loss, _, mask = self.model(batches["faces"]["image"], self.mask_ratio)
        return StepOutput(loss, details={"mask": mask})

    @torch.no_grad()
    def reconstruct(self, images: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """What the network sees of images, and what it makes of it.

        Args:
            images: normalised, [n, 3, h, h].
            noise: which patches are hidden, [n, L]; see :func:`ssfer.pretrain.mae.random_masking`.

        Returns:
            (masked, painted), [n, 3, h, h] each: hidden patches are the mean colour in the first
            and the prediction in the second.
        """
        size = self.model.patch_size
        _, prediction, mask = self.model(images, self.mask_ratio, noise)
        patches, hidden = patchify(images, size), mask[..., None]
        prediction = prediction.float()
        if self.model.norm_pix_loss:
            prediction = _restored(prediction, patches)
        visible = patches * (1 - hidden)
        return unpatchify(visible, size), unpatchify(visible + prediction * hidden, size)


def _restored(prediction: Tensor, patches: Tensor) -> Tensor:
    """Undo :func:`ssfer.pretrain.mae.normalised_patches` with the true patches' statistics."""
    scale = patches.std(-1, keepdim=True)
    return prediction * scale + patches.mean(-1, keepdim=True)
