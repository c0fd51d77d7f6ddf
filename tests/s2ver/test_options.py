import argparse
import re

import pytest

from common import flags
from common.cli import UserError
from s2ver import data
from s2ver.options import build_parser

PUBLISHED = """
--save_dir                  ./saved_models
--save_name         -sn     main
--resume                    False
--load_path                 None
--overwrite         -o      False
--epoch                     128
--num_train_iter            1024
--num_labels        -nl     800
--batch_size        -bsz    16
--uratio                    4
--eval_batch_size           512
--hard_label                True
--T                         0.2
--p_cutoff                  0.95
--noise_th                  0.3
--ema_m                     0.999
--ulb_loss_ratio            1.0
--ldl_ratio                 0.2
--low_dim                   64
--lam_c                     3.0
--lam_d                     3.0
--alpha                     0.9
--dynamic_th                0.7
--dis_ce                    False
--update_m                  L2
--optim                     SGD
--lr                        0.03
--momentum                  0.9
--weight_decay              0.0005
--amp                       False
--clip                      0.0
--net                       Resnet50
--net_from_name             False
--depth                     28
--widen_factor              2
--leaky_slope               0.1
--dropout                   0.0
--data_dir                  ./data
--train_data_dir            ''
--test_data_dir             ''
--dataset           -ds     cifar10
--train_sampler             RandomSampler
--num_classes       -nc     10
--num_workers               1
--seed                      1
--gpu                       None
--c                         ''
"""
LABORATORY = """
--pretrained                None
--backbone                  resnet50
--image_size                224
--bn_groups                 1
--precision                 fp32
--channels_last             False
--compile                   False
--fast                      False
--data_seed                 None
--draws                     seeded
--device                    auto
--val_fraction              0.0
--stop_after_epoch          0
--save_every_minutes        10.0
--on_nan                    stop
--allow_change              []
--corrected                 False
--split                     None
--cache                     None
--cache_exact               False
--ema_across_epochs         False
--ema_reload_each_epoch     False
--l1_abs                    False
--no_bn_decay               False
--clip_unscaled             False
--count_iterations          False
--polarity                  dataset
"""


def rows(table):
    """(long form, short form or None, default as text) of every line."""
    words = [line.split() for line in table.strip().splitlines()]
    return [(w[0], w[1] if len(w) == 3 else None, w[-1].strip("'")) for w in words]


