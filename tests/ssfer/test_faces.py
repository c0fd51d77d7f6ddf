"""Detectors: YuNet where its file is at hand, a YOLOv7-face made here, and refusals."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from common.cli import UserError
from common.datasets.standins.faces import draw_face
from ssfer import views
from ssfer.finetune import faces

YUNET = Path(os.environ.get("YUNET", "no file is named"))


@pytest.mark.skipif(not YUNET.is_file(), reason="YUNET names no ONNX file")
def test_yunet_sees_no_face_in_noise_and_one_in_a_drawing():
    pytest.importorskip("cv2")
    detect, view = faces.build_detector("yunet", YUNET), views.frame_view()
    (nobody,) = detect(torch.zeros(1, 3, 224, 224))
    assert nobody.shape == (0, 6)
    drawn = [draw_face({"corner_pull": 0.5}, np.random.default_rng(k), 224) for k in range(6)]
    found = detect(torch.stack([view(image) for image in drawn]))
    single = [rows[0] for rows in found if len(rows) == 1]
    assert single, "no drawn face is seen as one face"
    for x1, y1, x2, y2, confidence, _ in single:
        assert x2 - x1 > 40 and y2 - y1 > 40 and confidence >= faces.CONFIDENCE


def yolo_file(path: Path, rows: np.ndarray) -> Path:
    """An ONNX that ignores its image and gives `rows` [n, k]."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, kinds = onnx.helper, onnx.TensorProto
    values = rows[None].astype(np.float32)
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "nought"], ["zero"]),
        helper.make_node("Add", ["rows", "zero"], ["out"]),
    ]
    graph = helper.make_graph(
        nodes,
        "yolo",
        [helper.make_tensor_value_info("images", kinds.FLOAT, [1, 3, 224, 224])],
        [helper.make_tensor_value_info("out", kinds.FLOAT, values.shape)],
        [
            helper.make_tensor("rows", kinds.FLOAT, values.shape, values.flatten()),
            helper.make_tensor("nought", kinds.FLOAT, [], [0.0]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)
    return path


def test_yolo_rows_become_boxes_after_suppression(tmp_path):
    rows = np.zeros((4, 21))
    rows[0, :6] = [100, 100, 40, 60, 0.9, 0.9]
    rows[1, :6] = [102, 100, 40, 60, 0.8, 0.9]  # the same face, less sure
    rows[2, :6] = [20, 20, 10, 10, 0.6, 0.6]  # 0.36, not sure enough
    detect = faces.build_detector("yolov7-face", yolo_file(tmp_path / "yolo.onnx", rows))
    (found,) = detect(torch.zeros(1, 3, 224, 224))
    assert found.shape == (1, 6)
    assert found[0].tolist() == pytest.approx([80, 70, 120, 130, 0.81, 0])


def test_overlapping_and_separate_faces():
    rows = torch.tensor([[50.0, 50, 20, 20, 1, 1], [150, 150, 20, 20, 1, 0.9]])
    assert len(faces.suppressed(rows)) == 2


def test_network_of_another_shape_is_refused(tmp_path):
    detect = faces.build_detector("yolov7-face", yolo_file(tmp_path / "y.onnx", np.zeros((4, 5))))
    with pytest.raises(UserError, match=r"\[1, 4, 5\]"):
        detect(torch.zeros(1, 3, 224, 224))


@pytest.mark.parametrize("name", ["yunet", "yolov7-face"])
def test_weights_that_are_missing_or_no_network(tmp_path, name):
    pytest.importorskip("cv2")
    pytest.importorskip("onnxruntime")
    with pytest.raises(UserError, match=r"output_dir/.* does not exist"):
        faces.build_detector(name)
    with pytest.raises(UserError, match="does not exist"):
        faces.build_detector(name, tmp_path / "no.onnx")
    for file, told in (("yolov7s-face.pt", "pickled"), ("bad.onnx", "reads")):
        (tmp_path / file).write_bytes(b"nothing")
        with pytest.raises(UserError, match=told):
            faces.build_detector(name, tmp_path / file)


def test_no_detector_sees_nothing():
    (found,) = faces.build_detector("none")(torch.zeros(1, 3, 8, 8))
    assert found.shape == (0, 6)
