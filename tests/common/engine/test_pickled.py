"""The classes that a file names are read off without being made."""

import collections
import pickle

import pytest
import torch

from common.engine.pickled import foreign_classes


class Foreign:
    """Refuses to be made."""

    def __setstate__(self, state):
        raise AssertionError("the file was loaded")


NAME = f"{Foreign.__module__}.Foreign"


@pytest.mark.parametrize("zipped", [True, False])
def test_outermost_class_of_a_torch_file_comes_first(tmp_path, zipped):
    path = tmp_path / "a.pt"
    value = {"model": Foreign(), "rest": torch.nn.Linear(1, 1)}
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    names = foreign_classes(path)
    assert names[0] == NAME and "torch.nn.modules.linear.Linear" in names


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_and_containers_are_no_foreign_classes(tmp_path, zipped):
    state = collections.OrderedDict(w=torch.ones(2), h=torch.ones(2).half(), size=torch.Size([1]))
    torch.save(state, tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
    assert foreign_classes(tmp_path / "a.pt") == []


@pytest.mark.parametrize("protocol", [2, 4])
def test_plain_pickles_are_read_too(tmp_path, protocol):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([Foreign()], protocol=protocol))
    assert NAME in foreign_classes(tmp_path / "a.pkl")


def test_what_is_no_pickle_names_nothing(tmp_path):
    (tmp_path / "a").write_bytes(bytes(range(256)))
    (tmp_path / "b").write_bytes(b"PK\x03\x04" + bytes(64))
    assert foreign_classes(tmp_path / "a") == foreign_classes(tmp_path / "b") == []
