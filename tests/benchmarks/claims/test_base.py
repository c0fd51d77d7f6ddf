"""Trainings of a comparison: made once, gone on with where they stopped."""

import json
from types import SimpleNamespace

import pytest

from benchmarks.claims import base
from common.cli import UserError
from common.engine.run_folder import LAST, SUMMARY
from common.flags import resume_command


def experiment(started: list, code: int = 0):
    """A command that notes its words and ends with `code`."""
    return SimpleNamespace(
        command="python paper/main.py",
        main=lambda argv: started.append(argv) or code,
        resume_command=lambda argv, last: resume_command("python paper/main.py", argv, last),
    )


def test_a_training_starts_goes_on_and_is_not_repeated(tmp_path):
    started: list[list[str]] = []
    base.train(experiment(started), ["--seed", "1"], tmp_path)
    (tmp_path / LAST).touch()
    base.train(experiment(started), ["--seed", "1"], tmp_path)
    (tmp_path / SUMMARY).write_text(json.dumps({"finished": True}))
    base.train(experiment(started), ["--seed", "1"], tmp_path)
    last = str(tmp_path / LAST)
    goes_on = ["--seed", "1", "--resume", "--load_path", last, "--overwrite"]
    assert started == [["--seed", "1"], goes_on]


def test_a_training_that_fails_stops_the_comparison(tmp_path):
    with pytest.raises(UserError, match=f"the run in {tmp_path} ended with exit code 2"):
        base.train(experiment([], code=2), [], tmp_path)
