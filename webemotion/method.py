"""The training steps: image network, frozen text side, one of the objectives."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from common.engine.method import Batches, Method, Progress, StepOutput
from common.flags import setting
from webemotion import objective
from webemotion.metrics import hit_accuracy
from webemotion.text_side import TextOutputs


@dataclass(frozen=True)
class Settings:
    """What the objectives are weighed by; the switches are off in the published code.

    Attributes:
        alpha: of the embedding loss.
        beta: of the third branch's loss.
    """

    alpha: float = 1.0
    beta: float = 1.0
    weigh_joint: bool = setting(False, "joint scripts: the embedding loss counts alpha times")
    softmax_attention: bool = setting(False, "self-attention: weights of a sentence sum to one")
    mask_padding: bool = setting(False, "self-attention: words that pad a sentence take no part")
    renormalise: bool = setting(
        False, "distillation: the text prediction sums to one after its threshold"
    )
    freeze_norms: bool = setting(False, "frozen networks: batch norms stay as they are")


class EmotionMethod(Method):
    """Soft cross-entropy on class targets; the other objectives build on it.

    Args:
        model: images [n, 3, H, W] -> a tuple of outputs, the class logits first.
        settings: weights and switches.
        text: frozen text side: tokens -> :class:`TextOutputs`; None where there is none.
        head: the joint scripts' text head, sentence embedding -> (logits, projection).

    Attributes:
        seen: when the last step began, and how many images it had.
    """

    stream_names = ("train",)

    def __init__(
        self,
        model: nn.Module,
        settings: Settings | None = None,
        text: nn.Module | None = None,
        head: nn.Module | None = None,
    ):
        super().__init__()
        self.model, self.text, self.head = model, text, head
        self.settings = settings or Settings()

    def train(self, mode: bool = True) -> EmotionMethod:
        """Train mode also where the trunk is frozen, so that its batch norms go on counting."""
        super().train(mode)
        if self.settings.freeze_norms:
            for module in self.model.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def training_step(self, batches: Batches, progress: Progress) -> StepOutput:
        """One forward of the images, the sentences where there are any, :meth:`losses`."""
        batch = batches["train"]
        self.seen = time.perf_counter(), len(batch["image"])
        outputs = self.model(batch["image"])
        with torch.autocast(batch["image"].device.type, enabled=False):
            outputs = tuple(output.float() for output in outputs)
            result = self.losses(outputs, batch, self.read(batch))
        result.logs.update(self.accuracy(outputs[0].detach(), batch["target"]))
        if "unreadable" in batch:
            result.logs["unreadable"] = batch["unreadable"]
        return result

    def read(self, batch: dict[str, Tensor]) -> TextOutputs:
        """What the text side says of a batch; ``text_embedding`` comes with the images."""
        said = self.text(batch["tokens"]) if self.text is not None else TextOutputs()
        if "text_embedding" in batch:
            return TextOutputs(batch["text_embedding"], said.logits, said.words)
        return said

    def losses(self, outputs: tuple[Tensor, ...], batch: dict, text: TextOutputs) -> StepOutput:
        """The objective: outputs of the network, ``target`` of the batch and the text side."""
        return StepOutput(objective.soft_cross_entropy(outputs[0], batch["target"]))

    def accuracy(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """What is logged of the predictions, in 0..1."""
        return {"hits": hit_accuracy(logits, target)}

    def predict(self, images: Tensor) -> Tensor:
        """Class logits [n, C] of images [n, 3, H, W]."""
        return self.model(images)[0]

    def _sum(self, **parts: tuple[float | None, Tensor]) -> StepOutput:
        """Weighted sum of named losses; the parts, and those without a weight, are logged."""
        loss = sum(weight * value for weight, value in parts.values() if weight is not None)
        return StepOutput(loss, {name: value for name, (_, value) in parts.items()})


class SingleLabel(EmotionMethod):
    """Cross-entropy on one class an image; −1 is ignored."""

    def losses(self, outputs, batch, text) -> StepOutput:
        """See :func:`objective.single_label_loss`."""
        return StepOutput(objective.single_label_loss(outputs[0], batch["target"]))

    def accuracy(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Ignored rows count as wrong."""
        return {"top1": (logits.argmax(dim=1) == target).double().mean()}


class Cosine(EmotionMethod):
    """Classes, and the projection near the text's embedding."""

    def losses(self, outputs, batch, text) -> StepOutput:
        """loss_cls + alpha · loss_ebd."""
        return self._sum(
            loss_cls=(1, objective.soft_cross_entropy(outputs[0], batch["target"])),
            loss_ebd=(self.settings.alpha, objective.embedding_loss(outputs[1], text.embedding)),
        )


