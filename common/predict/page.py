"""Answers as one page that needs nothing else: pictures, bars, a plane, an order to choose."""

from __future__ import annotations

from pathlib import Path

import jinja2

from common.cli import UserError
from common.files import replacing
from common.predict.model import Model
from common.predict.run import Seen

SHOWN = 5
"""Bars of a picture where there are more classes."""


def write(path: Path, model: Model, rows: list[dict], seen: Seen) -> None:
    """Write the page.

    Args:
        rows: see :func:`common.predict.run.answers`, with thumbnails.

    Raises:
        UserError: the place cannot be written.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("common.predict"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    for row in rows:
        chances = sorted(row.get("probabilities", {}).items(), key=lambda item: -item[1])
        row["bars"] = chances[:SHOWN]
        if model.scale:
            low, high = model.scale
            row["at"] = [_within((row[n] - low) / (high - low)) for n in ("valence", "arousal")]
    text = environment.get_template("page.html").render(model=model, rows=rows, seen=seen)
    try:
        with replacing(path) as part:
            part.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"--html {path} cannot be written ({error.strerror}).") from None


def _within(share: float) -> float:
    return min(1.0, max(0.0, share))
