"""Writing HTML so that text is escaped unless it was made here."""

from __future__ import annotations

import html
from collections.abc import Iterable
from urllib.parse import quote


class Html(str):
    """Text that is HTML already."""


def raw(markup: str) -> Html:
    """Markup of our own making, put in as it is."""
    return Html(markup)


def tag(name: str, *children: str | Iterable[str], **attributes: str | bool | None) -> Html:
    """An element; plain strings are escaped, :class:`Html` is not.

    Args:
        children: strings, or iterables of them.
        attributes: ``class_`` and ``data_order`` become ``class`` and ``data-order``; None and
            False are left out, True is an attribute without a value.
    """
    given = "".join(
        f" {key.rstrip('_').replace('_', '-')}"
        + ("" if value is True else f'="{html.escape(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    return Html(f"<{name}{given}>{''.join(_flat(children))}</{name}>")


def _flat(children: Iterable) -> Iterable[str]:
    for child in children:
        if isinstance(child, Html):
            yield child
        elif isinstance(child, str):
            yield html.escape(child)
        else:
            yield from _flat(child)


def download(label: str, name: str, content: str) -> Html:
    """A link that saves `content` from the page itself."""
    return tag("a", label, href=f"data:text/csv;charset=utf-8,{quote(content)}", download=name)
