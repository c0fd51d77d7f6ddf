"""Files of features: npz, or Parquet where pyarrow is installed."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from common.cli import UserError
from common.data.pickles import write_bytes
from webemotion.lists import Label

PARQUET = (".parquet", ".pq")


@dataclass
class Features:
    """What a file of features holds.

    Attributes:
        paths: of the images, text [n].
        values: float32 [n, F].
        labels: as in the list they come from.
    """

    paths: np.ndarray
    values: np.ndarray
    labels: list[Label]


def check_target(path: Path) -> None:
    """Refuse a file that exists, or whose form is unknown, before anything is computed.

    Raises:
        UserError: see above.
    """
    if path.suffix not in (".npz", ".json", *PARQUET):
        raise UserError(f"{path} has the form '{path.suffix}'; expected .npz or .parquet.")
    if path.exists():
        raise UserError(f"{path} exists and is left as it is; give another name.")


def write_features(features: Features, path: Path) -> None:
    """Write features in one step; the suffix decides the form."""
    labels = [json.dumps(label) for label in features.labels]
    buffer = io.BytesIO()
    if path.suffix in PARQUET:
        table = pd.DataFrame({"path": features.paths.tolist(), "label": labels})
        table["feature"] = list(features.values)
        try:
            table.to_parquet(buffer, index=False)
        except ImportError:
            raise UserError(
                f"{path}: Parquet needs pyarrow, which is not installed: pip install pyarrow, or "
                "write .npz."
            ) from None
    else:
        arrays = {"paths": features.paths, "features": features.values}
        np.savez(buffer, labels=np.array(labels, dtype=np.str_), **arrays)
    write_bytes(buffer.getvalue(), path)


def read_features(path: Path) -> Features:
    """Read what :func:`write_features` wrote.

    Raises:
        UserError: missing or damaged file, or one of another form.
    """
    if not path.is_file():
        raise UserError(f"there are no features at {path}; write them with `extract`.")
    try:
        if path.suffix in PARQUET:
            table = pd.read_parquet(path)
            paths, labels = table["path"].to_numpy(np.str_), table["label"].tolist()
            values = np.stack(table["feature"].to_list())
        else:
            with np.load(path, allow_pickle=False) as held:
                paths, values, labels = held["paths"], held["features"], held["labels"].tolist()
        return Features(paths, values.astype(np.float32), [json.loads(text) for text in labels])
    except (OSError, KeyError, ValueError, ImportError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is no file of features ({error}).") from None
