"""The run folder: what was asked, on what machine, what happened, and how it ended."""

from __future__ import annotations

import functools
import json
import logging
import os
import platform
import resource
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from common.cli import UserError
from common.engine import distributed
from common.files import finite, replacing, sweep, write_json
from common.metrics.protocols import four_protocols

CONFIG, ENVIRONMENT, METRICS, SUMMARY, LAST, PREVIOUS = (
    "config.json",
    "environment.json",
    "metrics.jsonl",
    "summary.json",
    "last.ckpt",
    "previous.ckpt",  # the one before it
)
log = logging.getLogger(__name__)

LOCK = ".lock"
DRAWN = "DRAWN STAND-IN DATA: no number here says anything about the real dataset."
LIBRARIES = (
    "torch",
    "torchvision",
    "timm",
    "numpy",
    "pillow",
    "pandas",
    "scikit-learn",
    "torchmetrics",
)


def environment(device: torch.device, seed: int) -> dict:
    """Versions, commit, machine and command of this process, for ``environment.json``."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return {
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "commit": commit(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else _cpu_name(),
        "device_type": device.type,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "seed": seed,
        "threads": torch.get_num_threads(),
        "versions": versions,
    }


@functools.cache
def commit() -> str | None:
    """Commit of this checkout, with ``+changes`` where files differ from it; None without git."""
    root = Path(__file__).resolve().parents[2]
    try:
        git = ["git", "-C", str(root)]
        head = subprocess.run(
            [*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        )
        dirty = subprocess.run(
            [*git, "status", "--porcelain", "-uno"], capture_output=True, text=True
        )
    except (OSError, subprocess.CalledProcessError):  # an installed copy, or no git on the machine
        return None
    return head.stdout.strip() + ("+changes" if dirty.stdout.strip() else "")


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


class RunFolder:
    """One training's folder.

    Attributes:
        drawn: whether what it is trained on is drawn.

    Args:
        path: the folder; made by :meth:`open`.
        may_write: an earlier run in it may be replaced, or gone on with.
        flags: the flags that choose another folder and another place for it, for messages.
        scalars: folder of the TensorBoard files where it is another one.
        keep: glob patterns of files that stay when a run is replaced.
        own: glob patterns of a run's files, where other things may lie in the folder; none: all
            that is in the folder is a run's.
        authors: glob patterns of the files that the published code leaves in such a folder.
    """

    def __init__(
        self,
        path: Path,
        may_write: bool = False,
        flags: tuple[str, str] = ("--save_name", "--save_dir"),
        scalars: Path | None = None,
        keep: tuple[str, ...] = (),
        own: tuple[str, ...] = (),
        authors: tuple[str, ...] = (),
    ):
        self.path, self.may_write = Path(path), may_write
        self.keep, self.own, self.authors = keep, own, authors
        self.scalars_path = Path(scalars or path)
        self.drawn = False
        self._flags = flags
        self._writer, self._lock = None, None

    @property
    def used(self) -> bool:
        """Whether there is something of a run in the folder."""
        return self.path.is_dir() and any(map(self._is_own, self.path.iterdir()))

    def _is_own(self, file: Path) -> bool:
        ours = not self.own or any(file.match(pattern) for pattern in self.own)
        return ours and file.name != LOCK

    def check(self) -> None:
        """Refuse, before anything is done, a folder that may not be written to.

        Raises:
            UserError: the folder holds something and may not be written to, or it is a file.
        """
        if self.path.exists() and not self.path.is_dir():
            raise UserError(
                f"{self.path} is a file, but the run needs a folder; give another {self._flags[0]}."
            )
        if self.used and not self.may_write:
            raise UserError(
                f"the run folder {self.path} already exists; give --overwrite to replace it, or "
                f"another {self._flags[0]}."
            )

    def holds(self, path: Path) -> bool:
        """Whether `path` is this folder or lies in it."""
        return path.resolve().is_relative_to(self.path.resolve())

    def take_over(self, file: Path) -> None:
        """Copy a file of the run that is gone on with."""
        shutil.copyfile(file, self.path / file.name)

    def open(self, resume: bool = False) -> None:
        """Make the folder, or take over an existing one; it is this process's until :meth:`close`.

        Args:
            resume: the files of the earlier run stay.

        Raises:
            UserError: see :meth:`check`; or the folder holds something that is no run, or another
                process writes into it.
        """
        self.check()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._claim()
        except OSError as error:
            raise UserError(
                f"the run folder {self.path} cannot be made ({error.strerror}); give another "
                f"{self._flags[1]}."
            ) from None
        if self.used and not resume:
            try:
                self.clear()
            except UserError:
                self.close()
                raise

    def _claim(self) -> None:
        """Lock the folder; the lock of a process that died is free."""
        file = self.path / LOCK
        holder = file.read_text(encoding="utf-8") if file.is_file() else ""
        lock = FileLock(file)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise UserError(
                f"another process {holder or '(its number is not known)'} is writing into "
                f"{self.path}; wait for its end, stop it, or give another {self._flags[0]}."
            ) from None
        file.write_text(f"({os.getpid()} on {platform.node()})", encoding="utf-8")
        self._lock = lock
        if left := sweep(self.path):
            log.info("taken away, half written: %s", ", ".join(file.name for file in left))

    def clear(self) -> None:
        """Take the files of an earlier run away, but for those that stay.

        Raises:
            UserError: the folder holds something that is no run.
        """
        files = [f for f in self.path.iterdir() if self._is_own(f)]
        others = [f for f in files if not any(f.match(pattern) for pattern in self.keep)]
        ours = self.own or (self.path / CONFIG).is_file()
        if not ours and not all(any(f.match(p) for p in self.authors) for f in others):
            raise UserError(
                f"{self.path} holds files but no {CONFIG}, so it is no run and is not replaced; "
                f"choose another {self._flags[0]}."
            )
        for file in others:
            if file.is_file():
                file.unlink()

    def write(self, name: str, value) -> None:
        """Write one of the folder's JSON files."""
        write_json(self.path / name, value)

    def note(self, changes: list[str]) -> None:
        """Add to ``config.json`` what a continuation was allowed to change, if anything."""
        if changes:
            config = json.loads((self.path / CONFIG).read_text("utf-8"))
            self.write(CONFIG, {**config, "changed_on_resume": changes})

    def append_metrics(self, row: dict) -> None:
        """Add a row to ``metrics.jsonl``; rows hold no times, so equal runs give equal files."""
        with open(self.path / METRICS, "a", encoding="utf-8") as file:
            file.write(_line(row))
            file.flush()
            os.fsync(file.fileno())

    def rewrite_metrics(self, rows: list[dict]) -> None:
        """Replace ``metrics.jsonl``, e.g. by the rows a checkpoint knows of."""
        path = self.path / METRICS
        if rows:
            with replacing(path) as part:
                part.write_text("".join(map(_line, rows)), encoding="utf-8")
        else:
            path.unlink(missing_ok=True)

    def start_scalars(self, step: int) -> None:
        """Open the TensorBoard file; events of an earlier try after `step` are hidden."""
        from torch.utils.tensorboard import SummaryWriter  # slow to import, needless for reading

        self._writer = SummaryWriter(str(self.scalars_path), purge_step=step + 1 if step else None)

    def scalars(self, prefix: str, values: dict, step: int) -> None:
        """Write every scalar of `values` to TensorBoard as ``prefix/name``."""
        if self._writer:
            for name, value in values.items():
                if isinstance(value, int | float):
                    self._writer.add_scalar(f"{prefix}/{name}", value, step)

    def scalar_group(self, tag: str, values: dict[str, float], step: int) -> None:
        """Write scalars that TensorBoard shows in one diagram, a folder each."""
        if self._writer:
            self._writer.add_scalars(tag, values, step)

    def close(self) -> None:
        """Flush and close the TensorBoard file, and leave the folder to others."""
        if self._writer:
            self._writer.close()
            self._writer = None
        if self._lock:
            (self.path / LOCK).unlink(missing_ok=True)
            self._lock.release()
            self._lock = None


