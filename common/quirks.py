"""The register of what the authors' code does differently from their paper.

A package keeps it in ``quirks.yaml``. The fidelity table of its README, the "quirks in force" of a
run's log and configuration, and ``--corrected`` all come from here::

    - name: EMA restarts each epoch
      where: the average is built anew from the live weights at the start of every epoch
      paper: one average over the whole training
      default: as the code
      flag: --ema_across_epochs              # null where nothing changes it
      corrected: {ema_across_epochs: true}   # what --corrected sets, by argparse dest
      active: {ema_across_epochs: [false]}   # values for which it is in force; none: always
      effect: not measured

``python -m common.quirks check|write [ROOT]`` compares or rewrites the tables of all READMEs.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from common.cli import UserError, command
from common.files import sync_block

BEGIN, END = "<!-- quirks:begin -->", "<!-- quirks:end -->"
NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Quirk:
    """One difference between code and paper.

    Attributes:
        name: short and unique in its package.
        where: where it shows in the authors' code or behaviour.
        paper: what the paper says.
        default: what this project does by default.
        flag: the command-line flag that changes it, or None.
        corrected: argparse dest → value that ``--corrected`` sets.
        active: argparse dest → values for which the quirk is in force; all must hold. Empty:
            always in force.
        effect: measured effect, or "not measured".
    """

    name: str
    where: str
    paper: str
    default: str
    flag: str | None = None
    corrected: dict[str, Any] = field(default_factory=dict)
    active: dict[str, list[Any]] = field(default_factory=dict)
    effect: str = NOT_MEASURED


def load(path: str | Path) -> list[Quirk]:
    """Read and check a ``quirks.yaml``.

    Raises:
        UserError: the file is missing, is no YAML list of entries, or an entry is incomplete, has
            unknown keys or contradicts itself; the sentence names file and entry.
    """
    path = Path(path)
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"The quirk register {path} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"The quirk register {path} is not valid YAML: {error}") from None
    if not isinstance(entries, list):
        raise UserError(f"The quirk register {path} must hold a list of entries.")
    quirks = [_parse(entry, f"{path}, entry {n}") for n, entry in enumerate(entries, start=1)]
    names = [quirk.name for quirk in quirks]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"{path}: the name '{name}' is used more than once.")
    return quirks


def _parse(entry: Any, place: str) -> Quirk:
    if not isinstance(entry, dict):
        raise UserError(f"{place} must be a mapping with the keys {', '.join(_fields())}.")
    if isinstance(entry.get("name"), str):
        place = f"{place} ('{entry['name']}')"
    if unknown := [str(key) for key in entry if key not in _fields()]:
        raise UserError(f"{place}: unknown {', '.join(unknown)}; known are {', '.join(_fields())}.")
    for key in ("name", "where", "paper", "default"):
        if not isinstance(entry.get(key), str) or not entry[key].strip():
            raise UserError(f"{place}: '{key}' must be a sentence, found {entry.get(key)!r}.")
    flag, effect = entry.get("flag"), entry.get("effect", NOT_MEASURED)
    if flag is not None and not str(flag).startswith("-"):
        raise UserError(f"{place}: 'flag' must be null or start with a dash, found {flag!r}.")
    if not isinstance(effect, str) or not effect.strip():
        raise UserError(f"{place}: 'effect' must be a sentence or '{NOT_MEASURED}'.")
    corrected, active = entry.get("corrected") or {}, entry.get("active") or {}
    if not isinstance(corrected, dict) or not isinstance(active, dict):
        raise UserError(f"{place}: 'corrected' and 'active' must map argument names to values.")
    active = {k: list(v) if isinstance(v, list) else [v] for k, v in active.items()}
    if corrected and flag is None:
        raise UserError(f"{place}: 'corrected' sets a value, so 'flag' must say which flag does.")
    if corrected and not any(
        k in corrected and not _has(v, corrected[k]) for k, v in active.items()
    ):
        raise UserError(f"{place}: by 'active' the quirk would still be in force when 'corrected'.")
    texts = {key: entry[key].strip() for key in ("name", "where", "paper", "default")}
    return Quirk(**texts, flag=flag, corrected=corrected, active=active, effect=effect.strip())


def _fields() -> tuple[str, ...]:
    return tuple(Quirk.__dataclass_fields__)


def _has(values: list[Any], value: Any) -> bool:
    """Membership that keeps ``True`` apart from ``1`` (Python's ``in`` does not)."""
    return any(isinstance(v, bool) == isinstance(value, bool) and v == value for v in values)


def in_force(quirks: list[Quirk], args: argparse.Namespace) -> list[Quirk]:
    """The quirks that hold for a run with these arguments.

    A quirk whose `active` names an argument this command does not have belongs to another command
    of the package and is not listed.
    """
    given = vars(args)
    return [
        quirk
        for quirk in quirks
        if all(dest in given and _has(values, given[dest]) for dest, values in quirk.active.items())
    ]


def apply_corrections(
    quirks: list[Quirk], args: argparse.Namespace, given_flags: set[str]
) -> list[Quirk]:
    """Turn the corrections on, in place: what ``--corrected`` does.

    Args:
        quirks: the package's register.
        args: parsed arguments; changed.
        given_flags: argparse dests the user gave; they keep the user's value.

    Returns:
        The quirks for which at least one value was set.
    """
    changed = []
    for quirk in quirks:
        wanted = {
            k: v for k, v in quirk.corrected.items() if k in vars(args) and k not in given_flags
        }
        vars(args).update(wanted)
        if wanted:
            changed.append(quirk)
    return changed


def markdown_table(quirks: list[Quirk]) -> str:
    """The fidelity table of a README: one row a quirk, ends without a newline."""
    head = (
        "Quirk",
        "In the authors' code",
        "In the paper",
        "Here, by default",
        "Changed by",
        "With `--corrected`",
        "Measured effect",
    )
    rows = [head, ("---",) * len(head)]
    for quirk in quirks:
        settings = ", ".join(f"`{dest}={value}`" for dest, value in quirk.corrected.items())
        flag = f"`{quirk.flag}`" if quirk.flag else "—"
        texts = (quirk.name, quirk.where, quirk.paper, quirk.default)
        rows.append((*texts, flag, settings or "unchanged", quirk.effect))
    return "\n".join("| " + " | ".join(map(_cell, row)) + " |" for row in rows)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def sync_readme(readme: str | Path, quirks: list[Quirk], write: bool) -> bool:
    """Compare the fidelity table between the two markers of a README with the register.

    Args:
        readme: the file with ``<!-- quirks:begin -->`` and ``<!-- quirks:end -->``.
        quirks: the register the table should show.
        write: put the right table in place where it differs.

    Returns:
        True if the table was current before the call.

    Raises:
        UserError: the README lacks the markers, or has them twice or in the wrong order.
    """
    return sync_block(Path(readme), BEGIN, END, markdown_table(quirks), write)


@command
def main(argv: list[str]) -> int:
    """Run ``python -m common.quirks``: 0 all current, 1 a table is stale, 2 nothing to read."""
    parser = argparse.ArgumentParser(
        prog="python -m common.quirks",
        description="Compare (check) or rewrite (write) the fidelity tables of all READMEs.",
    )
    parser.add_argument("action", choices=["check", "write"])
    parser.add_argument("root", nargs="?", type=Path, default=Path("."), metavar="ROOT")
    args = parser.parse_args(argv)
    registers = [
        path
        for path in sorted(args.root.glob("*/quirks.yaml"))
        if (path.parent / "README.md").exists()
    ]
    if not registers:
        raise UserError(f"No quirks.yaml beside a README.md was found one level below {args.root}.")
    stale = []
    for path in registers:
        readme = path.parent / "README.md"
        current = sync_readme(readme, load(path), write=args.action == "write")
        state = "current" if current else ("rewritten" if args.action == "write" else "stale")
        print(f"{readme}: {state}")
        stale += [readme] if state == "stale" else []
    if stale:
        print(
            f"error: the fidelity table of {', '.join(map(str, stale))} does not show what its "
            "quirks.yaml says; run 'python -m common.quirks write'.",
            file=sys.stderr,
        )
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