class OneBranch(EmotionMethod):
    """The projection near the text's embedding; the classes are reported and not learnt."""

    def losses(self, outputs, batch, text) -> StepOutput:
        """loss_ebd alone."""
        classes = objective.soft_cross_entropy(outputs[0].detach(), batch["target"])
        return self._sum(
            loss_cls=(None, classes),
            loss_ebd=(1, objective.embedding_loss(outputs[1], text.embedding)),
        )


class SelfAttention(EmotionMethod):
    """Classes, and the projection near the words that it attends to."""

    def losses(self, outputs, batch, text) -> StepOutput:
        """loss_cls + alpha · loss_ebd, the gradient through the weights included."""
        s = self.settings
        mask = batch["tokens"] != self.text.padding if s.mask_padding else None
        weights, attended = objective.attended_words(
            text.words, outputs[1], mask, s.softmax_attention
        )
        result = self._sum(
            loss_cls=(1, objective.soft_cross_entropy(outputs[0], batch["target"])),
            loss_ebd=(s.alpha, objective.embedding_loss(outputs[1], attended)),
        )
        result.details = {"x_weights": weights, "x_weighted_global": attended}
        return result


class Joint(EmotionMethod):
    """Images and sentences in one space; the text head learns the image's own target."""

    def text_target(self, batch: dict, text: TextOutputs) -> Tensor:
        """What the text head should predict, [n, text classes]."""
        return batch["target"]

    def losses(self, outputs, batch, text) -> StepOutput:
        """loss_cls + loss_text_cls + loss_ebd; alpha is not read unless asked for."""
        text_cls, text_proj = self.head(text.embedding)
        target = self.text_target(batch, text)
        weight = self.settings.alpha if self.settings.weigh_joint else 1
        result = self._sum(
            loss_cls=(1, objective.soft_cross_entropy(outputs[0], batch["target"])),
            loss_text_cls=(1, objective.soft_cross_entropy(text_cls, target)),
            loss_ebd=(weight, objective.embedding_loss(outputs[1], text_proj)),
        )
        result.details = {"text_cls": text_cls, "text_proj": text_proj, "text_target": target}
        return result


class JointExperiment(Joint):
    """As :class:`Joint`, the text head learns the text model's own softmax."""

    def text_target(self, batch: dict, text: TextOutputs) -> Tensor:
        """Softmax of the text model's logits."""
        return text.logits.softmax(dim=1)


class Distillation(EmotionMethod):
    """Classes from labels mixed with the text model's prediction; and, of a network that projects,
    the projection near the average word vector."""

    def losses(self, outputs, batch, text) -> StepOutput:
        """Soft cross-entropy against :func:`objective.mixed_target`, and alpha · loss_ebd."""
        s = self.settings
        prediction, target = objective.mixed_target(text.logits, batch["target"], s.renormalise)
        parts = {"loss_cls": (1, objective.soft_cross_entropy(outputs[0], target))}
        if len(outputs) > 1:
            parts["loss_ebd"] = (s.alpha, objective.embedding_loss(outputs[1], text.embedding))
        result = self._sum(**parts)
        result.details = {"text_cls": prediction, "new_target": target}
        return result


class ThreeBranch(EmotionMethod):
    """Classes, the text's embedding, and the text model's basic emotions."""

    def losses(self, outputs, batch, text) -> StepOutput:
        """loss_cls + alpha · loss_ebd + beta · loss_cls_aux."""
        s = self.settings
        aux, prediction = objective.basic_emotion_loss(outputs[2], text.logits)
        result = self._sum(
            loss_cls=(1, objective.soft_cross_entropy(outputs[0], batch["target"])),
            loss_ebd=(s.alpha, objective.embedding_loss(outputs[1], text.embedding)),
            loss_cls_aux=(s.beta, aux),
        )
        result.details = {"text_cls": prediction}
        return result


METHODS: dict[str, type[EmotionMethod]] = {
    "soft": EmotionMethod,
    "single": SingleLabel,
    "cosine": Cosine,
    "one_branch": OneBranch,
    "attention": SelfAttention,
    "joint": Joint,
    "joint_exp": JointExperiment,
    "distill": Distillation,
    "soft_ne": Distillation,
    "three_branch": ThreeBranch,
}
"""``method`` of a script -> class."""
