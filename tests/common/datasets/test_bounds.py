"""Files that are not what they should be end in a sentence, soon, whatever they hold."""

import gzip
import json
import os
import random
import tarfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from common.cli import UserError
from common.data.images import DECODE_ERRORS, decode
from common.datasets.prepare import unpack
from common.datasets.readers import emotic, lists, matlab, table
from common.files import is_file, read_json, read_text, read_yaml

DEEP = "[" * 100_000 + "]" * 100_000
BOMB = "a: &a [x,x]\n" + "".join(
    f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "100"))


@pytest.mark.parametrize(
    ("read", "content", "told"),
    [
        (read_json, DEEP, "nested too deeply"),
        (read_json, '{"a": ', "is not valid JSON (line 1"),
        (read_json, b"\xff\xfe{}", "line 1: this is no UTF-8 text"),
        (read_json, "9" * 5000, "cannot be read"),
        (read_yaml, BOMB, "a reference (*name) is not read"),
        (read_yaml, "a: [", "is not valid YAML"),
        (read_yaml, "[" * 5000, "is not valid YAML"),
        (read_text, b"caf\xe9", "no UTF-8 text"),
        (
            lambda p, e: table.read_delimited(p, e),
            "path,v\n" + "x" * 200_000 + ",1\n",
            "field larger",
        ),
        (table.read_delimited, "path,v,v\na,1,2\n", "has the column v twice"),
        (table.read_delimited, " , \n", "no field that is not blank"),
        (lambda p, e: lists.numbered_classes(p), "a.jpg ²\n", "a.jpg"),
        (lambda p, e: lists.numbered_classes(p), "a.jpg 1000000000000\n", "1000000000000"),
    ],
)
def test_damaged_files_are_told(tmp_path, read, content, told):
    file = tmp_path / "given"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError) as error:
        read(file, "a list")
    assert told in str(error.value)


@pytest.mark.parametrize("label", ["1000000000000", "²", "9" * 5000])
def test_labels_that_are_no_class_number(label):
    with pytest.raises(UserError, match=r"expected a number from 0|would mean"):
        lists._numbered({"train": [lists.Entry("a.jpg", label)]}, None)


def test_a_tar_bomb_is_refused_before_it_is_unpacked(tmp_path):
    archive, out = tmp_path / "a.tar.gz", tmp_path / "out"
    header = tarfile.TarInfo("a.jpg")
    header.size = 1 << 40
    archive.write_bytes(gzip.compress(header.tobuf() + bytes(1024)))
    out.mkdir()
    with pytest.raises(UserError, match="times its packed size"):
        unpack(archive, out)
    assert not list(out.iterdir())


def test_pipes_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(UserError, match="is no regular file"):
        read_text(tmp_path / "pipe.jpg", "a list")
    with pytest.raises(DECODE_ERRORS):
        decode(tmp_path / "pipe.jpg")
    assert not is_file(tmp_path / "pipe.jpg") and not is_file("x" * 300) and not is_file("a\0b")


@pytest.fixture(scope="module")
def mat(tmp_path_factory):
    """EMOTIC's form, two images with a person each."""
    person = {
        "body_bbox": [1.0, 2.0, 30.0, 40.0],
        "annotations_categories": {"categories": np.array(["Peace", "Esteem"], dtype=object)},
        "annotations_continuous": {"valence": 5.0, "arousal": 4.0, "dominance": 6.0},
    }
    entry = {"folder": "mscoco/images", "filename": "a.jpg", "person": person}
    file = tmp_path_factory.mktemp("mat") / "Annotations.mat"
    savemat(file, {name: [entry, entry] for name in ("train", "val", "test")})
    return file


def test_matlab_files_are_read_by_another_process(mat):
    splits = emotic.read_splits(mat)
    assert {name: len(entries) for name, entries in splits.items()} == dict.fromkeys(splits, 2)
    box, labels, values = emotic.read_person(splits["train"][0].person)
    assert box == [1, 2, 30, 40] and len(labels) == 2 and values == [5, 4, 6]


@pytest.mark.slow
def test_mutated_matlab_files_end_in_a_sentence(mat, tmp_path):
    whole, draw = mat.read_bytes(), random.Random(0)
    for _ in range(6):
        mutated = bytearray(whole)
        for _ in range(draw.randrange(1, 30)):
            mutated[draw.randrange(128, len(mutated))] = draw.randrange(256)
        (tmp_path / "m.mat").write_bytes(mutated)
        try:
            for entries in emotic.read_splits(tmp_path / "m.mat").values():
                for entry in entries:
                    emotic._image(entry, tmp_path, mat)
        except UserError:
            pass


def test_a_reader_that_crashes_is_a_sentence(mat, monkeypatch, tmp_path):
    crash = tmp_path / "crash.py"
    crash.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    run = matlab.subprocess.run
    monkeypatch.setattr(
        matlab.subprocess, "run", lambda words, **how: run([words[0], str(crash)], **how)
    )
    with pytest.raises(UserError, match="its reader crashed"):
        matlab.read(mat)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)
READERS = {
    "list.json": lists.read_entries,
    "list.jsonl": lists.read_entries,
    "list.txt": lists.read_entries,
    "table.csv": lambda p: table.read_delimited(p, "a table"),
    "text": lambda p: lists.numbered_classes(p),
    "config.json": lambda p: read_json(p, "a configuration"),
    "flags.yaml": lambda p: read_yaml(p, "flags"),
}


@pytest.mark.parametrize("name", READERS)
@settings(
    max_examples=EXAMPLES,
    deadline=10_000,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(content=st.binary(max_size=400) | st.text(max_size=400) | VALUES.map(json.dumps))
def test_readers_end_in_a_sentence_or_a_value(tmp_path, name, content):
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "replace"))
    try:
        READERS[name](file)
    except UserError as error:
        assert str(file) in str(error) or name in str(error)
