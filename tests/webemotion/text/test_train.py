"""Text training: the command, what it writes, exact resume, dictionaries, word vectors."""

import importlib.util
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from common.cli import UserError
from common.data import pickles
from common.datasets.standins import emotions
from webemotion import lists
from webemotion.lists import Entry
from webemotion.text import checkpoint, embed, models, train, vectors
from webemotion.text.data import Sentences, hold_out, target
from webemotion.text.dictionary import read_dictionary

SE30K8 = "data/webtags/SE30K8"
TINY = (
    *("--word_dim", "24", "--filter_dim", "24", "--sent_len", "20", "--device", "cpu"),
    *("--batch_size", "16", "--tag2idx", f"{SE30K8}/vocabulary/tag2idx.pkl"),
)


def flags(out: str, *more: str) -> list[str]:
    return ["--train_file", f"{SE30K8}/train_text.pkl", "--out", out, *TINY, *more]


@pytest.fixture(scope="module")
def trained(world, in_process):
    """A small text model of three epochs."""
    argv = flags("models/small.pth.tar", "--epochs", "3", "--feature_l2")
    seen = in_process(train.main, argv, world)
    assert seen.code == 0, seen.err
    return world / "models/small.pth.tar", seen


def test_checkpoint_holds_weights_and_dictionaries(trained):
    path, seen = trained
    held = torch.load(path, weights_only=True)
    assert {"state_dict", "tag2idx", "idx2tag"} <= held.keys()
    text = checkpoint.load(path)
    assert all(text.idx2tag[n] == word for word, n in text.tag2idx.items())
    assert text.vocab_size == len(text.tag2idx) and text.arch == "dan2/CNN"
    assert "DRAWN STAND-IN" in seen.out


def test_drawn_tags_teach_the_family(tmp_path, in_process):
    tags = emotions.ranked_tags(690)
    entries = []
    for k in range(480):
        label = k % len(emotions.FAMILIES)
        sentence = emotions.sentence(emotions.FAMILIES[label], tags, np.random.default_rng(k))
        entries.append(Entry(f"{k}.png", label, sentence))
    lists.write_list(tmp_path / "l.pkl", entries)
    families = {word: name for name, of in tags.items() for word in of}
    words = {**dict.fromkeys(emotions.NEUTRAL), **families}
    pickles.save(emotions.word_vectors(words, seed=0), tmp_path / "v.pkl")
    argv = ["--train_file", "l.pkl", "--out", "t.pth.tar", "--num_classes", "12", "--epochs", "4"]
    argv += ["--family", "v2", "--model", "TextCNN_NLT", "--word_vectors", "v.pkl"]
    argv += ["--sent_len", "20", "--device", "cpu"]
    assert in_process(train.main, argv, tmp_path).code == 0
    rows = [json.loads(x) for x in (tmp_path / "t_run/metrics.jsonl").open()]
    assert len(rows) == 4 and rows[-1]["train"]["loss"] < rows[0]["train"]["loss"]
    assert max(row["test"]["top1"] for row in rows) > 0.8  # 1/12 by chance, on held-out sentences


def test_resumed_training_ends_in_the_same_weights(world, in_process):
    whole = flags("models/whole.pth.tar", "--epochs", "4")
    assert in_process(train.main, whole, world).code == 0
    part = flags("models/part.pth.tar", "--epochs", "4")
    stopped = in_process(train.main, [*part, "--stop_after_epoch", "2"], world)
    assert stopped.code == 0 and "--resume" in stopped.out
    resumed = in_process(train.main, [*part, "--resume", "models/part_run/last.ckpt"], world)
    assert resumed.code == 0, resumed.err
    a, b = (torch.load(world / f"models/{n}_run/last.ckpt") for n in ("whole", "part"))
    assert all(torch.equal(a["method"][k], b["method"][k]) for k in a["method"])


def test_nothing_is_replaced_unasked(trained, world, in_process):
    seen = in_process(train.main, flags("models/small.pth.tar"), world)
    assert seen.code == 2 and "exists; give --overwrite" in seen.err


def test_embeddings_are_sentences_of_one_word(trained, world, in_process):
    path, _ = trained
    (world / "words.txt").write_text("joy\nanger\n")
    argv = ["--text_ckpt", path, "--out", "emb.pkl", "--words", "words.txt"]
    assert in_process(embed.main, argv, world).code == 0
    held = pickles.load(world / "emb.pkl")
    assert list(held) == ["anger", "joy"] and held["joy"].shape == (24,)
    text = checkpoint.load(path)
    model = models.build("dan2", "CNN_Embed_v2", text.vocab_size, 1, 24, 24, 8).eval()
    checkpoint.load_into(model, text, path)
    with torch.no_grad():
        expected = model(torch.tensor([[text.tag2idx["joy"]]]))[0]
    assert np.allclose(held["joy"], expected, atol=1e-6)


