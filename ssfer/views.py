"""How faces are seen: the random crops of training, weak and strong, and the test view."""

from __future__ import annotations

from collections.abc import Callable

import torch
from PIL import Image
from timm.data import auto_augment, create_transform
from torch import Tensor
from torchvision import transforms
from torchvision.transforms import v2

MEAN, STD = (0.588, 0.459, 0.402), (0.228, 0.202, 0.190)
SCALE = (0.2, 1.0)
RAND_AUGMENT = "rand-m9-mstd0.5-inc1"

View = Callable[[Image.Image], Tensor]


def _to_tensor() -> list[Callable]:
    """The end of every view: float32 [3, h, w] with the mean and deviation of the faces.

    The classic transforms, which round as the published ones do.
    """
    return [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]


def crop_view(size: int = 224) -> View:
    """A random part of 20 to 100% of the image, bicubic, and a random flip.

    The view of pre-training, of the labelled images of the semi-supervised stage and the weak view
    of its unlabelled ones. Draws from torch's global generator: area, aspect, top, left, flip.
    """
    crop = v2.RandomResizedCrop(size, SCALE, interpolation=v2.InterpolationMode.BICUBIC)
    return v2.Compose([crop, v2.RandomHorizontalFlip(), *_to_tensor()])


def supervised_view(size: int = 224) -> View:
    """timm's training transform without augmentation: its crop, bicubic, and a random flip.

    Draws from Python's generator (area, aspect, top, left), then from torch's (flip).
    """
    return _timm_view(size, None)


def strong_view(size: int = 224) -> View:
    """The crop and flip of :func:`supervised_view`, then two operations of RandAugment.

    RandAugment draws from NumPy's generator (which operations) and from Python's (all else).
    """
    view = _timm_view(size, RAND_AUGMENT)
    augment = next(t for t in view.transforms if isinstance(t, auto_augment.RandAugment))
    for operation in augment.ops:
        if operation.aug_fn is auto_augment.posterize:
            operation.aug_fn = _posterize
    return view


def _posterize(image: Image.Image, bits: int, **options) -> Image.Image:
    """timm's, which may ask for 0 bits: some versions of Pillow give black, others refuse."""
    if bits == 0:
        return Image.new(image.mode, image.size)
    return auto_augment.posterize(image, bits, **options)


def _timm_view(size: int, policy: str | None) -> View:
    return create_transform(
        input_size=size,
        is_training=True,
        color_jitter=None,
        auto_augment=policy,
        interpolation="bicubic",
        scale=SCALE,
        re_prob=0.0,
        mean=MEAN,
        std=STD,
    )


def eval_view(size: int = 224) -> View:
    """Short side to `size`, bilinear; no crop, so that an oblong image stays oblong."""
    return v2.Compose([v2.Resize(size), *_to_tensor()])


def frame_view(size: int = 224) -> View:
    """The whole image, scaled without regard to its aspect."""
    return v2.Compose([v2.Resize((size, size)), *_to_tensor()])


def square_eval_view(size: int = 224) -> View:
    """:func:`eval_view` of the middle square, for batches of images of any shape."""
    return v2.Compose([v2.Resize(size), v2.CenterCrop(size), *_to_tensor()])


def to_pixels(images: Tensor) -> Tensor:
    """Undo the normalisation: [n, 3, h, w] in 0..1, clipped."""
    mean, std = (torch.tensor(v, device=images.device).view(3, 1, 1) for v in (MEAN, STD))
    return (images.float() * std + mean).clamp(0, 1)
