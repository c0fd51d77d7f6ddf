import json
import math

import numpy as np
import pytest
import torch

from benchmarks.__main__ import main
from benchmarks.parity import cases
from benchmarks.parity.measure import fill_state_dict, filled_state, scale_state_dict

NAN, INF = math.nan, math.inf


@pytest.fixture
def answers(monkeypatch):
    """What the stand-in adapter of ``fake/kind`` returns, or raises, by case name."""
    answers = {}

    def answer(case):
        reply = answers[case.name]
        if isinstance(reply, Exception):
            raise reply
        return reply

    monkeypatch.setitem(cases._ADAPTERS, "fake/kind", answer)
    return answers


def save(folder, name, out, kind="fake/kind", rtol=1e-5, atol=1e-6, **params):
    meta = {"kind": kind, "params": params, "rtol": rtol, "atol": atol, "note": ""}
    arrays = {f"out.{key}": np.asarray(value) for key, value in out.items()}
    np.savez(folder / f"{name}.npz", meta=np.array(json.dumps(meta)), **arrays)


def run(folder, *flags):
    report = folder / "report" / "parity.json"
    code = main(["parity", str(folder), "--jobs", "1", "--json", str(report), *flags])
    content = json.loads(report.read_text(), parse_constant=lambda text: pytest.fail(text))
    return code, content


def check(tmp_path, answers, expected, actual, **params):
    """Run one case; its entry of the report."""
    save(tmp_path, "case", expected, **params)
    answers["case"] = actual
    code, content = run(tmp_path)
    entry = content["cases"][0]
    assert code == {"passed": 0, "failed": 1}[entry["status"]]
    return entry


def test_statuses_counts_and_exit_code(tmp_path, answers, capsys):
    save(tmp_path, "good", {"x": [1.0, 2.0]})
    save(tmp_path, "bad", {"x": [1.0, 2.0]})
    save(tmp_path, "later", {"x": 1.0}, kind="nowhere/kind")
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 not really")
    answers |= {"good": {"x": torch.tensor([1.0, 2.0])}, "bad": {"x": np.array([1.0, 2.5])}}
    code, content = run(tmp_path)
    assert code == 1
    counts = {k: content[k] for k in ("passed", "failed", "unsupported", "unreadable")}
    assert counts == {"passed": 1, "failed": 1, "unsupported": 1, "unreadable": 1}
    cases = {case["name"]: case for case in content["cases"]}
    assert set(cases["bad"]) == {"name", "kind", "status", "max_abs", "max_rel", "message"}
    assert cases["bad"]["max_abs"] == 0.5 and cases["bad"]["max_rel"] == 0.25
    assert "1 of 2 values differ, worst at [1]: 2.5, expected 2.0" in cases["bad"]["message"]
    assert cases["broken"]["max_abs"] is None
    out = capsys.readouterr().out
    assert "Kinds not implemented, with their cases: nowhere/kind (1)" in out
    assert "1 passed, 1 failed, 1 unsupported, 1 unreadable" in out
    assert [p.name for p in (tmp_path / "report").iterdir()] == ["parity.json"]


def test_unsupported_alone_is_no_failure_but_unreadable_exits_2(tmp_path, answers):
    save(tmp_path, "later", {"x": 1.0}, kind="nowhere/kind")
    assert run(tmp_path)[0] == 0
    np.savez(tmp_path / "object.npz", meta=np.array([{"kind": "fake/kind"}], dtype=object))
    code, content = run(tmp_path)
    assert code == 2 and content["unreadable"] == 1


@pytest.mark.parametrize(
    ("pattern", "found"), [("fake/*", ["a1", "b1"]), ("a?", ["a1"]), ("*/other", ["a2"])]
)
def test_only_fits_kinds_and_names(tmp_path, answers, pattern, found):
    save(tmp_path, "a1", {"x": 1})
    save(tmp_path, "b1", {"x": 1})
    save(tmp_path, "a2", {"x": 1}, kind="nowhere/other")
    answers |= {"a1": {"x": 1}, "b1": {"x": 1}}
    names = [case["name"] for case in run(tmp_path, "--only", pattern)[1]["cases"]]
    assert [name for name in names if name in found] == found
    assert set(names) - set(found) <= ({"a2"} if pattern == "a?" else set())


@pytest.mark.parametrize("make", [lambda p: p / "missing", lambda p: p])
def test_no_cases_is_a_sentence_and_exit_2(tmp_path, capsys, make):
    assert main(["parity", str(make(tmp_path))]) == 2
    assert capsys.readouterr().err.startswith("error: The folder")