def _line(row: dict) -> str:
    return json.dumps(finite(row), ensure_ascii=False) + "\n"


def summarise(trainer, wall_s: float, tell: bool = True) -> dict:
    """Write ``summary.json`` and print the headline.

    Args:
        trainer: the :class:`common.engine.trainer.Trainer` that has come to its end.
        wall_s: seconds this process trained, evaluation included.
        tell: print it.

    Returns:
        The summary.
    """
    run, metric, last = trainer.run, trainer.recipe.metric, trainer.history[-1]
    summary = {"metric": metric, "last": last, "percent": trainer.recipe.percent}
    if trainer.evaluators:
        protocols = four_protocols(trainer.history, metric, trainer.recipe.mode)
        headline = "val_selected" if trainer.judged_on == "val" else "best_on_test"
        chosen = protocols[headline]
        at_headline = next(r for r in trainer.history if r["epoch"] == chosen["epoch"])
        summary |= {"protocols": protocols, "at_headline": at_headline}
    else:
        meaning = "mean over the training steps of the last epoch; nothing is evaluated"
        chosen = {"value": last["train"][metric], "epoch": last["epoch"], "meaning": meaning}
        headline = "last"
    rate, processes = trainer.images_per_second, distributed.size()
    summary |= {
        "headline": {"protocol": headline, "metric": metric, **chosen},
        "drawn": run.drawn,
        "finished": trainer.finished,
        "wall_s": round(wall_s, 1),
        "train_images_per_second": rate and rate * processes,
        "processes": processes,
        "peak_memory_bytes": peak_memory(trainer.device),
    }
    run.write(SUMMARY, summary)
    if tell:
        print(headline_text(summary, run.path))
    return summary


def headline_text(summary: dict, path: Path) -> str:
    """The end of a run in a few lines: which protocol the number is, and the other three."""
    head, metric = summary["headline"], summary["metric"]
    how = f"{head['protocol']}: {head['meaning']}, epoch {head['epoch']}"
    form = ".2%" if summary["percent"] else ".4f"
    name = metric if "protocols" in summary else f"training {metric}"
    lines = [f"{name} {head['value']:{form}} ({how})"]
    for name, row in summary.get("protocols", {}).items():
        if name == head["protocol"]:
            continue
        value = "none (no --val_fraction)" if row["value"] is None else f"{row['value']:{form}}"
        lines.append(f"  {name}: {value}")
    if summary["drawn"]:
        lines.append(DRAWN)
    lines.append(f"run folder: {path}")
    return "\n".join(lines)


def peak_memory(device: torch.device) -> int:
    """Bytes: the GPU's peak allocation, or the process's peak resident size on the CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kibibytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def read_summary(run: Path) -> dict:
    """``summary.json`` of a finished run."""
    return json.loads((run / SUMMARY).read_text(encoding="utf-8"))
