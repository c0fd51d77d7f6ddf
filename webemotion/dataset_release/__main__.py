"""``python -m webemotion.dataset_release``: from what was released to lists and images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from common.cli import UserError, command, log_to
from common.flags import Parser, add_settings, count, settings_of
from webemotion import lists
from webemotion.class_names import stockemotion690
from webemotion.dataset_release import converters, download, links, tag_split, votes
from webemotion.plain_files import read_plain

SUFFIXES = (".pkl", ".jsonl")


def _parser() -> Parser:
    parser = Parser(prog="python -m webemotion.dataset_release")
    commands = parser.add_subparsers(dest="command", required=True)

    def command(run: Callable, name: str, text: str) -> Parser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(run=run)
        return added

    vote = command(_votes, "votes", "SE30K8: votes to labels")
    vote.add_argument("--annotations", type=Path, required=True, help="JSON or pickle of votes")
    vote.add_argument("--threshold", type=count, default=votes.LEAST_VOTES, help="votes that agree")
    _out(vote, "folder of single.* and multi.*")

    tags = command(_split690, "split690", "StockEmotion: tags to 690 classes, train and test list")
    tags.add_argument("--tags", type=Path, required=True, help="[path, [tags]] or JSON Lines")
    tags.add_argument("--classes", type=Path, help="JSON list of class names; default: the 690")
    tags.add_argument("--labels", choices=tag_split.FORMS, default="labels", help="form of entries")
    _out(tags, "folder of train.* and test.*")

    fetch = command(_download, "download", "fetch images from links, politely; may be gone on with")
    text = "URL, or path<TAB>URL, a line; or a released pickle of image -> annotation with its URL"
    fetch.add_argument("--links", "-i", type=Path, required=True, help=text)
    fetch.add_argument("--out", "-t", type=Path, required=True, help="folder of the images")
    fetch.add_argument("--preview", action="store_true", help="fetch the previews of 240 pixels")
    manners = fetch.add_argument_group("manners")
    add_settings(download.Manners, manners, manners)

    turn = command(_convert, "convert", "a download to image lists; EMOTIC's people to crops too")
    turn.add_argument("name", choices=("emotic", *converters.READERS), help="dataset")
    turn.add_argument("--source", type=Path, required=True, help="the download")
    turn.add_argument("--crops", type=Path, help="emotic: folder of the crops; default: OUT/crops")
    _out(turn, "folder of the lists")

    lines = command(_lists, "lists", "a list between pickle and JSON Lines; the suffixes say which")
    lines.add_argument("source", type=Path)
    lines.add_argument("target", type=Path)
    return parser


def _out(parser: Parser, text: str) -> None:
    parser.add_argument("--out", type=Path, required=True, help=text)
    parser.add_argument("--form", choices=SUFFIXES, default=".jsonl", help="of the lists")


def _write(folder: Path, named: dict[str, list[lists.Entry]], form: str) -> None:
    """Write lists, all or, where one is there already, none."""
    targets = {folder / f"{name}{form}": entries for name, entries in named.items()}
    there = [str(path) for path in targets if path.exists()]
    if there:
        raise UserError(f"{', '.join(there)} exist and are left as they are; give another --out.")
    for path, entries in targets.items():
        lists.write_list(path, entries)
        print(f"{path}: {len(entries)} images")


def _votes(args) -> None:
    single, multi = votes.labelled(votes.read_annotations(args.annotations), args.threshold)
    print(f"{len(multi) - len(single)} images have no class with {args.threshold} votes")
    _write(args.out, {"single": single, "multi": multi}, args.form)


def _split690(args) -> None:
    classes = _class_names(args.classes) if args.classes else stockemotion690()
    tags = tag_split.read_tags(args.tags)
    entries = tag_split.class_entries(tags, args.labels, classes)
    print(f"{len(tags) - len(entries)} of {len(tags)} images have none of the class tags")
    train, test = tag_split.split(entries)
    _write(args.out, {"train": train, "test": test}, args.form)


def _class_names(path: Path) -> dict[str, int]:
    """Names in order, as if they were the whole vocabulary."""
    names = read_plain(path, "a list of class names")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UserError(f"{path} is no JSON list of class names.")
    # Numbers below 0 stand for no tag, so that only words are matched.
    return {name: -1 - k for k, name in enumerate(names)}


def _download(args) -> int:
    wanted = links.read_links(args.links, args.preview)
    manners = settings_of(download.Manners, args)
    counts, failed = download.Downloader(args.out, manners).fetch_all(wanted)
    print(", ".join(f"{number} {outcome}" for outcome, number in sorted(counts.items())))
    if not failed:
        return 0
    target = download.failures_path(args.out)
    download.write_failures(failed, target)
    print(f"what failed stands in {target}; the same command tries it again")
    return 1


def _convert(args) -> None:
    if args.name == "emotic":
        named = converters.convert_emotic(args.source, args.crops or args.out / "crops")
    else:
        named = converters.convert(args.name, args.source)
    _write(args.out, named, args.form)


def _lists(args) -> None:
    if args.target.exists():
        raise UserError(f"{args.target} exists and is left as it is; give another name.")
    entries = lists.read_list(args.source)
    lists.write_list(args.target, entries)
    print(f"{args.target}: {len(entries)} images")


@command
def main(argv: list[str]) -> int:
    """Run a command; returns the exit code: 1 where images could not be fetched."""
    args = _parser().parse_args(argv)
    log_to()
    return args.run(args) or 0


if __name__ == "__main__":
    raise SystemExit(main())
