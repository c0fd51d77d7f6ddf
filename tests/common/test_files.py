"""Writing a file or a folder whole or not at all."""

import pytest

from common.files import replacing, replacing_folder


def test_file_appears_when_the_block_has_ended(tmp_path):
    path = tmp_path / "new" / "table.csv"
    with replacing(path) as part:
        part.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole" and list(path.parent.iterdir()) == [path]


def test_what_was_there_stays_after_an_error(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("before")
    with pytest.raises(KeyError), replacing(path) as part:
        part.write_text("half")
        raise KeyError
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]


def test_folder_takes_the_place_of_another_when_the_block_has_ended(tmp_path):
    path = tmp_path / "new" / "data"
    for name in ("first", "second"):
        with replacing_folder(path) as part:
            (part / name).write_text("whole")
        assert [p.name for p in path.iterdir()] == [name]
    assert list(path.parent.iterdir()) == [path]


def test_folder_that_was_there_stays_after_an_error(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/mine").write_text("before")
    with pytest.raises(KeyError), replacing_folder(tmp_path / "data") as part:
        (part / "half").write_text("half")
        raise KeyError
    assert [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*")] == [
        "data",
        "data/mine",
    ]
