"""The lexicon in the forms it is handed around in."""

import numpy as np
import pytest

from common.cli import UserError
from common.datasets.lexicon import from_arrays, read_lexicon

ROWS = [("calm", 0.875, 0.1, 0.5), ("null", 0.25, 0.5, 0.5), ("Awe", 1.0, 0.0, 0.5)]


def text(separator: str, header: str = "", scale=lambda x: x) -> str:
    lines = [separator.join((w, *(str(scale(x)) for x in vad))) for w, *vad in ROWS]
    return "\n".join(([header] if header else []) + lines) + "\n"


@pytest.mark.parametrize(
    "content",
    [
        text("\t"),
        text("\t", "Word\tValence\tArousal\tDominance"),
        text(","),
        text(",", "term,valence,arousal,dominance"),
        text("\t", "term\tvalence\tarousal\tdominance", lambda x: 2 * x - 1),
        "\ufeff" + text("\t").replace("\n", "\r\n") + "\r\n",
    ],
    ids=["tabs", "tabs and header", "commas", "commas and header", "release 2.1", "BOM and CRLF"],
)
def test_every_form_gives_the_same_points(tmp_path, content):
    (tmp_path / "lexicon.txt").write_text(content, encoding="utf-8", newline="")
    lexicon = read_lexicon(tmp_path / "lexicon.txt")
    # x * 8 + 1; 'null' is a word, not a missing value
    points = lexicon.points(("calm", "null", "Awe"))
    assert points == pytest.approx(np.array([[8.0, 1.8], [3.0, 5.0], [9.0, 1.0]]))


def test_column_order_of_a_header_counts(tmp_path):
    (tmp_path / "l.csv").write_text("arousal,word,dominance,valence\n0.0,calm,0.5,1.0\n")
    assert read_lexicon(tmp_path / "l.csv").points(("calm",)).tolist() == [[9.0, 1.0]]


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("calm\t0.5\t0.5\t0.5\njoy\t0.5\t0.5\n", ["line 2", "3 fields"]),
        ("calm\t0.5\t0.5\t0.5\njoy\thigh\t0.5\t0.5\n", ["line 2", "'high'"]),
        ("calm\t0.5\t0.5\t0.5\njoy\tnan\t0.5\t0.5\n", ["line 2", "'nan'"]),
        ("calm\t5.5\t0.5\t0.5\n", ["line 1", "'5.5'", "-1 to 1"]),
        ("calm\t0.5\n", ["line 1", "2 fields"]),
        ("word\tpleasure\tarousal\tdominance\ncalm\t0.5\t0.5\t0.5\n", ["no column valence"]),
        ("\t0.5\t0.5\t0.5\n", ["line 1", "word is missing"]),
        ("\n\n", ["empty"]),
    ],
)
def test_damage_is_named_by_file_and_line(tmp_path, content, parts):
    (tmp_path / "lexicon.txt").write_text(content)
    with pytest.raises(UserError) as told:
        read_lexicon(tmp_path / "lexicon.txt")
    assert all(part in str(told.value) for part in ["lexicon.txt", *parts])


def test_no_text_is_named_by_line(tmp_path):
    (tmp_path / "lexicon.txt").write_bytes(b"calm\t0.5\t0.5\t0.5\n\xff\xfe\n")
    with pytest.raises(UserError, match="line 2"):
        read_lexicon(tmp_path / "lexicon.txt")


def test_first_row_counts_unless_words_must_be_unique():
    lexicon = from_arrays(np.array(["joy", "joy"]), np.array([[1.0, 0, 0], [0.0, 0, 0]]))
    assert lexicon.points(("joy",)).tolist() == [[9.0, 1.0]]
    with pytest.raises(UserError, match="lines 1, 2"):
        lexicon.points(("joy",), unique=True)


def test_class_name_is_tried_in_lower_case():
    lexicon = from_arrays(np.array(["awe"]), np.array([[0.5, 0.5, 0.5]]))
    assert lexicon.points(("Awe",)).tolist() == [[5.0, 5.0]]
    with pytest.raises(UserError, match="'wonder'"):
        lexicon.points(("wonder",))
