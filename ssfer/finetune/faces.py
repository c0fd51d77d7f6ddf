"""Where the faces are: found in the step, in the mixed batch, as the published code does.

Boxes are in pixels of the image that the detector is shown. Only ratios of areas are used.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import box_convert, nms

from common.cli import UserError
from ssfer.views import to_pixels

FALLBACK = (25, 25, 220, 220)
DETECTORS = ("auto", "file", "yunet", "yolov7-face", "none")
USUAL_FILES = {
    "yolov7-face": "output_dir/yolov7s-face.onnx",
    "yunet": "output_dir/*yunet*.onnx",
}
"""Where ``--detector auto`` looks, in this order; the authors' is output_dir/yolov7s-face.pt."""
NO_DETECTOR = (
    "every image has the fallback box, so every overlap is 1 and FaceMix is mixup without its "
    "second term."
)
CONFIDENCE, OVERLAP = 0.40, 0.5  # the published thresholds of detection and suppression

# Normalised images [B, 3, H, W] -> a float32 [k, 6] an image: x1, y1, x2, y2, confidence, class.
Detector = Callable[[Tensor], list[np.ndarray]]


def nobody(images: Tensor) -> list[np.ndarray]:
    """A detector that finds no face."""
    return [np.empty((0, 6), np.float32)] * len(images)


def box_of(detections: np.ndarray) -> np.ndarray:
    """int64 [4]: the only face's corners rounded half up, or the fallback for none or several.

    Rounding is truncation of v + 0.5 toward zero.

    Args:
        detections: [k, ≥ 4], x1, y1, x2, y2, ….
    """
    if len(detections) != 1:
        return np.array(FALLBACK, dtype=np.int64)
    corners = np.asarray(detections, np.float32)[0, :4]
    return np.trunc(corners + np.float32(0.5)).astype(np.int64)


def boxes_of(detections: list[np.ndarray]) -> Tensor:
    """One box an image, int64 [B, 4]."""
    boxes = [box_of(rows) for rows in detections]
    return torch.from_numpy(np.array(boxes, dtype=np.int64).reshape(-1, 4))


def build_detector(name: str, weights: Path | None = None) -> Detector:
    """The detector of a name.

    Raises:
        UserError: no weights, unreadable weights, or a library that is not installed.
    """
    if name == "none":
        return nobody
    found = {known: sorted(Path().glob(usual)) for known, usual in USUAL_FILES.items()}
    if name == "auto":
        name = next((known for known, files in found.items() if files), "")
        if not name:
            raise UserError(
                "FaceMix looks for faces, but there is no detector's file: neither "
                f"{' nor '.join(USUAL_FILES.values())}. Put one there, name one by --detector "
                "yunet --detector_weights ONNX, or go without by --detector none."
            )
    weights = weights or next(iter(found[name]), Path(USUAL_FILES[name]))
    if not Path(weights).is_file():
        raise UserError(
            f"the detector {name} needs its ONNX file, but {weights} does not exist; give "
            "--detector_weights, or go without by --detector none."
        )
    if Path(weights).suffix.lower() != ".onnx":
        raise UserError(
            f"{weights} is no ONNX file; a .pt of YOLOv7-face holds pickled code and is not read. "
            "Export it with the detector's own export.py."
        )
    return {"yunet": yunet, "yolov7-face": yolov7_face}[name](Path(weights))


def yunet(weights: Path) -> Detector:
    """YuNet through OpenCV.

    Raises:
        UserError: OpenCV is not installed, or does not take the file.
    """
    try:
        import cv2
    except ImportError:
        raise UserError(
            "--detector yunet needs OpenCV; install it with `pip install 'emotionlab[faces]'`."
        ) from None
    try:
        network = cv2.FaceDetectorYN.create(str(weights), "", (224, 224), CONFIDENCE, OVERLAP, 5000)
    except (cv2.error, AttributeError) as error:
        raise UserError(f"{weights} is no YuNet that OpenCV reads ({_first(error)}).") from None

    def detect(image: np.ndarray) -> np.ndarray:
        try:
            network.setInputSize(image.shape[1::-1])
            _, found = network.detect(np.ascontiguousarray(image[..., ::-1]))
        except cv2.error as error:
            raise UserError(f"{weights} is no YuNet that OpenCV runs ({_first(error)}).") from None
        if found is None:
            return np.empty((0, 6), np.float32)
        rows = np.asarray(found, np.float32)
        corners = np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4]], axis=1)
        return np.concatenate([corners, rows[:, 14:15], np.zeros((len(rows), 1))], axis=1)

    def detect_all(images: Tensor) -> list[np.ndarray]:
        pixels = (to_pixels(images) * 255).round().byte().permute(0, 2, 3, 1)
        return [detect(image) for image in pixels.cpu().numpy()]

    return detect_all


def yolov7_face(weights: Path) -> Detector:
    """YOLOv7-face, exported to ONNX with decoded boxes and without suppression.

    Its output is [1, n, ≥ 6]: centre, width, height in pixels, objectness, probability of a face,
    then landmarks, which are not used.

    Raises:
        UserError: onnxruntime is not installed, or the network is another.
    """
    try:
        import onnxruntime
    except ImportError:
        raise UserError(
            "--detector yolov7-face needs onnxruntime; install it with `pip install "
            "'emotionlab[faces]'`."
        ) from None
    try:
        session = onnxruntime.InferenceSession(str(weights), providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises classes of its own for every cause
        raise UserError(
            f"{weights} is no network that onnxruntime reads ({_first(error)})."
        ) from None
    name = session.get_inputs()[0].name

    def detect(image: np.ndarray) -> np.ndarray:
        try:
            rows = np.asarray(session.run(None, {name: image[None]})[0], np.float32)
        except Exception as error:
            raise UserError(
                f"{weights} does not take an image of {image.shape[-1]} pixels ({_first(error)})."
            ) from None
        if rows.ndim != 3 or rows.shape[2] < 6:
            raise UserError(
                f"{weights} gives an array of shape {list(rows.shape)}; expected [1, n, 6 or more] "
                "with centre, size, objectness and probability."
            )
        return suppressed(torch.from_numpy(rows[0]))

    # As the authors: the network is given the normalised images, not pixels.
    return lambda images: [detect(image) for image in images.float().cpu().numpy()]


def suppressed(rows: torch.Tensor) -> np.ndarray:
    """Sure enough rows of YOLOv7-face, the best of every overlapping group, float32 [k, 6]."""
    confidence = rows[:, 4] * rows[:, 5]
    sure = confidence > CONFIDENCE
    corners = box_convert(rows[sure, :4], "cxcywh", "xyxy")
    kept = nms(corners, confidence[sure], OVERLAP)
    chosen = confidence[sure][kept, None]
    return torch.cat([corners[kept], chosen, torch.zeros_like(chosen)], dim=1).numpy()


def _first(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