@pytest.mark.parametrize("keys", [("tag2idx",), ("idx2tag",), ("tag2idx", "idx2tag")])
def test_checkpoint_without_dictionaries_is_refused(trained, tmp_path, keys):
    held = torch.load(trained[0], weights_only=True)
    torch.save({k: v for k, v in held.items() if k not in keys}, tmp_path / "bare.pth.tar")
    with pytest.raises(UserError, match=f"has no {keys[0]}.*mean nothing"):
        checkpoint.load(tmp_path / "bare.pth.tar")


def test_weights_of_another_size_are_refused(trained):
    text = checkpoint.load(trained[0])
    model = models.build("dan2", "CNN", text.vocab_size, 20, 30, 24, 8)
    with pytest.raises(UserError, match="word_dim"):
        checkpoint.load_into(model, text, trained[0])


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--num_classes", "3"), "num_classes is 3"),
        (("--lr_schedule", "ten"), "no list of epochs"),
        (("--family", "v2", "--model", "TextCNN_NLT", "--filter_dim", "20"), "filter_num"),
        (("--model", "TextCNN"), "no sentence model TextCNN"),
        (("--val_count", "9999"), "cannot be held out"),
    ],
)
def test_mistakes_are_told(world, in_process, more, told):
    seen = in_process(train.main, flags("models/none.pth.tar", *more), world)
    assert seen.code == 2 and told in seen.err
    assert not (world / "models/none.pth.tar").exists()
    assert not (world / "models/none_run").exists()


def test_numbered_tags_need_their_dictionary(world, in_process):
    argv = flags("models/none.pth.tar")
    at = argv.index("--tag2idx")
    seen = in_process(train.main, argv[:at] + argv[at + 2 :], world)
    assert seen.code == 2 and "give their dictionary by --tag2idx" in seen.err


def test_words_make_their_own_dictionary(tmp_path, in_process):
    words = [["sky", "fear"], ["joy", "sky"]] * 10
    entries = [Entry(f"{k}.jpg", [k % 2], own) for k, own in enumerate(words)]
    lists.write_list(tmp_path / "l.jsonl", entries)
    argv = ["--train_file", "l.jsonl", "--out", "t.pth.tar", "--num_classes", "2", "--epochs", "1"]
    argv += ["--word_dim", "8", "--filter_dim", "8", "--device", "cpu", "--batch_size", "6"]
    assert in_process(train.main, argv, tmp_path).code == 0
    assert checkpoint.load(tmp_path / "t.pth.tar").tag2idx == {"fear": 0, "joy": 1, "sky": 2}


@pytest.mark.parametrize(
    ("family", "classes", "expected"),
    [("dan2", 8, (80, "10, 20, 30")), ("v2", 8, (80, "40, 80")), ("v2", 690, (20, "10, 15"))],
)
def test_defaults_are_the_published_scripts(family, classes, expected):
    assert train.defaults(family, classes) == expected


def test_targets():
    assert target([0.25, 0.75], 2).tolist() == [0.25, 0.75]
    assert target([[0, 3], [1, 1]], 2).tolist() == [0.75, 0.25]
    assert target([1, 2], 4).tolist() == [0, 1, 1, 0]
    assert target(1, 2).tolist() == [0, 1]


def test_words_are_left_out_by_the_seed_of_the_item():
    data = Sentences([Entry("a", [0], list(range(50)))], 2, 60, 50, drop=0.5)
    first, again, other = data[0, 7], data[0, 7], data[0, 8]
    assert torch.equal(first["tokens"], again["tokens"])
    assert not torch.equal(first["tokens"], other["tokens"])
    assert (data[0]["tokens"] < 61).all()  # a plain index keeps every word


def test_held_out_part():
    entries = [Entry(str(k), 0, [0]) for k in range(40)]
    kept, held = hold_out(entries, 8, None)
    assert len(held) == 4 and sorted(e.path for e in kept + held) == sorted(e.path for e in entries)
    assert len(hold_out(entries, 690, None)[1]) == 4  # 5000 are more than there are


def test_word_table_keeps_known_vectors():
    table = vectors.word_table({"a": 0, "b": 1}, {"b": np.array([1.0, 2.0])}, 2)
    assert table.shape == (4, 2) and table[1].tolist() == [1, 2] and table[3].tolist() == [0, 0]
    assert np.abs(table[0]).max() <= 0.25 and table[0].any()
    with pytest.raises(UserError, match="word_dim is 3"):
        vectors.word_table({"b": 0}, {"b": np.array([1.0, 2.0])}, 3)