def sections():
    """Title -> text of every group of --help."""
    parts = re.split(r"^(\S.*):$", build_parser().format_help(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def yaml_run(tmp_path, text, *argv):
    file = tmp_path / "flags.yaml"
    file.write_text(text)
    return flags.parse(build_parser, [*argv, "--c", str(file)])


@pytest.mark.parametrize(("flag", "short", "default"), rows(PUBLISHED) + rows(LABORATORY))
def test_flag_exists_with_its_default(flag, short, default):
    parser = build_parser()
    action = parser._option_string_actions[flag]

    assert action.dest == flag[2:]
    assert str(getattr(parser.parse_args([]), action.dest)) == default
    if short:
        assert parser._option_string_actions[short] is action


def test_no_flag_is_missing_from_the_tables():
    known = {flag[2:] for flag, _, _ in rows(PUBLISHED) + rows(LABORATORY)}
    assert set(vars(build_parser().parse_args([]))) == known


def test_laboratory_flags_stand_in_a_group_of_their_own():
    listed = re.findall(r"^  (--\w+)", sections()["laboratory flags"], re.MULTILINE)
    assert sorted(listed) == sorted(flag for flag, _, _ in rows(LABORATORY))


def test_help_says_which_flags_have_no_effect():
    listed = sections()["accepted for compatibility, without effect"]
    for name in build_parser().without_effect():
        assert f"--{name} " in listed


def test_published_command_is_read_as_meant():
    words = "--epoch 512 --num_train_iter 1024 --num_labels 1600 -bsz 8 --train_data_dir A "
    words += "--test_data_dir B -ds fi -nc 8 --num_workers 4 --gpu 1 --overwrite"
    args, explicit = flags.parse(build_parser, words.split())

    assert (args.epoch, args.num_labels, args.batch_size, args.gpu) == (512, 1600, 8, 1)
    assert (args.train_data_dir, args.test_data_dir, args.dataset) == ("A", "B", "fi")
    assert args.overwrite
    assert {"batch_size", "dataset", "overwrite"} <= explicit
    assert "lr" not in explicit


@pytest.mark.parametrize(
    ("words", "value"),
    [([], False), (["--amp"], True), (["--amp", "True"], True), (["--amp", "false"], False)],
)
def test_amp_with_and_without_a_value(words, value):
    assert build_parser().parse_args(words).amp is value


@pytest.mark.parametrize(
    "words",
    [
        ["--epoch", "0"],
        ["--batch_size", "-4"],
        ["--lr", "-1"],
        ["--ldl_ratio", "1.5"],
        ["--update_m", "L3"],
        ["--optim", "Adam"],
        ["--hard_label", "perhaps"],
        ["--noise_th", "1"],
        ["--num_lables", "16"],
    ],
)
def test_value_out_of_range_is_refused_by_name(words, capsys):
    with pytest.raises(SystemExit) as leave:
        build_parser().parse_args(words)
    assert leave.value.code == 2
    assert words[0] in capsys.readouterr().err.splitlines()[-1]


def test_file_of_flags_becomes_the_defaults(tmp_path):
    text = "lr: 0.1\nupdate_m: cos\ndis_ce: true\noverwrite: false\nload_path:\nnum_labels: 40\n"
    args, explicit = yaml_run(tmp_path, text)

    assert (args.lr, args.update_m, args.dis_ce, args.num_labels) == (0.1, "cos", True, 40)
    assert not args.overwrite
    assert args.load_path is None
    assert args.T == 0.2
    assert {"lr", "update_m", "dis_ce", "num_labels"} <= explicit


def test_command_line_wins_over_the_file(tmp_path):
    args, _ = yaml_run(tmp_path, "lr: 0.1\nbatch_size: 32\n", "--lr", "0.2", "-bsz", "8")
    assert (args.lr, args.batch_size) == (0.2, 8)


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("learning_rate: 1\n", "'learning_rate', which is no flag"),
        ("help: true\n", "'help', which is no flag"),
        ("c: other.yaml\n", "'c', which is no flag"),
        ("- lr\n- 0.1\n", "must hold 'flag: value' lines"),
        ("", "must hold 'flag: value' lines"),
        ("lr: [0.1\n", "is not valid YAML"),
    ],
)
def test_unusable_file_of_flags_is_told_in_a_sentence(tmp_path, text, fact):
    with pytest.raises(UserError, match=re.escape(fact)) as error:
        yaml_run(tmp_path, text)
    assert str(tmp_path / "flags.yaml") in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_file_of_flags(tmp_path):
    with pytest.raises(UserError, match=r"none\.yaml cannot be read \(No such file"):
        flags.parse(build_parser, ["--c", str(tmp_path / "none.yaml")])


def test_command_that_goes_on_replaces_an_older_load_path(tmp_path):
    words = ["-sn", "my run", "--resume", "--load_path", "old.ckpt", "-o", "--lr", "0.1"]
    told = flags.resume_command("python s2ver/main.py", words, tmp_path / "last.ckpt")

    assert "old.ckpt" not in told
    assert told.startswith("python s2ver/main.py -sn 'my run' --lr 0.1 --resume --load_path ")
    args = build_parser().parse_args(told.replace("'my run'", "x").split()[2:])
    assert args.resume and args.overwrite and args.load_path == str(tmp_path / "last.ckpt")


def test_every_ignored_flag_is_a_flag():
    assert isinstance(build_parser(), argparse.ArgumentParser)
    assert build_parser().without_effect().keys() <= vars(build_parser().parse_args([])).keys()


def test_eight_classes_of_any_name_have_the_published_polarities(caplog):
    args = build_parser().parse_args([])
    assert data.polarity(args, tuple("abcdefgh")) == [1, 0, 1, 1, 0, 1, 0, 0]
    assert "whatever they are called" in caplog.text
    assert data.polarity(args, tuple("abcdef")) == [1] * 6
