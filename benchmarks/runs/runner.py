"""Running planned jobs: what is missing, what is done, what was cut off, and one record each.

A job's record, ``<out>/<key>.json``, is written when the job ends. One that says ``done`` is not
run again; otherwise the job goes on from the checkpoint that it left, or starts.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import datetime, timezone
from pathlib import Path

from benchmarks.ground.reading import read_mapping
from benchmarks.ground.results_file import ROOT
from benchmarks.ledger.verdict import read_record
from benchmarks.runs.planning import Job, Stage
from benchmarks.runs.programs import Need
from common.cli import UserError
from common.datasets import catalogue
from common.datasets.doctor import examine
from common.datasets.readers.folder import DRAWN_MARK
from common.datasets.standins.twin import make_twin
from common.engine import checkpoint
from common.engine.run_folder import CONFIG, ENVIRONMENT, LAST, SUMMARY
from common.files import write_json

DONE, FAILED, BLOCKED, CUT_OFF = "done", "failed", "blocked by data", "cut off"
EXECUTORS = ("local", "ray")
SCHEMA = 1
LOG = "output.txt"
STOPPED = {-signal.SIGINT, -signal.SIGTERM, 128 + signal.SIGINT, 128 + signal.SIGTERM}
TAIL = 400  # characters of a failed job's output that its record quotes


def record_path(job: Job, out: Path) -> Path:
    """The record of a job."""
    return out / f"{job.key}.json"


def draw(need: Need) -> None:
    """Draw the stand-in of a dataset, unless something stands there.

    Raises:
        UserError: it cannot be drawn.
    """
    if not need.path.exists():
        need.path.parent.mkdir(parents=True, exist_ok=True)
        make_twin(need.twin, need.path, need.scale, 0)
    elif not (need.path / DRAWN_MARK).exists():
        raise UserError(f"{need.path} holds no stand-in; smoke runs need a --data-root of theirs.")


def look_at(need: Need) -> tuple[str | None, list[str]]:
    """Why a dataset or file cannot be read, in the data doctor's sentence, and its version.

    Returns:
        (None where it can be read, where its counts differ from the published ones).
    """
    if not need.reader:
        return (None if need.path.exists() else f"there is no {need.path}."), []
    has_reader = catalogue.canonical(need.reader) in catalogue.DATASETS
    if not need.path.is_dir():
        errors = examine(need.reader, need.path, workers=1, near=False).errors if has_reader else []
        return (errors[0] if errors else f"there is no folder {need.path}."), []
    if not has_reader:
        return None, []
    try:
        return None, catalogue.differences(catalogue.reader(need.reader)(need.path))
    except UserError as refusal:
        return str(refusal), []


def obstacle(job: Job) -> tuple[str | None, list[str]]:
    """What keeps a job from running, and the data's version; draws a smoke run's stand-ins."""
    if job.blocked:
        return job.blocked + ".", []
    version = []
    for need in job.needs:
        if job.profile == "smoke":
            if not need.twin:
                form = "is drawn in the form that this command reads"
                return f"no stand-in of {job.dataset} {form}.", []
            draw(need)
            continue
        reason, notes = look_at(need)
        if reason:
            return reason, []
        version += notes
    return None, version


class Executor:
    """Runs jobs in processes of their own and writes their records.

    Args:
        out: folder of records and runs.
        run: runs one command; by default as a child process.
    """

    def __init__(self, out: Path, run: Callable[[list[str], Path], int] | None = None):
        self.out, self._run = out, run or self._child
        self._children: set[subprocess.Popen] = set()
        self._lock = threading.Lock()
        self._stopping = False

    def map(self, jobs: Sequence[Job], workers: int) -> Iterator[tuple[Job, dict]]:
        """(job, record) as the jobs end; what is done already comes first, unrun.

        Raises:
            KeyboardInterrupt: after the children have written their checkpoints.
        """
        waiting = []
        for job in jobs:
            record = read_record(record_path(job, self.out))
            if record and record["status"] == DONE:
                yield job, self._join_rows(job, record)
            else:
                waiting.append(job)
        with ThreadPoolExecutor(workers) as pool:
            coming = {pool.submit(self.one, job): job for job in waiting}
            try:
                for future in as_completed(coming):
                    yield coming[future], future.result()
            except BaseException:
                self.stop()
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def stop(self) -> None:
        """Tell every child to write its checkpoint and leave; nothing new is started."""
        with self._lock:
            self._stopping = True
            for child in self._children:
                child.send_signal(signal.SIGTERM)

    def one(self, job: Job) -> dict:
        """Run a job to its end and write its record."""
        started = time.monotonic()
        record = {
            "schema": SCHEMA,
            "key": job.key,
            "paper": job.paper,
            "profile": job.profile,
            "seed": job.seed,
            "rows": list(job.rows),
            "commands": ["python " + " ".join(stage.words) for stage in job.stages],
        }
        reason, version = obstacle(job)
        if reason:
            record |= {"status": BLOCKED, "reason": reason}
        else:
            record |= {"data_version": version, **self._stages(job)}
        record["runner_wall_s"] = round(time.monotonic() - started, 1)
        record["ended"] = datetime.now(timezone.utc).isoformat(timespec="seconds")
        write_json(record_path(job, self.out), record)
        return record

    def _stages(self, job: Job) -> dict:
        folder = self.out / job.key
        for stage in job.stages:
            if finished(stage):
                continue
            if stage.folder.exists() and not (stage.folder / LAST).exists():
                shutil.rmtree(stage.folder)  # it ended before it had saved anything
            folder.mkdir(parents=True, exist_ok=True)
            code = self._run(stage.argv(), folder / LOG)
            if code in STOPPED or self._stopping:
                return {"status": CUT_OFF, "reason": "stopped; the same command goes on"}
            if code:
                return {"status": FAILED, "exit_code": code, "reason": _tail(folder / LOG)}
        return {"status": DONE, **result_of(job.stages[-1])}

    def _join_rows(self, job: Job, record: dict) -> dict:
        if set(job.rows) - set(record["rows"]):  # the ledger grew since
            record["rows"] = sorted({*record["rows"], *job.rows})
            write_json(record_path(job, self.out), record)
        return record

    def _child(self, words: list[str], log: Path) -> int:
        with open(log, "ab") as output:
            with self._lock:
                if self._stopping:
                    return -signal.SIGTERM
                # A session of its own: a Ctrl-C reaches it once, from here.
                child = subprocess.Popen(
                    [sys.executable, *words],
                    cwd=ROOT,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    env={**os.environ, "PYTHONPATH": str(ROOT)},
                )
                self._children.add(child)
            try:
                return child.wait()
            finally:
                with self._lock:
                    self._children.discard(child)


def on_ray(jobs: Sequence[Job], out: Path, workers: int) -> Iterator[tuple[Job, dict]]:
    """(job, record) as the jobs end on a Ray cluster; `out` must be shared by its machines.

    Raises:
        UserError: Ray is not installed.
    """
    try:
        import ray
    except ImportError:
        raise UserError(
            "--executor ray needs Ray, which is not installed: pip install 'emotionlab[scale]'."
        ) from None
    ray.init(num_cpus=workers, ignore_reinit_error=True, include_dashboard=False)
    task = ray.remote(num_cpus=1)(_one_of)
    pending = {task.remote(job, out): job for job in jobs}
    while pending:
        (ready,), _ = ray.wait(list(pending), num_returns=1)
        yield pending.pop(ready), ray.get(ready)


def _one_of(job: Job, out: Path) -> dict:
    return next(Executor(out).map([job], 1))[1]


def finished(stage: Stage) -> bool:
    """Whether a stage's run folder holds the summary of a finished training."""
    return read_mapping(stage.folder / SUMMARY).get("finished", False)


