"""Every published script in one table: what it trains or evaluates, on which network, from what.

``mains/<name>.py`` and its siblings are a few lines that name themselves; all they do differently
stands in their row here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

PAIR = ("trainloader", "valloader")
TEXT_SIZE = ("sent_len", "word_dim", "filter_dim")


@dataclass(frozen=True)
class Script:
    """One published script.

    Attributes:
        does: what it does, in a few words.
        task: ``train``, ``zero_shot`` or ``features``.
        method: key of :data:`webemotion.method.METHODS`; empty unless it trains.
        heads: the network's heads: ``fc``, ``2branch``, ``joint``, ``3branch`` or ``none``.
        text: the frozen text side, key of :data:`webemotion.text_side.SIDES`; None without.
        metric: what validation reports: ``hits``, ``strongest``, ``top1`` or ``map``.
        top_k: the second k of the reported accuracies: a number, ``half`` or None.
        start: how starting weights are read, key of :data:`webemotion.checkpoints.POLICIES`.
        required: keys its configuration must have, beyond ``num_classes``.
        optional: keys it may have, beyond those that every script reads.
        saves: epochs that are written: ``every`` (and the best apart), ``improvements`` alone, or
            ``all_best``: every epoch counts as best.
        saves_text_head: the checkpoint also holds the joint text head, as ``text_state_dict``.
        meant: for a script that cannot start as published, what it presumably meant.
    """

    does: str
    task: str = "train"
    method: str = "soft"
    heads: str = "fc"
    text: str | None = None
    metric: str = "hits"
    top_k: int | str | None = None
    start: str = "proper"
    required: tuple[str, ...] = PAIR
    optional: tuple[str, ...] = ()
    saves: str = "every"
    saves_text_head: bool = False
    meant: str = ""


_TAGS = Script("690 tags by soft cross-entropy")
_COSINE = Script(
    "classes, and the projection near the sentence embedding",
    method="cosine",
    heads="2branch",
    text="sentence",
    start="training",
    required=("text_ckpt", *PAIR),
    optional=("alpha", *TEXT_SIZE),
)
_JOINT = replace(
    _COSINE,
    does="one space for images and sentences, with a text head of its own",
    method="joint",
    heads="joint",
    text="joint",
)
_AVERAGE = Script(
    "classes, and the projection near the average word vector",
    method="cosine",
    heads="2branch",
    text="average",
    start="all",
    required=("text_embed", "idx2tag", *PAIR),
    optional=("alpha", "visual_model", "word_dim"),
)
_ONE_BRANCH = replace(
    _AVERAGE,
    does="the projection near the average word vector, nothing else",
    method="one_branch",
    optional=("visual_model", "word_dim"),
    saves="all_best",
)
_FINETUNE = Script(
    "fine-tuning on single labels from a checkpoint without its fc",
    method="single",
    metric="top1",
    start="no_fc",
    required=("dataloader",),
    optional=("save_best_only",),
)
_FINETUNING = replace(
    _FINETUNE,
    does="fine-tuning on single labels, the newer form",
    start="finetuning",
    required=PAIR,
    optional=("save_best_only", "ckpts_dir"),
    saves="improvements",
)
_ZERO_SHOT = Script(
    "zero-shot by the nearest label word",
    task="zero_shot",
    method="",
    heads="2branch",
    start="no_fc",
    required=("tag_embeddings", "val_file", "data_dir"),
    optional=("train_file", "dataloader", "valloader", "save_best_only"),
)
_EMOTIC = replace(
    _ZERO_SHOT,
    does="zero-shot on EMOTIC's person crops, mean over the words of a category",
    required=("tag_embeddings",),
    optional=(*_ZERO_SHOT.optional, "val_file", "data_dir", "emotic_file", "emotic_dir"),
)
_SENTENCE = replace(
    _EMOTIC,
    does="zero-shot on EMOTIC by one sentence per category",
    text="sentence",
    required=(),
    optional=(*_EMOTIC.optional, "tag_embeddings", "text_ckpt", *TEXT_SIZE),
)
_RAW = replace(
    _ZERO_SHOT,
    does="zero-shot on EMOTIC by plain word vectors",
    start="strict",
    required=("text_embed", "val_file", "data_dir"),
    optional=("visual_model", "emotic_file", "emotic_dir", "valloader", "word_dim"),
)
_WORDS = replace(
    _RAW,
    does="zero-shot on EMOTIC by the text model's word features",
    text="transformed",
    required=("text_ckpt", "val_file", "data_dir"),
    optional=(*_RAW.optional, *TEXT_SIZE),
)
_FEATURES = Script(
    "write pooled features of an image list",
    task="features",
    method="",
    heads="none",
    start="no_fc",
    required=(),
    optional=("ckpts_dir", "individual_feat", "val_file", "data_dir", "dataset", "rel_path_depth"),
)

SCRIPTS: dict[str, Script] = {
    "mains/main_mclss_cross_entropy_v3": _TAGS,
    "mains/main_mclass_cross_entropy_v2": replace(
        _TAGS,
        required=("dataloader",),
        meant="named by the README and absent: as v3, with one loader name for both lists",
    ),
    "mains_baselines/main_mclss_cross_entropy": _TAGS,
    "mains_ablation/main_mclss_cross_entropy_top1": replace(
        _TAGS,
        does="690 tags, accuracy against the strongest label",
        metric="strongest",
        start="all",
        optional=("visual_model",),
    ),
    "mains/main_mclss_2Branch_cosine": _COSINE,
    "mains/main_mclss_2Branch_SelfAttention": replace(
        _COSINE,
        does="classes, and the projection near the words it attends to",
        method="attention",
        text="sentence_words",
    ),
    "mains/main_mclss_2Branch_Joint": replace(
        _JOINT,
        meant="text head with as many classes as the images have, since both share one target",
    ),
    "mains_exp/main_mclss_2Branch_Joint": replace(
        _JOINT,
        does="as mains/, the text head after the text model's own softmax",
        method="joint_exp",
        saves_text_head=True,
    ),
    "mains_v2/main_mclss_2Branch": replace(
        _COSINE,
        does="classes, and the projection near the average of the transformed words",
        text="transformed",
        start="all",
    ),
    "mains_v2/main_mclss_3Branch": replace(
        _COSINE,
        does="two branches and a head that learns the text model's 8 emotions",
        method="three_branch",
        heads="3branch",
        text="transformed",
        start="all",
        optional=("alpha", "beta", *TEXT_SIZE),
    ),
    "mains_v2/main_Cls690+Distll690": Script(
        "tags mixed with what the text model predicts",
        method="distill",
        text="transformed",
        start="all",
        required=("text_ckpt", "text_embed", "idx2tag", *PAIR),
        optional=(*TEXT_SIZE, "max_length"),
    ),
    "mains_v2/main_Avggooglenews+ClswithSoftNEpred": Script(
        "mixed tags, and the projection near the average word vector",
        method="soft_ne",
        heads="2branch",
        text="transformed",
        start="all",
        required=("text_ckpt", "text_embed", "idx2tag", *PAIR),
        optional=("alpha", *TEXT_SIZE, "max_length"),
    ),
    "mains_ablation/main_mclss_2Branch_AvgW2v": _AVERAGE,
    "mains_ablation/main_mclss_1Branch_AvgW2v": _ONE_BRANCH,
    "mains_ablation/main_mclss_1Branch_AvgW2v_halfedited": replace(
        _ONE_BRANCH,
        optional=(*_ONE_BRANCH.optional, "text_ckpt"),
        meant="to train whole epochs (it returns after one batch) from the checkpoint's state_dict "
        "(it reads a mistyped key)",
    ),
    "mains/main_sclss_cross_entropy": replace(
        _FINETUNE,
        does="single labels that are given as lists of one",
        top_k=3,
        start="proper",
        required=("dataset",),
    ),
    "mains/main_deepemotion": replace(
        _FINETUNE,
        does="DeepEmotion from ImageNet weights",
        top_k="half",
        start="proper",
        required=("dataset",),
        meant="the options module of its siblings, and args.dataset['name'] where it reads "
        "attributes of a dictionary",
    ),
    "mains/main_sclss_cross_entropy_finetune": _FINETUNE,
    "mains/main_sclss_2Branch_finetune": _FINETUNE,
    "mains_ablation/main_finetune30K": _FINETUNE,
    "mains_exp/main_sclss_Joint_finetune": replace(
        _FINETUNE, does="fine-tuning of the joint network's first output", heads="joint"
    ),
    "mains_finetuning/main_sclss_cross_entropy_finetune": _FINETUNING,
    "mains_finetuning/main_sclss_mAP_eval_cross_entropy_finetune": replace(
        _FINETUNING, does="the same, judged by mean average precision", metric="map"
    ),
    "mains_finetuning/main_mclss_cross_entropy_finetune": replace(
        _FINETUNING,
        does="multi-label fine-tuning (EMOTIC, SE30K8), judged by mean average precision",
        method="soft",
        metric="map",
    ),
    "mains/main_sclss_2Branch_0Shot_Evaluation_DeepEmotion": _ZERO_SHOT,
    "mains/main_sclss_2Branch_0Shot_Evaluation_UnBiasedEmotion": _ZERO_SHOT,
    "mains/main_sclss_2Branch_0Shot_Evaluation_EMOTIC_SingleEmotion_Full_WordAvg": _EMOTIC,
    "mains_zeroshot_v2/main_sclss_0Shot_Evaluation_EMOTIC_SingleEmotion_Full_WordAvg_old": _EMOTIC,
    "mains/main_sclss_2Branch_0Shot_Evaluation_EMOTIC_SingleEmotion_SentenceBased": replace(
        _SENTENCE,
        meant="the sentence model its joint sibling imports, and the tokens given to it instead "
        "of to the image network",
    ),
    "mains/main_sclss_2Branch_0Shot_Evaluation_EMOTIC_SingleEmotion_WordMax": replace(
        _EMOTIC,
        does="zero-shot on EMOTIC, the best word of the category Peace",
        meant="the loop over the one category Peace; the rest of it cannot run",
    ),
    "mains/main_sclss_Joint_0Shot_Evaluation_EMOTIC_SingleEmotion_SentenceBased": replace(
        _SENTENCE, does="the same through the joint text head", heads="joint"
    ),
    "mains_zeroshot/main_0Shot_EMOTIC_RawEmbedding": _RAW,
    "mains_zeroshot_v2/main_0Shot_EMOTIC_RawEmbedding": _RAW,
    "mains_zeroshot/main_0Shot_Emotic_SentenceEmbedding": _WORDS,
    "mains_zeroshot_v2/main_0Shot_Emotic_SentenceEmbedding": replace(_WORDS, start="nonstrict"),
    "mains/main_feature_extractor": replace(
        _FEATURES,
        required=("dataset",),
        meant="the options module of its siblings, and args.dataset['name'] where it reads "
        "attributes of a dictionary",
    ),
    "mains_v2/main_feature_extractor": replace(_FEATURES, required=("val_file", "data_dir")),
}
"""``<folder>/<script>`` without ``.py`` -> its row."""

SPELLINGS = {"mains/main_mclss_cross_entropy_v2": "mains/main_mclass_cross_entropy_v2"}
"""Other spellings under which a script also exists."""

SCRIPTS |= {other: SCRIPTS[name] for other, name in SPELLINGS.items()}

_V2 = "mains/main_mclass_cross_entropy_v2"
_SINGLE = "mains/main_sclss_cross_entropy_finetune"
_JOINT_FINETUNE = "mains_exp/main_sclss_Joint_finetune"
_NO_BCE = "no script with a binary cross-entropy was released"
PUBLISHED: dict[str, str] = {
    "Adobe_Deepemotion_config": _SINGLE,
    "Adobe_Deepesentiment_config": _SINGLE,
    "Adobe_Selected690_2Branch_SelfAttention_config": "mains/main_mclss_2Branch_SelfAttention",
    "Adobe_Selected690_2Branch_config": "mains/main_mclss_2Branch_cosine",
    "Adobe_Selected690_Joint_Resume_config": "mains_exp/main_mclss_2Branch_Joint",
    "Adobe_Selected690_Joint_config": "mains_exp/main_mclss_2Branch_Joint",
    "Adobe_Selected690_MultiClass_CrossEntropy_config": _V2,
    "Adobe_Selected690_MultiClass_CrossEntropy_tag_based_config": _V2,
    "Adobe_Selected690_MultiClass_CrossEntropy_tag_based_v3_config": (
        "mains/main_mclss_cross_entropy_v3"
    ),
    "Adobe_Selected694_MultiClass_CrossEntropy_config": _V2,
    "Adobe_Selected742_MultiClass_BCE_config": _NO_BCE,
    "Adobe_Selected742_MultiClass_BCE_config_Subset_DEBUG": _NO_BCE,
    "Adobe_Selected742_MultiClass_CrossEntropy_config": _V2,
    "Desk_Advertisement_config": _SINGLE,
    "Desk_Deepemotion_2Branch_0Shot_config": (
        "mains/main_sclss_2Branch_0Shot_Evaluation_DeepEmotion"
    ),
    "Desk_Deepemotion_Joint_config": _JOINT_FINETUNE,
    "Desk_Deepemotion_config": _SINGLE,
    "Desk_Deepesentiment_config": _SINGLE,
    "Desk_Emotion_0Shot_SingleCategory_config": (
        "mains/main_sclss_2Branch_0Shot_Evaluation_EMOTIC_SingleEmotion_Full_WordAvg"
    ),
    "Desk_Selected690_2Branch_SelfAttention_config": "mains/main_mclss_2Branch_SelfAttention",
    "Desk_Selected690_2Branch_config": "mains/main_mclss_2Branch_cosine",
    "Desk_Selected690_Joint_config": "mains_exp/main_mclss_2Branch_Joint",
    "Desk_Selected690_MultiClass_CrossEntropy_config": _V2,
    "Desk_Selected742_MultiClass_BCE_config": _NO_BCE,
    "Desk_Selected742_MultiClass_CrossEntropy_config": _V2,
    "Desk_UnBiasedEmo_2Branch_0Shot_config": (
        "mains/main_sclss_2Branch_0Shot_Evaluation_UnBiasedEmotion"
    ),
    "Desk_UnBiasedEmo_2Branch_config": "mains/main_sclss_2Branch_finetune",
    "Desk_UnBiasedEmo_Joint_config": _JOINT_FINETUNE,
    "Desk_UnBiasedEmo_config": _SINGLE,
}
"""Published configuration -> a script that reads it, or why there is none."""
