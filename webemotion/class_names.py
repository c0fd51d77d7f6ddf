"""Class names of the datasets, in the order in which their labels count."""

from __future__ import annotations

from pathlib import Path

import yaml

DEEPEMOTION = (
    "amusement",
    "anger",
    "awe",
    "contentment",
    "disgust",
    "excitement",
    "fear",
    "sadness",
)
UNBIASEDEMO = ("anger", "fear", "joy", "love", "sadness", "surprise")
SE30K8 = (
    "anger",
    "disgust",
    "fear",
    "happiness",
    "neutral",
    "sadness",
    "surprise(negative)",
    "surprise(positive)",
)
EMOTIC = (
    "Affection",
    "Anger",
    "Annoyance",
    "Anticipation",
    "Aversion",
    "Confidence",
    "Disapproval",
    "Disconnection",
    "Disquietment",
    "Doubt/Confusion",
    "Embarrassment",
    "Engagement",
    "Esteem",
    "Excitement",
    "Fatigue",
    "Fear",
    "Happiness",
    "Pain",
    "Peace",
    "Pleasure",
    "Sadness",
    "Sensitivity",
    "Suffering",
    "Surprise",
    "Sympathy",
    "Yearning",
)
ADVERTISEMENT = (
    "active",
    "afraid",
    "alarmed",
    "alert",
    "amazed",
    "amused",
    "angry",
    "calm",
    "cheerful",
    "confident",
    "conscious",
    "creative",
    "disturbed",
    "eager",
    "educated",
    "emotional",
    "empathetic",
    "fashionable",
    "feminine",
    "grateful",
    "inspired",
    "jealous",
    "loving",
    "manly",
    "persuaded",
    "pessimistic",
    "proud",
    "sad",
    "thrifty",
    "youthful",
)
"""Numbered from 1; annotation files count from 0."""

EMOTIC_WORDS = {
    "Peace": "peace,relaxed,satisfied",
    "Affection": "affection,fond,love,tenderness",
    "Esteem": "esteem,respect,admiration,grateful",
    "Anticipation": "anticipation,hope,prepare,prepared",
    "Engagement": "engagement,attention,attend,curious,interested",
    "Confidence": "confidence,certain,conviction,encourage,proud",
    "Happiness": "happiness,delighted,enjoyment,amusement",
    "Pleasure": "pleasure,delight",
    "Excitement": "excitement,enthusiasm,stimulation,energetic",
    "Surprise": "surprise,sudden,unexpected",
    "Sympathy": "sympathy,supportive,compassionate",
    "Doubt/Confusion": "doubt,confusion",
    "Disconnection": "boredom,bored,distracted,boring,dislike",
    "Fatigue": "fatigue,weary,tiredness,sleepy",
    "Embarrassment": "embarrassment,ashamed,guilty,shame",
    "Yearning": "yearning,desire,jealous,envious,envy,lust",
    "Disapproval": "disapproval,contempt,hostile,disapprove",
    "Aversion": "aversion,disgust,dislike,repulsion,hate",
    "Annoyance": "annoyance,bothered,irritated,impatient,frustrated",
    "Anger": "anger,displeasure,rage,furious,resentful",
    "Sensitivity": "sensitivity,delicate,vulnerable,touching",
    "Sadness": "sadness,unhappy,sorrow,disappointed,discouraged",
    "Disquietment": "nervous,worried,upset,anxious,tense,pressured,alarmed",
    "Fear": "fear,suspicious,afraid,danger,threat,evil,pain,horror",
    "Pain": "pain,suffering",
    "Suffering": "suffering,pain,distressed,anguish",
}
"""Category -> words that stand for it in zero-shot, its own name among them."""

EMOTIC_EXPLANATIONS = {
    "Peace": "relaxed,satisfied",
    "Affection": "fond,love,tenderness",
    "Esteem": "respect,admiration,grateful",
    "Anticipation": "hope,prepare,prepared",
    "Engagement": "attention,attend,curious,interested",
    "Confidence": "certain,conviction,encourage,proud",
    "Happiness": "delighted,enjoyment,amusement",
    "Pleasure": "delight",
    "Excitement": "enthusiasm,stimulation,energetic",
    "Surprise": "sudden,unexpected",
    "Sympathy": "sharing,supportive,compassionate",
    "Doubt/Confusion": "doubt,confusion",
    "Disconnection": "boredom,bored,distracted,boring,dislike",
    "Fatigue": "weary,tiredness,sleepy",
    "Embarrassment": "ashamed,guilty,shame",
    "Yearning": "desire,jealous,envious,envy,lust",
    "Disapproval": "contempt,hostile,disapprove",
    "Aversion": "disgust,dislike,repulsion,hate",
    "Annoyance": "bothered,irritated,impatient,frustrated",
    "Anger": "displeasure,rage,furious,resentful",
    "Sensitivity": "delicate,vulnerable,touching",
    "Sadness": "unhappy,sorrow,disappointed,discouraged",
    "Disquietment": "nervous,worried,upset,anxious,tense,pressured,alarmed",
    "Fear": "suspicious,afraid,danger,threat,evil,pain,horror",
    "Pain": "suffering",
    "Suffering": "pain,distressed,anguish",
}
"""Category -> words that explain it, without its own name; the sentence-based scripts use them."""

CLASSES = {
    "deepemotion": DEEPEMOTION,
    "unbiasedemo": UNBIASEDEMO,
    "se30k8": SE30K8,
    "emotic": EMOTIC,
    "advertisement": ADVERTISEMENT,
}
WORDS = {
    "emotion_full_words_690": EMOTIC_WORDS,
    "emotion_explainations_words_690": EMOTIC_EXPLANATIONS,
}
"""The authors' names of the two lists of words."""

_STOCK = Path(__file__).with_name("stockemotion690.yaml")


def stockemotion690() -> dict[str, int]:
    """The 690 emotion tags in class order, each with its number among all tags."""
    return yaml.safe_load(_STOCK.read_text(encoding="utf-8"))


def class_list(dataset: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Names and numbers of a dataset's classes.

    Args:
        dataset: key of :data:`CLASSES`, or ``stockemotion690``.

    Raises:
        KeyError: unknown dataset.
    """
    names = tuple(stockemotion690()) if dataset == "stockemotion690" else CLASSES[dataset]
    first = 1 if dataset == "advertisement" else 0
    return names, tuple(range(first, first + len(names)))
