"""``python -m ssfer.detect_faces``: find the face of every image once, and write its box down.

FaceMix looks for faces in every mixed batch, as published; with ``--detector file`` a file of boxes
tells it where they are in the images as they are, whatever is cropped.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from tqdm import tqdm

from common.cli import UserError, command, log_to
from common.data.dataset import open_rgb
from common.datasets.readers.folder import images_below
from ssfer import views
from ssfer.finetune import boxes, faces


def build_parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = argparse.ArgumentParser(prog="python -m ssfer.detect_faces", description=__doc__)
    add = parser.add_argument
    add("--images", type=Path, required=True, help="folder; its sub-folders count too")
    add("--detector", choices=("auto", "yunet", "yolov7-face", "none"), default="auto", help="how")
    add("--weights", type=Path, help="ONNX of yunet or yolov7-face")
    add("--out", type=Path, required=True, help="CSV to write")
    return parser


@command
def main(argv: list[str]) -> int:
    """Find faces; returns the exit code."""
    log_to()
    args = build_parser().parse_args(argv)
    images = images_below(args.images) if args.images.is_dir() else []
    if not images:
        raise UserError(f"there is no image in {args.images}; --images takes a folder of images.")
    detector, view, rows = faces.build_detector(args.detector, args.weights), views.frame_view(), []
    for path in tqdm(images, desc="finding faces", unit="image", disable=None):
        try:
            image = view(open_rgb(str(path)))
        except (OSError, ValueError, SyntaxError) as error:
            raise UserError(
                f"the image {path} cannot be decoded ({error}); copy it again."
            ) from None
        (found,) = detector(torch.stack([image]))
        rows.append(boxes.row_of(args.images, path, args.detector, found))
    boxes.write(rows, args.out)
    single = sum(row[3] == 1 for row in rows)
    print(f"{len(rows)} images: {args.out}")
    print(f"one face in {single}; the others get the fallback box {faces.FALLBACK}.")
    if args.detector == "none":
        print(f"no detector: {faces.NO_DETECTOR}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
