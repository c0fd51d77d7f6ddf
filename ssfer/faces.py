"""Where the face is: one box an image, from a file, a detector or nobody.

Boxes are in the frame of the image scaled to :data:`FRAME` × :data:`FRAME` pixels, the size the
published code shows its detector. Only ratios of areas are used, so the frame does not matter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision.ops import box_convert, nms

from common.cli import UserError

FRAME = 224
FALLBACK = (25, 25, 220, 220)
DETECTORS = ("file", "yunet", "yolov7-face", "none")
NO_DETECTOR = (
    "every image has the fallback box, so every overlap is 1 and FaceMix is mixup without its "
    "second term."
)
CONFIDENCE, OVERLAP = 0.40, 0.5  # the published thresholds of detection and suppression

# RGB uint8 [FRAME, FRAME, 3] -> float32 [k, 6]: x1, y1, x2, y2, confidence, class.
Detector = Callable[[np.ndarray], np.ndarray]


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


def framed(path: Path) -> np.ndarray:
    """RGB uint8 [FRAME, FRAME, 3] of an image file, scaled without regard to its aspect.

    Raises:
        UserError: it cannot be decoded.
    """
    try:
        with Image.open(path) as image:
            return np.asarray(
                image.convert("RGB").resize((FRAME, FRAME), Image.Resampling.BILINEAR)
            )
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"the image {path} cannot be decoded ({error}); copy it again.") from None


def content_hash(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def build_detector(name: str, weights: Path | None) -> Detector:
    """The detector of a name.

    Raises:
        UserError: no weights, unreadable weights, or a library that is not installed.
    """
    if name == "none":
        return lambda image: np.empty((0, 6), np.float32)
    if weights is None or not Path(weights).is_file():
        found = "is not given" if weights is None else f"{weights} does not exist"
        raise UserError(f"the detector {name} needs its ONNX file, which {found}; give its path.")
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
        network = cv2.FaceDetectorYN.create(
            str(weights), "", (FRAME, FRAME), CONFIDENCE, OVERLAP, 5000
        )
    except (cv2.error, AttributeError) as error:
        raise UserError(f"{weights} is no YuNet that OpenCV reads ({_first(error)}).") from None

    def detect(image: np.ndarray) -> np.ndarray:
        try:
            _, found = network.detect(np.ascontiguousarray(image[..., ::-1]))
        except cv2.error as error:
            raise UserError(f"{weights} is no YuNet that OpenCV runs ({_first(error)}).") from None
        if found is None:
            return np.empty((0, 6), np.float32)
        rows = np.asarray(found, np.float32)
        corners = np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4]], axis=1)
        return np.concatenate([corners, rows[:, 14:15], np.zeros((len(rows), 1))], axis=1)

    return detect


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
        pixels = image.transpose(2, 0, 1)[None].astype(np.float32) / 255
        try:
            rows = np.asarray(session.run(None, {name: pixels})[0], np.float32)
        except Exception as error:
            raise UserError(
                f"{weights} does not take an image of {FRAME} pixels ({_first(error)})."
            ) from None
        if rows.ndim != 3 or rows.shape[2] < 6:
            raise UserError(
                f"{weights} gives an array of shape {list(rows.shape)}; expected [1, n, 6 or more] "
                "with centre, size, objectness and probability."
            )
        return suppressed(torch.from_numpy(rows[0]))

    return detect


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
