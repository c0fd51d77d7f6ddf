"""Pickles of data: what is plain comes back, what is not is refused by its name."""

import datetime
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from common.cli import UserError
from common.data import pickles

PLAIN = {
    "list": [["a/b.jpg", [3, 17]], ("c.jpg", -1)],
    "numbers": (1, 2.5, 1 + 2j, 2**70, True, None),
    "text": "naïve 微笑",
    "bytes": b"\x00\xff",
    "sets": {1, 2},
    "order": OrderedDict([("z", 1), ("a", 2)]),
}

# What Python 2's cPickle writes for {'tag': 'na\xc3\xafve', 'n': 3L}, protocols 0 and 2.
OLD_TEXT = b"(dp0\nS'tag'\np1\nS'na\\xc3\\xafve'\np2\nsS'n'\np3\nL3L\ns."
OLD_BINARY = b"\x80\x02}q\x00(U\x03tagq\x01U\x06na\xc3\xafveq\x02U\x01nq\x03\x8a\x01\x03u."
# numpy.array([1.0, -2.0]) of Python 2 and NumPy 1, protocol 2: the bytes stand in a str.
OLD_ARRAY = (
    b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85U\x01b"
    b"\x87Rq\x03(K\x01K\x02\x85cnumpy\ndtype\nq\x04U\x02f8K\x00K\x01\x87Rq\x05(K\x03U\x01<NNNJ"
    b"\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x10" + np.array([1.0, -2.0]).tobytes() + b"tb."
)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_data_comes_back(tmp_path, protocol):
    file = tmp_path / "plain.pkl"
    file.write_bytes(pickle.dumps(PLAIN, protocol))
    assert pickles.load(file) == PLAIN
    assert isinstance(pickles.load(file)["order"], OrderedDict)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_come_back(tmp_path, protocol):
    values = {"v": np.arange(6.0).reshape(2, 3), "one": np.float32(2.5), "i": np.arange(3)}
    file = tmp_path / "arrays.pkl"
    file.write_bytes(pickle.dumps(values, protocol))
    read = pickles.load(file)
    assert np.array_equal(read["v"], values["v"]) and read["one"] == np.float32(2.5)
    assert read["i"].dtype == values["i"].dtype


@pytest.mark.parametrize("content", [OLD_TEXT, OLD_BINARY])
def test_python_2_text_is_read_as_utf8(content):
    assert pickles.loads(content) == {"tag": "naïve", "n": 3}


def test_python_2_array_keeps_its_bytes():
    assert pickles.loads(OLD_ARRAY).tolist() == [1.0, -2.0]


class Attack:
    """Would write a file when it is read."""

    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


@pytest.mark.parametrize("protocol", (0, 2, 5))
def test_code_is_refused_by_name_and_does_not_run(tmp_path, protocol):
    file, target = tmp_path / "evil.pkl", tmp_path / "ran"
    file.write_bytes(pickle.dumps([["a.jpg", Attack(target)]], protocol))
    with pytest.raises(UserError, match=r"evil\.pkl holds .*(getattr|Path|touch).*refused"):
        pickles.load(file)
    assert not target.exists()


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"cos\nsystem\n(S'true'\ntR.", "os.system"),
        (b"c__builtin__\neval\n(S'1'\ntR.", "__builtin__.eval"),
        (b"cnumpy\nload\n(S'x'\ntR.", "numpy.load"),
        (b"cnumpy.core.numeric\narange\n(I1\ntR.", "arange"),
        (b"c_codecs\nencode\n(S'x'\nS'rot13'\ntR.", "_codecs.encode"),
        (b"Psomewhere\n.", "persistent id"),
        (pickle.dumps(datetime.date(2020, 1, 1)), "datetime.date"),
    ],
)
def test_other_objects_are_refused_by_name(tmp_path, content, name):
    file = tmp_path / "list.pkl"
    file.write_bytes(content)
    with pytest.raises(UserError, match=name):
        pickles.load(file)


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps(PLAIN)[:-20]])
def test_damage_is_told_in_a_sentence(tmp_path, content):
    file = tmp_path / "list.pkl"
    file.write_bytes(content)
    with pytest.raises(UserError, match="no readable pickle"):
        pickles.load(file)


def test_missing_file_is_told(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        pickles.load(tmp_path / "none.pkl")


def test_saving_is_whole_or_nothing(tmp_path):
    file = tmp_path / "deep" / "list.pkl"
    pickles.save([["a.jpg", 1]], file)
    assert pickle.loads(file.read_bytes()) == [["a.jpg", 1]]
    with pytest.raises(AttributeError):
        pickles.save([lambda: 0], file)
    assert pickles.load(file) == [["a.jpg", 1]] and len(list(file.parent.iterdir())) == 1


class Forged:
    """Pickles as a call of `maker` with `arguments`, then a state."""

    def __init__(self, maker, arguments, state=None):
        self.parts = (maker, arguments) if state is None else (maker, arguments, state)

    def __reduce__(self):
        return self.parts


HIDDEN = np.dtype([("a", "O")])
RECONSTRUCT = np.zeros(1).__reduce__()[0]


@pytest.mark.parametrize(
    "value",
    [
        np.zeros(2, HIDDEN),  # a type that hides objects
        np.zeros(2, "M8[s]"),
        np.dtype("f8"),
        Forged(RECONSTRUCT, (np.ndarray, (0,), b"b"), (1, (2,), np.dtype("f8"), False, b"\0" * 8)),
        Forged(RECONSTRUCT, (np.ndarray, (0,), b"b"), (1, (10**12,), np.dtype("f8"), False, b"")),
        Forged(RECONSTRUCT, (np.ndarray, (0,), b"b"), (1, (1,), np.dtype("O"), False, b"\1" * 8)),
        Forged(RECONSTRUCT, (np.ndarray, (0,), b"b"), (1, (1,), np.dtype("f8"), False, [1])),
        Forged(RECONSTRUCT, (np.ndarray, (0,), b"b"), (1, (-1,), np.dtype("f8"), False, b"")),
        Forged(np.dtype, ("f8", False, True), (3, "<", None, ("a",), {"a": (HIDDEN, 0)}, 8, 1, 0)),
        Forged(bytes, (10**13,)),
        Forged(bytearray, (10**13,)),
    ],
)
def test_types_and_sizes_that_a_file_makes_up_are_refused(tmp_path, value):
    path = tmp_path / "list.pkl"
    path.write_bytes(pickle.dumps([["a.jpg", value]], protocol=2))
    with pytest.raises(UserError, match=r"list\.pkl"):
        pickles.load(path)


def test_references_to_references_take_no_time(tmp_path):
    nested = ["a.jpg"]
    for _ in range(100):
        nested = [nested, nested]
    path = tmp_path / "list.pkl"
    path.write_bytes(pickle.dumps(nested, protocol=2))
    seen = pickles.load(path)
    assert seen[0] is seen[1]


def test_arrays_of_every_plain_kind_come_back():
    for value in (
        np.arange(6).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array(["ä", "bb"]),
        np.array([b"a", b"bb"]),
        np.arange(3, dtype=">i2"),
        np.array([True, False]),
        np.zeros((0, 3)),
        np.array(5),
        np.array(["x", None, [1]], dtype=object),
    ):
        for protocol in range(6):
            seen = pickles.loads(pickle.dumps(value, protocol))
            assert (seen.dtype, seen.shape) == (value.dtype, value.shape)
            assert seen.tolist() == value.tolist() and seen.flags.writeable