@pytest.mark.parametrize(("family", "spread"), [("dan2", 0.25), ("v2", 0.01)])
def test_words_without_a_vector_spread_as_in_their_family(tmp_path, in_process, family, spread):
    entries = [Entry(f"{k}.jpg", [k % 2], ["sky", "joy"][: 1 + k % 2]) for k in range(20)]
    lists.write_list(tmp_path / "l.jsonl", entries)
    pickles.save({"joy": np.ones(300, np.float32)}, tmp_path / "v.pkl")
    model = "CNN" if family == "dan2" else "TextCNN_NLT"
    argv = [
        "--train_file",
        "l.jsonl",
        "--out",
        "t.pth.tar",
        "--num_classes",
        "2",
        "--device",
        "cpu",
    ]
    argv += ["--epochs", "1", "--word_vectors", "v.pkl", "--family", family, "--model", model]
    argv += ["--batch_size", "6", "--sent_len", "20", "--lr", "0"]
    seen = in_process(train.main, argv, tmp_path)
    assert seen.code == 0, seen.err
    held = checkpoint.load(tmp_path / "t.pth.tar")
    sky = held.state_dict["embedding.weight"][held.tag2idx["sky"]]
    assert 0.9 * spread < sky.abs().max() <= spread


@pytest.mark.parametrize(("ties", "epochs"), [(True, [1, 2, 3]), (False, [1, 2])])
def test_which_of_equal_epochs_is_the_best(tmp_path, ties, epochs):
    network = torch.nn.Linear(1, 1)
    trainer = SimpleNamespace(
        recipe=SimpleNamespace(metric="top1"),
        history=[],
        method=SimpleNamespace(model=network),
        progress=SimpleNamespace(epoch=0),
    )
    keep, written = checkpoint.KeepBest(tmp_path / "t.pth.tar", {"joy": 0}, "v2/CNN", ties), []
    for epoch, value in enumerate((0.3, 0.5, 0.5, 0.4)):
        trainer.progress.epoch = epoch
        earlier = [row["test"]["top1"] for row in trainer.history]
        is_best = all(value >= other for other in earlier)
        keep.on_evaluated(trainer, {"test": {"top1": value}}, is_best)
        written.append(torch.load(tmp_path / "t.pth.tar", weights_only=True)["epoch"])
        trainer.history.append({"test": {"top1": value}})
    assert sorted(set(written)) == epochs


def test_word2vec_is_asked_for_as_published(monkeypatch):
    asked = {}

    class Word2Vec:
        def __init__(self, sentences, **how):
            asked.update(how, sentences=sentences)
            words = sorted({word for sentence in sentences for word in sentence})
            self.wv = type("V", (dict,), {"index_to_key": words})({w: [1.0] for w in words})

    monkeypatch.setitem(sys.modules, "gensim.models", SimpleNamespace(Word2Vec=Word2Vec))
    given = [[f"w{k}", "joy", "sky"] for k in range(100)]
    vectors.train_vectors(given)
    assert (asked["negative"], asked["epochs"], asked["min_count"], asked["sg"]) == (15, 10, 100, 1)
    assert asked["window"] == 3  # a whole sentence is a word's context
    assert asked["sentences"] != given and sorted(asked["sentences"]) == sorted(given)


@pytest.mark.skipif(importlib.util.find_spec("gensim") is None, reason="gensim is not installed")
def test_word2vec_by_gensim(world, tmp_path, in_process):
    argv = ["--train_file", f"{SE30K8}/train_text.pkl", "--word_dim", "12", "--epochs", "2"]
    argv += ["--tag2idx", f"{SE30K8}/vocabulary/tag2idx.pkl", "--out", tmp_path / "v.pkl"]
    assert in_process(vectors.main, argv, world).code == 0
    held = vectors.read_vectors(tmp_path / "v.pkl")
    assert {len(v) for v in held.values()} == {12}
    text = "\n".join(f"{w} " + " ".join(map(str, v)) for w, v in held.items() if " " not in w)
    number = text.count("\n") + 1
    (tmp_path / "v.txt").write_text(f"{number} 12\n{text}\n")
    read = vectors.read_vectors(tmp_path / "v.txt")
    assert len(read) == number and all(np.allclose(read[w], held[w], atol=1e-5) for w in read)


def test_without_gensim_the_error_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gensim.models", None)
    (tmp_path / "v.bin").write_bytes(b"1 2\n")
    with pytest.raises(UserError, match="needs gensim, which is not installed"):
        vectors.read_vectors(tmp_path / "v.bin")


def test_released_dictionaries_are_nested(tmp_path):
    words = {"joy": 0, "fear": 1}
    held = {"tag2idx": words, "idx2tag": {n: w for w, n in words.items()}}
    pickles.save(held, tmp_path / "tag2idx.pkl.keep")
    assert read_dictionary(tmp_path / "tag2idx.pkl.keep", [], "l.pkl") == words


def test_the_old_split_is_not_shuffled():
    entries = [Entry(str(k), 0, [0]) for k in range(40)]
    assert hold_out(entries, 8, None, shuffled=False) == (entries[4:], entries[:4])