def test_a_pattern_that_fits_nothing_is_an_error(tmp_path, capsys):
    save(tmp_path, "a", {"x": 1})
    assert main(["parity", str(tmp_path), "--only", "fakes/*"]) == 2
    assert "fits --only 'fakes/*'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("expected", "actual", "passes"),
    [
        ([1.0], [1.0 + 1.0e-5], True),  # within atol + rtol
        ([1.0], [1.0 + 1.2e-5], False),
        ([0.0], [0.9e-6], True),
        ([0.0], [1.1e-6], False),
        ([NAN, 1.0], [NAN, 1.0], True),
        ([1.0], [NAN], False),
        ([NAN], [1.0], False),
        ([INF, -INF], [INF, -INF], True),
        ([INF], [-INF], False),
        ([INF], [1.0], False),
        ([1.0], [INF], False),
        ([1.0, 2.0], [[1.0, 2.0]], False),  # shape
        ([1, 2], [1, 2], True),
        ([1, 2], [1, 3], False),
        ([1, 2], [1.0, 2.0], False),  # integers must be integers
        ([True, False], [True, False], True),
        ([True, False], [True, True], False),
        (["a", "bcd"], ["a", "bcd"], True),
        (["a", "b"], ["a", "c"], False),
        (["1"], [1], False),
        ([], np.array([], dtype=str), True),
        (np.array([200], np.uint8), np.array([201], np.uint8), False),
        (np.array([2**62], np.int64), np.array([2**62 + 1], np.int64), False),
    ],
)
def test_values(tmp_path, answers, expected, actual, passes):
    entry = check(tmp_path, answers, {"x": expected}, {"x": np.asarray(actual)})
    assert entry["status"] == ("passed" if passes else "failed")
    assert bool(entry["message"]) is not passes


def test_nan_is_refused_where_the_case_says_none_is_expected(tmp_path, answers):
    entry = check(tmp_path, answers, {"x": [NAN]}, {"x": np.array([NAN])}, expect_nan=False)
    assert entry["status"] == "failed"


def test_a_missing_output_fails_and_an_extra_one_is_ignored(tmp_path, answers):
    entry = check(tmp_path, answers, {"x": [1.0], "y": [2.0]}, {"x": np.ones(1), "z": 1})
    assert entry["status"] == "failed"
    assert entry["message"] == "y: missing from what the project returned"


def test_tolerance_per_array_replaces_that_of_the_case(tmp_path, answers):
    expected, actual = {"x": [1.0], "y": [1.0]}, {"x": np.array([1.05]), "y": np.array([1.05])}
    entry = check(tmp_path, answers, expected, actual, tolerance={"x": [0.1, 0.0]})
    assert entry["status"] == "failed"
    assert entry["message"].startswith("y: ") and "x: " not in entry["message"]


@pytest.mark.parametrize(("error", "passes"), [(0.9, True), (1.1, False)])
def test_sums_of_weights_are_relative_to_their_norm(tmp_path, answers, error, passes):
    expected = {"ema_weight_sum": [0.0, 5.0], "ema_weight_norm": [100.0, 3.0]}
    actual = {k: np.array(v) for k, v in expected.items()}
    actual["ema_weight_sum"] = np.array([0.01 * 100.0 * error, 5.0])
    tolerance = {"ema_weight_sum": 0.01}
    entry = check(tmp_path, answers, expected, actual, tolerance=tolerance)
    assert entry["status"] == ("passed" if passes else "failed")


@pytest.mark.parametrize(
    ("name", "at", "passes"),
    [
        ("total_loss", (0, 0), False),
        ("total_loss", (0, 1), True),
        ("loss_x", (0, 0), False),
        ("Lu", (0, 0), False),
        ("eval_loss", (0, 0), True),
        ("logits", (0, 0), True),
    ],
)
def test_the_first_steps_losses_are_held_tighter(tmp_path, answers, name, at, passes):
    actual = np.ones((2, 3))
    actual[at] += 0.05
    params = {"tolerance": {name: [0.1, 0.0]}, "step1_rtol": 1e-3}
    entry = check(tmp_path, answers, {name: np.ones((2, 3))}, {name: actual}, **params)
    assert entry["status"] == ("passed" if passes else "failed")


@pytest.mark.parametrize(
    ("reply", "passes"),
    [
        (ValueError("odd batch"), True),
        (AssertionError(), True),
        ({"raises": "ValueError"}, False),
        (ImportError("no module"), False),
        (NotImplementedError(), False),
    ],
)
def test_where_the_authors_code_raises_only_a_refusal_passes(tmp_path, answers, reply, passes):
    entry = check(tmp_path, answers, {"raises": "ValueError"}, reply, raises=True)
    assert entry["status"] == ("passed" if passes else "failed")


