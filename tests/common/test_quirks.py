import argparse

import pytest

from common import quirks
from common.cli import UserError
from common.quirks import Quirk

REGISTER = """
- name: average restarts
  where: the average | is rebuilt every epoch
  paper: one average over the whole training
  default: as the code
  flag: --across_epochs
  corrected: {across_epochs: true}
  active: {across_epochs: [false]}
  effect: -0.3 points
- name: late decay
  where: decay acts from epoch 10 in modes a and b
  paper: from the start
  default: as the code
  flag: --decay_from
  corrected: {decay_from: 0}
  active: {decay_from: [10, 20], mode: [a, b]}
- name: chosen on test
  where: the best epoch is the best on the test set
  paper: does not say
  default: as the code, and three other protocols beside it
"""


@pytest.fixture
def register(tmp_path):
    path = tmp_path / "pkg" / "quirks.yaml"
    path.parent.mkdir()
    path.write_text(REGISTER)
    return path


def names(found):
    return [quirk.name for quirk in found]


def arguments(**changes):
    return argparse.Namespace(**({"across_epochs": False, "decay_from": 10, "mode": "a"} | changes))


def test_load_fills_what_may_be_left_out(register):
    last = quirks.load(register)[-1]
    assert last.flag is None
    assert last.corrected == {} and last.active == {}
    assert last.effect == "not measured"


def test_in_force_follows_the_arguments(register):
    known = quirks.load(register)
    assert names(quirks.in_force(known, arguments())) == names(known)
    changed = arguments(across_epochs=True, mode="c")
    assert names(quirks.in_force(known, changed)) == ["chosen on test"]


def test_a_quirk_of_another_command_is_not_listed(register):
    found = quirks.in_force(quirks.load(register), argparse.Namespace(across_epochs=False))
    assert names(found) == ["average restarts", "chosen on test"]


def test_true_is_not_one():
    quirk = Quirk("n", "w", "p", "d", active={"x": [1]})
    assert quirks.in_force([quirk], argparse.Namespace(x=True)) == []
    assert quirks.in_force([quirk], argparse.Namespace(x=1)) == [quirk]


def test_corrections_end_the_quirks_they_name(register):
    known, args = quirks.load(register), arguments()
    changed = quirks.apply_corrections(known, args, given_flags=set())
    assert names(changed) == ["average restarts", "late decay"]
    assert args.across_epochs is True and args.decay_from == 0
    assert names(quirks.in_force(known, args)) == ["chosen on test"]


def test_corrections_leave_what_the_user_said(register):
    args = arguments(decay_from=20)
    quirks.apply_corrections(quirks.load(register), args, given_flags={"decay_from"})
    assert args.decay_from == 20 and args.across_epochs is True


def test_corrections_add_no_arguments(register):
    args = argparse.Namespace(across_epochs=False)
    quirks.apply_corrections(quirks.load(register), args, given_flags=set())
    assert vars(args) == {"across_epochs": True}


def test_table_has_a_row_a_quirk_and_escapes_bars(register):
    lines = quirks.markdown_table(quirks.load(register)).splitlines()
    assert len(lines) == 2 + 3
    assert "the average \\| is rebuilt" in lines[2]
    assert "`--across_epochs`" in lines[2] and "`across_epochs=True`" in lines[2]
    assert all(line.replace("\\|", "").count("|") == 8 for line in lines)


ENTRY = "- {name: n, where: w, paper: p, default: d"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name: n", "must hold a list"),
        ("- [1", "not valid YAML"),
        ("- 3", "entry 1 must be a mapping"),
        ("- {name: n, where: w, paper: p}", r"entry 1 \('n'\): 'default' must be a sentence"),
        (ENTRY + ", color: red}", "unknown color"),
        (ENTRY + ", flag: fast}", "start with a dash"),
        (ENTRY + ", corrected: {x: 1}, active: {x: 0}}", "'flag' must say which"),
        (ENTRY + ", flag: --x, corrected: {x: 1}, active: {x: [0, 1]}}", "still be in force"),
        (ENTRY + ", flag: --x, active: [1]}", "must map"),
        (ENTRY + "}\n" + ENTRY + "}", "'n' is used more than once"),
    ],
)
def test_a_bad_register_is_named_in_one_sentence(tmp_path, text, says):
    path = tmp_path / "quirks.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=says) as caught:
        quirks.load(path)
    assert str(path) in str(caught.value)


def test_a_missing_register_is_an_error(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        quirks.load(tmp_path / "quirks.yaml")


def test_check_then_write_then_check(register, capsys):
    readme = register.parent / "README.md"
    readme.write_text(f"# Title\n\n{quirks.BEGIN}\nold\n{quirks.END}\n\nRest — kept\n")
    root = str(register.parents[1])
    assert quirks.main(["check", root]) == 1
    assert "run 'python -m common.quirks write'" in capsys.readouterr().err
    assert "old" in readme.read_text()
    assert quirks.main(["write", root]) == 0
    text = readme.read_text(encoding="utf-8")
    assert text.startswith("# Title\n\n") and text.endswith("\n\nRest — kept\n")
    assert quirks.markdown_table(quirks.load(register)) in text and "old" not in text
    assert quirks.main(["check", root]) == 0


@pytest.mark.parametrize("text", ["", quirks.BEGIN, f"{quirks.END} {quirks.BEGIN}"])
def test_a_readme_without_proper_markers_is_an_error(register, capsys, text):
    (register.parent / "README.md").write_text(text)
    assert quirks.main(["check", str(register.parents[1])]) == 2
    assert "needs one" in capsys.readouterr().err


def test_checking_nothing_is_no_success(tmp_path, capsys):
    assert quirks.main(["check", str(tmp_path)]) == 2
    assert "No quirks.yaml" in capsys.readouterr().err
