"""Adapters of the webemotion kinds about the released datasets."""

from __future__ import annotations

import numpy as np

from benchmarks.parity.cases import Case, adapter
from common.datasets.readers.se30k8 import shares
from webemotion.class_names import CLASSES
from webemotion.dataset_release import links


@adapter("webemotion/amt_labels")
def amt_labels(case: Case) -> dict:
    """Shares of the votes, and the one label, of every image."""
    p = case.params
    rows = [shares(image, p["thres"], "an image") for image in p["annotations"]]
    labels, of_votes = zip(*rows, strict=True)
    return {
        "multilabel": np.stack(of_votes),
        "singlelabel": np.array(labels, dtype=np.int64),
        "names": np.array(CLASSES["se30k8"], dtype=np.str_),
    }


@adapter("webemotion/url_240")
def url_240(case: Case) -> dict:
    """Links to previews."""
    return {"urls": np.array([links.preview_url(u) for u in case.params["urls"]], dtype=np.str_)}
