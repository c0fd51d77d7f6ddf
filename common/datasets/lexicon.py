"""NRC-VAD: valence, arousal and dominance of words, in the forms it is handed around in.

The lexicon is not part of this project: https://saifmohammad.com/WebPages/nrc-vad.html gives it
for research. Drawn stand-in data bring a small made-up one along.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from common.cli import UserError
from common.datasets.readers.table import column, numbers, read_delimited

log = logging.getLogger(__name__)

MADE_UP = "made_up_stand_in_lexicon"
"""A word that only made-up lexicons hold."""
EXPECTED = (
    "NRC-VAD lines 'word, valence, arousal, dominance', separated by tabs or commas, with or "
    "without a header"
)


@dataclass(frozen=True)
class Lexicon:
    """Words with valence, arousal and dominance.

    Attributes:
        table: columns ``word``, ``valence``, ``arousal``, ``dominance`` (0..1), indexed by line.
        source: where it was read.
    """

    table: pd.DataFrame
    source: str = "lexicon"

    @property
    def made_up(self) -> bool:
        """Whether this is the stand-in of drawn data."""
        return bool((self.table["word"] == MADE_UP).any())

    def points(self, words: tuple[str, ...], unique: bool = False) -> np.ndarray:
        """Valence and arousal of words on the scale 1..9 (x · 8 + 1), float64 [n, 2].

        Args:
            words: as the lexicon writes them; lower case is tried where that fails.
            unique: refuse words that stand twice; otherwise their first row counts.

        Raises:
            UserError: a word is missing, or stands twice.
        """
        rows = []
        for word in words:
            hits = self.table[self.table["word"] == word]
            if hits.empty:
                hits = self.table[self.table["word"] == word.lower()]
            if hits.empty:
                raise UserError(
                    f"{self.source} has no row for the word '{word}', which is the name of a "
                    "class; add it or rename the class folder."
                )
            if unique and len(hits) > 1:
                lines = ", ".join(map(str, hits.index))
                raise UserError(
                    f"{self.source} has the word '{word}' in the lines {lines}; keep one of them."
                )
            rows.append(hits.iloc[0][["valence", "arousal"]].to_numpy(np.float64))
        return np.stack(rows) * 8 + 1


def from_arrays(words: np.ndarray, vad: np.ndarray, source: str = "lexicon") -> Lexicon:
    """A lexicon from words [n] and their values in 0..1, float64 [n, 3]."""
    table = pd.DataFrame(np.asarray(vad, np.float64), columns=["valence", "arousal", "dominance"])
    table.insert(0, "word", [str(word) for word in words])
    table.index += 1
    return Lexicon(table, source)


def read_lexicon(path: Path) -> Lexicon:
    """Read the lexicon in any of its forms.

    Tab-separated without header (release 1), with header, comma-separated, or on the scale −1..1
    of release 2.1, which is recognised by its negative values and brought to 0..1.

    Raises:
        UserError: missing file, a line of another form, a value outside the scale.
    """
    if not Path(path).is_file():
        raise UserError(
            f"there is no lexicon at {path}; get NRC-VAD (free for research, "
            "https://saifmohammad.com/WebPages/nrc-vad.html) and put it there, or draw stand-in "
            "data with a made-up one: `python -m common.datasets twin va --out data/va`."
        )
    frame = read_delimited(path, EXPECTED, header=None)
    if 0 in frame.columns:
        if len(frame.columns) != 4:
            raise UserError(
                f"{path}, line {frame.index[0]}: {len(frame.columns)} fields, expected {EXPECTED}."
            )
        frame.columns = ["word", "valence", "arousal", "dominance"]
    else:
        names = (("word", "term"), ("valence", "v"), ("arousal", "a"), ("dominance", "d"))
        frame = frame[[column(frame, path, options) for options in names]]
        frame.columns = ["word", "valence", "arousal", "dominance"]
    nameless = frame.index[frame["word"] == ""]
    if len(nameless):
        raise UserError(f"{path}, line {nameless[0]}: the word is missing; expected {EXPECTED}.")
    values = np.stack([numbers(frame[n], path, -1, 1) for n in frame.columns[1:]], axis=1)
    if (values < 0).any():
        log.info("%s: values on the scale -1..1 (release 2.1), brought to 0..1", path)
        values = (values + 1) / 2
    lexicon = from_arrays(frame["word"].to_numpy(), values, str(path))
    lexicon.table.index = frame.index
    if lexicon.made_up:
        log.warning("%s is a MADE-UP stand-in for a lexicon: its values mean nothing.", path)
    return lexicon
