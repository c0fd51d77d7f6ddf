"""Lists of links to images, and the smaller preview that a stock site keeps of each."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from common.cli import UserError
from common.data import pickles
from common.datasets.readers.lists import read_lines

PREVIEW = "240"
ANNOTATIONS = "a dictionary image -> annotation, or a list, with a link in every annotation"
SCHEMES = ("http://", "https://")


class Link(NamedTuple):
    """One image to fetch: where from, and where to, relative to the images' folder."""

    path: str
    url: str


def preview_url(url: str) -> str:
    """The link to the preview of 240 pixels.

    The part of the file name before its first underscore becomes ``240``; a name without an
    underscore becomes ``240`` alone, and its extension is lost, as published.
    """
    folder, slash, name = url.rpartition("/")
    _, underscore, rest = name.partition("_")
    return f"{folder}{slash}{PREVIEW}{underscore}{rest}"


def read_links(path: Path, preview: bool = False) -> list[Link]:
    """Read a list of links: a line ``URL``, or ``path<TAB>URL`` or ``path,URL``; or a pickle.

    Without a path, an image is called like the last part of its URL. Image number i of a pickle
    (from 0), as released, is called ``<i // 10000, six digits>/<its name><the URL's extension>``.

    Args:
        path: the list.
        preview: turn every link into its :func:`preview_url`.

    Raises:
        UserError: unreadable or empty list, a line that is no link, a path that leaves the folder,
            or two links to one path.
    """
    links: dict[str, Link] = {}
    lines = _annotated(path) if path.suffix == ".pkl" else read_lines(path, "the list of links")
    for number, line in lines:
        if line.startswith("#"):
            continue
        link = _link(_cells(line), f"{path}, line {number}", preview)
        if link.path in links and links[link.path] != link:
            raise UserError(f"{path}, line {number}: two links go to {link.path}.")
        links[link.path] = link
    if not links:
        raise UserError(f"the list of links {path} is empty; expected a URL a line.")
    return list(links.values())


def _annotated(path: Path) -> list[tuple[int, str]]:
    """The lines ``path<TAB>URL`` that a pickle of image -> annotation stands for."""
    held = pickles.load(path, ANNOTATIONS)
    pairs = held.items() if isinstance(held, dict) else enumerate(held)
    lines = []
    for k, (name, told) in enumerate(pairs):
        cells = [*told.values()] if isinstance(told, dict) else [told]
        cells = told if isinstance(told, list | tuple) else cells
        url = next((c for c in cells if isinstance(c, str) and c.startswith(SCHEMES)), None)
        if url is None:
            raise UserError(f"{path}, entry {k + 1} has no link; expected {ANNOTATIONS}.")
        if not isinstance(held, dict):  # a list: the name stands beside the link
            name = told.get("id", name) if isinstance(told, dict) else cells[0]
        suffix = PurePosixPath(urlsplit(url).path).suffix
        stem = str(name).removesuffix(suffix)
        lines.append((k + 1, f"{k // 10000:06d}/{stem}{suffix}\t{url}"))
    return lines


def _cells(line: str) -> list[str]:
    """URL, or path and URL; a URL may have commas of its own."""
    if "\t" in line:
        return [cell.strip() for cell in line.split("\t") if cell.strip()]
    if line.startswith(SCHEMES) or "," not in line:
        return [line]
    return [cell.strip() for cell in line.split(",", 1)]


def _link(cells: list[str], where: str, preview: bool) -> Link:
    url = cells[-1]
    parts = urlsplit(url)
    if len(cells) > 2 or not url.startswith(SCHEMES) or not parts.netloc:
        raise UserError(f"{where}: '{url}' is no http or https link.")
    path = cells[0] if len(cells) == 2 else unquote(parts.path.rpartition("/")[2])
    parsed = PurePosixPath(path)
    if not path or parsed.is_absolute() or ".." in parsed.parts or "\\" in path:
        raise UserError(f"{where}: the path '{path}' does not stay in the folder.")
    return Link(path, preview_url(url) if preview else url)