def result_of(stage: Stage) -> dict:
    """What a record says of a finished run.

    Returns:
        The four protocols, metric, wall time and peak memory of its summary; its data with the
        hash of its labelled images; its environment; and its folder.
    """
    summary, config, environment = (
        read_mapping(stage.folder / name) for name in (SUMMARY, CONFIG, ENVIRONMENT)
    )
    kept = ("protocols", "metric", "percent", "headline", "wall_s", "peak_memory_bytes")
    data = config.get("data") or {}
    return {
        **{name: summary.get(name) for name in kept},
        "data": {**data, "split_hash": split_hash(stage.folder, data)},
        "quirks_in_force": config.get("quirks_in_force"),
        "arguments": config.get("arguments"),
        "environment": environment,
        "folder": str(stage.folder),
    }


def split_hash(folder: Path, data: dict) -> str | None:
    """Hash of the labelled images of a run: its split's, else that of its checkpoint."""
    split = data.get("split")
    if isinstance(split, dict) and split.get("labelled_hash"):
        return split["labelled_hash"]
    try:
        return checkpoint.load(folder / LAST).get("identity", {}).get("labelled_images")
    except UserError:
        return None


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    errors = [line for line in lines if line.startswith("error:")]
    return (errors[-1] if errors else "\n".join(lines)[-TAIL:]).strip()
