"""The run folder: what was asked, on what machine, what happened, and how it ended."""

from __future__ import annotations

import json
import logging
import platform
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import torch
from tqdm import tqdm

from common.cli import UserError
from common.files import finite, write_json

log = logging.getLogger(__name__)

CONFIG, ENVIRONMENT, METRICS, SUMMARY, LAST = (
    "config.json",
    "environment.json",
    "metrics.jsonl",
    "summary.json",
    "last.ckpt",
)
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
        "commit": _commit(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else _cpu_name(),
        "device_type": device.type,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "seed": seed,
        "threads": torch.get_num_threads(),
        "versions": versions,
    }


def _commit() -> str | None:
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

    Args:
        path: the folder; made by :meth:`open`.
        scalars: folder of the TensorBoard files where it is another one.
        flags: the flags that choose another folder and another place for it, for messages.
    """

    def __init__(
        self,
        path: Path,
        scalars: Path | None = None,
        flags: tuple[str, str] = ("--save_name", "--save_dir"),
    ):
        self.path, self.scalars_path = Path(path), Path(scalars or path)
        self._flags = flags
        self._writer = None

    def check(self, overwrite: bool) -> None:
        """Refuse, before anything is done, a folder that may not be written to.

        Raises:
            UserError: the folder holds something and `overwrite` is off, or it is a file.
        """
        if self.path.exists() and not self.path.is_dir():
            raise UserError(
                f"{self.path} is a file, but the run needs a folder; give another {self._flags[0]}."
            )
        if self.path.is_dir() and any(self.path.iterdir()) and not overwrite:
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

    def open(self, *, overwrite: bool, resume: bool, keep: tuple[str, ...] = ()) -> None:
        """Make the folder, or take over an existing one.

        Args:
            overwrite: an existing run may be replaced (or, with `resume`, gone on with).
            resume: the files of the earlier run stay.
            keep: glob patterns of files that also stay when a run is replaced.

        Raises:
            UserError: see :meth:`check`; or the folder holds something that is no run.
        """
        self.check(overwrite)
        if self.path.is_dir() and any(self.path.iterdir()) and not resume:
            self._clear(keep)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"the run folder {self.path} cannot be made ({error.strerror}); give another "
                f"{self._flags[1]}."
            ) from None

    def _clear(self, keep: tuple[str, ...]) -> None:
        kept = [f for f in self.path.iterdir() if any(f.match(pattern) for pattern in keep)]
        others = [f for f in self.path.iterdir() if f not in kept]
        if others and not (self.path / CONFIG).is_file():
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

    def append_metrics(self, row: dict) -> None:
        """Add a row to ``metrics.jsonl``; rows hold no times, so equal runs give equal files."""
        with open(self.path / METRICS, "a", encoding="utf-8") as file:
            file.write(json.dumps(finite(row), ensure_ascii=False) + "\n")

    def rewrite_metrics(self, rows: list[dict]) -> None:
        """Replace ``metrics.jsonl``, e.g. by the rows a checkpoint knows of."""
        (self.path / METRICS).unlink(missing_ok=True)
        for row in rows:
            self.append_metrics(row)

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

    def close(self) -> None:
        """Flush and close the TensorBoard file."""
        if self._writer:
            self._writer.close()
            self._writer = None


def log_to(folder: Path | None = None, name: str = "log.txt") -> None:
    """Send log lines to standard error and, with `folder`, to the file `name` in it.

    A command calls it first without a folder; the lines from then on also open the file.
    """
    root = logging.getLogger()
    early = [r for h in root.handlers if isinstance(h, _ConsoleHandler) for r in h.records]
    for handler in [h for h in root.handlers if getattr(h, "ours", False)]:
        root.removeHandler(handler)
        handler.close()
    handlers: list[logging.Handler] = [_ConsoleHandler(keep=folder is None)]
    if folder is not None:
        handlers.append(logging.FileHandler(folder / name, encoding="utf-8"))
    for handler in handlers:
        handler.ours = True
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
        root.addHandler(handler)
    if folder is not None:
        for record in early:
            handlers[-1].handle(record)
    root.setLevel(logging.INFO)


class _ConsoleHandler(logging.Handler):
    """Prints above a progress bar instead of through it, and may remember what it printed."""

    def __init__(self, keep: bool):
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self._keep = keep

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=sys.stderr)
        if self._keep:
            self.records.append(record)
