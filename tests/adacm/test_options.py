import pytest

from adacm.options import build_parser

PUBLISHED = """
--epochs            epochs           20
--start-epoch       start_epoch      1
--batch-size        batch_size       16
--lr                lr               0.0005
--learning-rate     lr               0.0005
--num_workers       num_workers      16
--resume            resume           ''
--manualSeed        manualSeed       5
--gpu               gpu              0,1
--n-labeled         num_labelled     4000
--train-iteration   train_iteration  800
--out               out              result
--ema-decay         ema_decay        0.999
--train-root        train_root       ''
--test-root         test_root        ''
--label-train       label_train      ''
--label-test        label_test       ''
"""
LABORATORY = """
--pretrained        pretrained       None
--backbone          backbone         resnet18
--image_size        image_size       224
--precision         precision        fp32
--channels_last     channels_last    False
--compile           compile          False
--fast              fast             False
--data_seed         data_seed        None
--draws             draws            'seeded'
--device            device           auto
--val_fraction      val_fraction     0.0
--stop_after_epoch  stop_after_epoch 0
--corrected         corrected        False
--dataset           dataset          rafdb
--data_dir          data_dir         data
--channel_order     channel_order    bgr
--label_budget      label_budget     table
--margin_view       margin_view      train
--spare_statistics  spare_statistics False
--square_crop       square_crop      False
"""
ROWS = [line.split() for line in (PUBLISHED + LABORATORY).splitlines() if line]


@pytest.mark.parametrize(("flag", "dest", "default"), ROWS)
def test_flag_exists_with_its_default(flag, dest, default):
    parser = build_parser()
    assert parser._option_string_actions[flag].dest == dest
    assert str(getattr(parser.parse_args([]), dest)) == default.strip("'")


def test_no_flag_is_missing_from_the_tables():
    known = {dest for _, dest, _ in ROWS}
    # The group of flags that all papers share may grow.
    assert known <= set(vars(build_parser().parse_args([])))


@pytest.mark.parametrize(
    "words",
    [
        ["--epochs", "0"],
        ["--ema-decay", "1.5"],
        ["--gpu", "first"],
        ["--channel_order", "gbr"],
        ["--n-labelled", "400"],
    ],
)
def test_value_out_of_range_is_refused_by_name(words, capsys):
    with pytest.raises(SystemExit) as leave:
        build_parser().parse_args(words)
    assert leave.value.code == 2
    assert words[0] in capsys.readouterr().err.splitlines()[-1]