def test_an_adapter_that_breaks_is_a_failure_with_its_text(tmp_path, answers):
    entry = check(tmp_path, answers, {"x": 1.0}, ZeroDivisionError("by zero"))
    assert entry["status"] == "failed" and entry["message"] == "ZeroDivisionError: by zero"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kind": "nokind"}, "package/kind"),
        ({"rtol": -1.0}, "'rtol' and 'atol'"),
        ({"atol": True}, "'rtol' and 'atol'"),
        ({"tolerance": {"x": 0.1}}, "tolerance of 'x'"),
        ({"tolerance": {"weight_sum": 0.1}}, "out.weight_norm"),
    ],
)
def test_metadata_that_does_not_fit_is_unreadable(tmp_path, answers, change, says):
    save(tmp_path, "case", {"x": 1.0, "weight_sum": 1.0}, **change)
    code, content = run(tmp_path)
    assert code == 2
    assert content["cases"][0]["status"] == "unreadable"
    assert says in content["cases"][0]["message"]


@pytest.mark.parametrize(
    "arrays",
    [
        {"out.x": np.ones(1)},
        {"meta": np.array("{"), "out.x": np.ones(1)},
        {"meta": np.array('{"kind": "fake/kind", "rtol": 0, "atol": 0}')},
    ],
)
def test_files_without_meta_or_outputs_are_unreadable(tmp_path, arrays):
    np.savez(tmp_path / "case.npz", **arrays)
    assert run(tmp_path)[0] == 2


def test_a_bare_array_and_a_cut_file_are_unreadable(tmp_path, answers):
    save(tmp_path, "cut", {"x": np.arange(1000.0)})
    whole = (tmp_path / "cut.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    np.save(tmp_path / "bare.npy", np.ones(3))
    (tmp_path / "bare.npy").rename(tmp_path / "bare.npz")
    (tmp_path / "empty.npz").touch()
    code, content = run(tmp_path)
    assert code == 2 and content["unreadable"] == 3


def test_two_adapters_of_one_kind_are_a_mistake(answers):
    with pytest.raises(ValueError, match="two adapters"):
        cases.adapter("fake/kind")(lambda case: {})


def test_fill_follows_the_convention():
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 5), torch.nn.BatchNorm2d(4))
    fill_state_dict(model, seed=7)
    state = model.state_dict()
    keys = sorted(state)
    assert keys[0] == "0.bias" and keys[1] == "0.weight"

    def draw(kind, key):
        generator = torch.Generator().manual_seed(7 + keys.index(key))
        return getattr(torch, kind)(tuple(state[key].shape), generator=generator)

    assert torch.equal(state["0.weight"], draw("randn", "0.weight") / math.sqrt(3 * 5 * 5))
    for key in ("0.bias", "1.bias", "1.running_mean"):
        assert torch.equal(state[key], 0.1 * draw("randn", key))
    for key in ("1.weight", "1.running_var"):
        assert torch.equal(state[key], 1 + 0.1 * draw("rand", key))
    assert state["1.num_batches_tracked"] == 0
    assert all(torch.equal(v, state[k]) for k, v in filled_state(state, 7).items())


def test_scale_by_key_and_by_ending():
    model = torch.nn.ModuleDict({n: torch.nn.Linear(2, 2) for n in ("fc", "a_bn3", "b_bn3")})
    fill_state_dict(model, 0)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    scale_state_dict(model, {"fc.weight": 4.0, "*bn3.weight": 0.5})
    factors = {"fc.weight": 4.0, "a_bn3.weight": 0.5, "b_bn3.weight": 0.5}
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key] * factors.get(key, 1.0))
    with pytest.raises(ValueError, match="No entry of the model"):
        scale_state_dict(model, {"*bn4.weight": 1.0})


def test_shipped_cases_can_all_be_read():
    from benchmarks.parity.cases import find_cases, load_case
    from benchmarks.parity.command import SHIPPED

    kinds = {load_case(path).kind.split("/")[0] for path in find_cases(SHIPPED)}
    assert kinds == {"s2ver", "adacm", "dimva", "ssfer", "webemotion"}


def test_an_unknown_command_names_the_known_ones(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["pariti"])
    assert stop.value.code == 2
    assert "parity" in capsys.readouterr().err


def test_without_leaves_kinds_and_names_out(tmp_path, answers, capsys):
    for name in ("first", "second", "third"):
        save(tmp_path, name, {"x": 1.0}, kind="fake/kind" if name != "third" else "nowhere/kind")
        answers[name] = {"x": 1.0}
    code, content = run(tmp_path, "--without", "nowhere/*", "--without=second")
    assert code == 0 and [case["name"] for case in content["cases"]] == ["first"]
    assert main(["parity", str(tmp_path), "--without", "*"]) == 2
    assert "and none of *" in capsys.readouterr().err


@pytest.mark.slow
def test_several_at_a_time_give_the_same(tmp_path, capsys):
    from benchmarks.parity.command import SHIPPED

    lines = []
    for jobs in ("1", "2"):
        assert main(["parity", str(SHIPPED), "--only", "adacm/split", "--jobs", jobs]) == 0
        lines.append([x for x in capsys.readouterr().out.splitlines() if x.startswith("adacm_")])
    assert lines[0] == lines[1] and len(lines[0]) > 2
