"""``python -m ssfer.detect_faces``: find the face of every image once, and write its box down."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from common.cli import UserError, entry_point, log_to
from common.datasets.readers.folder import images_below
from ssfer import boxes, faces

log = logging.getLogger(__name__)


def build_parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = argparse.ArgumentParser(
        prog="python -m ssfer.detect_faces",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    needed = {"required": True, "default": argparse.SUPPRESS}
    add("--images", type=Path, help="folder; its sub-folders count too", **needed)
    add("--detector", choices=faces.DETECTORS[1:], help="how; none: the fallback box", **needed)
    add("--weights", type=Path, help="ONNX of yunet or yolov7-face")
    add("--out", type=Path, help="CSV to write; what it holds of unchanged images stays", **needed)
    add("--overwrite", action="store_true", help="replace boxes of another detector in --out")
    return parser


def _earlier(args, tag: str) -> dict[str, boxes.Found]:
    """What ``--out`` holds already.

    Raises:
        UserError: it is no file of boxes, or one of another detector without ``--overwrite``.
    """
    if not args.out.exists():
        return {}
    table = boxes.read(args.out)
    others = sorted(set(table["detector"]) - {tag})
    if others and not args.overwrite:
        raise UserError(
            f"{args.out} holds boxes of {others[0]}, and these would be of {tag}; give --overwrite "
            "to replace them, or another --out."
        )
    return boxes.known(table, tag)


def _run(argv: list[str]) -> int:
    log_to()
    args = build_parser().parse_args(argv)
    names = images_below(args.images) if args.images.is_dir() else []
    if not names:
        raise UserError(f"there is no image in {args.images}; --images takes a folder of images.")
    detector = faces.build_detector(args.detector, args.weights)
    tag = boxes.detector_tag(args.detector, args.weights)
    earlier = _earlier(args, tag)
    relative = [path.relative_to(args.images).as_posix() for path in names]
    rows, fresh = boxes.detect(args.images, relative, detector, earlier)
    boxes.write(rows, tag, args.out)
    single = sum(found.faces == 1 for _, found in rows.values())
    print(f"{len(rows)} images, {fresh} of them looked at: {args.out}")
    print(f"one face in {single}; the others get the fallback box {faces.FALLBACK}.")
    if args.detector == "none":
        print(f"no detector: {faces.NO_DETECTOR}")
    return 0


def main(argv: list[str] | None = None) -> int:
    """Find faces; returns the exit code."""
    return entry_point(_run, argv)


if __name__ == "__main__":
    raise SystemExit(main())
