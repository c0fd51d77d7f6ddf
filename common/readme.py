"""Blocks of a README that are made from files, between two markers."""

from __future__ import annotations

import os
from pathlib import Path

from common.cli import UserError


def sync_block(readme: Path, begin: str, end: str, content: str, write: bool) -> bool:
    """Compare what stands between two markers with what should, and put it there if asked.

    Args:
        readme: the file.
        begin, end: marker lines, each once, in this order.
        content: what should stand between them, without surrounding newlines.
        write: replace it where it differs.

    Returns:
        True if the block was current before the call.

    Raises:
        UserError: the README lacks the markers, or has them twice or in the wrong order.
    """
    text = readme.read_text(encoding="utf-8")
    markers = text.count(begin), text.count(end)
    if markers != (1, 1) or text.index(begin) > text.index(end):
        raise UserError(
            f"{readme} needs one '{begin}' and after it one '{end}', on their own lines."
        )
    before, rest = text.split(begin)
    after = rest.split(end)[1]
    wanted = f"{before}{begin}\n{content}\n{end}{after}"
    if write and wanted != text:
        part = readme.with_name(readme.name + ".part")
        part.write_text(wanted, encoding="utf-8")
        os.replace(part, readme)
    return wanted == text
