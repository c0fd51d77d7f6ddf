"""How far a classifier's confidence is from its accuracy."""

from __future__ import annotations

from torch import Tensor
from torchmetrics.functional.classification import multiclass_calibration_error

ECE_BINS = 15


def expected_calibration_error(logits: Tensor, labels: Tensor, bins: int = ECE_BINS) -> float:
    """Expected calibration error: Σ_b n_b/n · |accuracy_b − confidence_b|.

    Confidence is the largest softmax probability; the bins are `bins` intervals of equal width
    over [0, 1] (Guo et al. 2017), and an empty bin counts nothing.

    Args:
        logits: [n, C] floating, before softmax.
        labels: [n] integer, 0 to C − 1.
        bins: number of bins.

    Returns:
        A fraction in 0..1.

    Raises:
        ValueError: there are no samples.
    """
    if logits.ndim != 2 or len(logits) == 0:
        raise ValueError(f"Calibration needs logits [n, C], n > 0; found {list(logits.shape)}.")
    # Probabilities, not logits: torchmetrics decides by their range whether to apply a softmax.
    probabilities = logits.detach().float().softmax(dim=1)
    return float(
        multiclass_calibration_error(
            probabilities, labels, num_classes=logits.shape[1], n_bins=bins, norm="l1"
        )
    )
