"""The files that a configuration names: what is not there, and the command that makes it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from common.cli import UserError
from webemotion.catalogue import SCRIPTS
from webemotion.config import Config

TWIN = "python -m common.datasets twin webtags --out data/webtags"
SCRIPT = "python webemotion/{}.py --config_file webemotion/scripts/{}_config.json"
TAGS = SCRIPT.format(
    "mains/main_mclss_cross_entropy_v3",
    "Adobe_Selected690_MultiClass_CrossEntropy_tag_based_v3",
)
BRANCHES = SCRIPT.format("mains/main_mclss_2Branch_cosine", "Adobe_Selected690_2Branch")
JOINT = SCRIPT.format("mains_exp/main_mclss_2Branch_Joint", "Adobe_Selected690_Joint")
MADE_BY = {
    **dict.fromkeys(("train_file", "val_file", "data_dir", "text_embed", "idx2tag"), TWIN),
    **dict.fromkeys(("emotic_file", "emotic_dir"), TWIN),
    "text_ckpt": (
        "python -m webemotion.text.train --num_classes 690 --train_file "
        "data/webtags/data_v6_690_xmas/CNNsplit_tag_label_tag_full_train.pkl "
        "--tag2idx data/webtags/vocabulary/tag2idx.pkl --out {value}"
    ),
    "tag_embeddings": "python -m webemotion.text.embed --text_ckpt {text_ckpt} --out {value}",
}
"""Key that names a file or folder -> the command that makes it."""
TEXT_MODEL = "models/model_best.pth.tar"
"""The text model that stands for one where a configuration names none."""
FILES = ("train_file", "val_file", "data_dir", "text_ckpt", "text_embed", "idx2tag")
FILES += ("tag_embeddings", "visual_model", "resume", "emotic_file", "emotic_dir")


def require_files(config: Config, names: Iterable[str], script: str) -> None:
    """Refuse to start without a file or folder that the configuration names.

    Args:
        names: keys in the order in which they are looked at.

    Raises:
        UserError: names the first one that is not there and the command that makes it.
    """
    for name in names:
        value = getattr(config, name, None)
        if value is None or Path(value).exists():
            continue
        raise UserError(
            f"{name} of {config.path}, {value}, is not there; make it with "
            f"`{_maker(config, name, value, script)}`{_or_real(name)}."
        )


def _maker(config: Config, name: str, value: str, script: str) -> str:
    if name in ("resume", "visual_model"):
        folder = Path(value).parent
        made = folder / "model_best.pth.tar"
        copied = "" if Path(value) == made else f" && cp {made} {value}"
        return f"{_stage_before(script)} --set save_directory={folder}{copied}"
    if name == "tag_embeddings":
        text = config.text_ckpt or TEXT_MODEL
        command = MADE_BY[name].format(text_ckpt=text, value=value)
        trained = "" if Path(text).exists() else _maker(config, "text_ckpt", text, script) + " && "
        return trained + command
    family = " --family v2 --model TextCNN_NLT" if SCRIPTS[script].text == "transformed" else ""
    return MADE_BY[name].format(value=value) + (family if name == "text_ckpt" else "")


def _stage_before(script: str) -> str:
    """The command whose checkpoint a script starts from."""
    row = SCRIPTS[script]
    if row.task == "train" and row.text:
        return TAGS
    if row.heads == "joint":
        return JOINT
    return BRANCHES if row.heads == "2branch" or "2Branch" in script else TAGS


def _or_real(name: str) -> str:
    if MADE_BY.get(name) == TWIN:
        return " (a drawn stand-in), or give the path of your own"
    return ", or give the path of your own"
