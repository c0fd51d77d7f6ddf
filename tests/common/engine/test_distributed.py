"""Finding out which process of how many this is."""

from argparse import Namespace

import pytest
import torch

from common.cli import UserError
from common.engine import distributed

ENVIRONMENT = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "SLURM_PROCID", "MASTER_ADDR", "MASTER_PORT")
MPI = {f"OMPI_COMM_WORLD_{name}": n for name, n in (("RANK", 3), ("SIZE", 4), ("LOCAL_RANK", 1))}


@pytest.mark.parametrize(
    ("variables", "flags", "expected"),
    [
        ({}, {}, (0, 1, 0, "env://")),
        ({"RANK": 5, "WORLD_SIZE": 8, "LOCAL_RANK": 1}, {}, (5, 8, 1, "env://")),
        ({"RANK": 1, "WORLD_SIZE": 2}, {"local_rank": 1}, (1, 2, 1, "env://")),
        (
            {**MPI, "MASTER_ADDR": "node", "MASTER_PORT": 9},
            {"dist_on_itp": True},
            (3, 4, 1, "tcp://node:9"),
        ),
        (
            {"SLURM_PROCID": 2},
            {"world_size": 4, "dist_url": "tcp://node:9"},
            (2, 4, 0, "tcp://node:9"),
        ),
        ({"SLURM_PROCID": 0}, {}, (0, 1, 0, "env://")),
        ({}, {"world_size": 2}, "needs a launcher"),
        ({"RANK": 1, "WORLD_SIZE": 2}, {}, "LOCAL_RANK"),
        (MPI, {"dist_on_itp": True}, "MASTER_ADDR"),
        ({}, {"dist_on_itp": True}, "OMPI_COMM_WORLD_RANK"),
    ],
)
def test_place_is_what_the_launcher_says(monkeypatch, variables, flags, expected):
    for name in (*ENVIRONMENT, *MPI):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    if isinstance(expected, str):
        with pytest.raises(UserError, match=expected):
            distributed.find_place(Namespace(**flags))
    else:
        assert distributed.find_place(Namespace(**flags)) == distributed.Place(*expected)


def test_one_process_agrees_with_itself():
    values = torch.tensor([1.0, 2.0])
    assert distributed.mean(values) is values
    assert distributed.largest(3, torch.device("cpu")) == 3
    assert distributed.gather("own") == ["own"] and distributed.from_main(lambda: 5) == 5
    assert (distributed.size(), distributed.rank(), distributed.is_main()) == (1, 0, True)
