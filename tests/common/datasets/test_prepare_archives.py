import io
import stat
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from common.cli import UserError
from common.datasets import prepare as archives
from common.datasets.__main__ import main


def zipped(path, files: dict[str, bytes], **settings):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **settings) as whole:
        for name, data in files.items():
            whole.writestr(name, data)
    return path


def tarred(path, files: dict[str, bytes], mode: str = "w:gz"):
    with tarfile.open(path, mode) as whole:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            whole.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture
def out(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.mark.parametrize("make", [zipped, tarred])
def test_files_come_out_as_they_went_in(tmp_path, out, make):
    files = {"a/имя 1.txt": b"one", "a/b/2.txt": b"", "3.txt": bytes(range(256)) * 9000}
    assert archives.unpack(make(tmp_path / "x", files), out) == 3
    assert {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*.txt")} == files


@pytest.mark.parametrize("make", [zipped, tarred])
@pytest.mark.parametrize(
    "name", ["../up.txt", "a/../../up.txt", "/tmp/absolute.txt", "..\\up.txt", "C:/up.txt"]
)
def test_paths_that_escape_are_refused(tmp_path, out, make, name):
    with pytest.raises(UserError, match="out of the folder"):
        archives.unpack(make(tmp_path / "x", {name: b"evil"}), out)
    assert [p.name for p in tmp_path.rglob("*.txt")] == []


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_links_in_a_tar_are_refused(tmp_path, out, kind):
    info = tarfile.TarInfo("link")
    info.type, info.linkname = kind, "/etc/passwd"
    with tarfile.open(tmp_path / "x.tar", "w") as whole:
        whole.addfile(info)
    with pytest.raises(UserError, match="is a link"):
        archives.unpack(tmp_path / "x.tar", out)
    assert list(out.iterdir()) == []


def test_link_in_a_zip_is_refused(tmp_path, out):
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as whole:
        whole.writestr(info, "/etc/passwd")
    with pytest.raises(UserError, match="is a link"):
        archives.unpack(tmp_path / "x.zip", out)


def test_device_in_a_tar_is_refused(tmp_path, out):
    info = tarfile.TarInfo("pipe")
    info.type = tarfile.FIFOTYPE
    with tarfile.open(tmp_path / "x.tar", "w") as whole:
        whole.addfile(info)
    with pytest.raises(UserError, match="is no file"):
        archives.unpack(tmp_path / "x.tar", out)


@pytest.mark.parametrize("make", [zipped, tarred])
def test_limits_hold_for_what_is_written(tmp_path, out, make):
    noise = np.random.default_rng(0).bytes(3 << 20)
    archive = make(tmp_path / "x", {"a.bin": noise, "b.bin": noise})
    with pytest.raises(UserError, match="max_gb"):
        archives.unpack(archive, out, archives.Limits(bytes=4 << 20))
    assert sum(p.stat().st_size for p in out.rglob("*")) <= 4 << 20
    with pytest.raises(UserError, match="more than 1 files"):
        archives.unpack(archive, out / "..", archives.Limits(files=1))


def test_bomb_is_refused_before_it_is_unpacked(tmp_path, out):
    with pytest.raises(UserError, match="times its packed size"):
        archives.unpack(zipped(tmp_path / "x", {"zeros": bytes(20 << 20)}), out)
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("make", [zipped, tarred])
def test_nothing_is_overwritten(tmp_path, out, make):
    (out / "a.txt").write_text("mine")
    with pytest.raises(UserError, match="would overwrite"):
        archives.unpack(make(tmp_path / "x", {"a.txt": b"theirs"}), out)
    assert (out / "a.txt").read_text() == "mine"


@pytest.mark.parametrize("make", [zipped, tarred])
def test_damaged_archives_are_told(tmp_path, out, make):
    noise = np.random.default_rng(0).bytes(200_000)
    archive = make(tmp_path / "x", {"a.bin": noise})
    whole = bytearray(archive.read_bytes())
    whole[100_000:100_400] = bytes(400)
    archive.write_bytes(whole)
    with pytest.raises(UserError, match="cannot be unpacked"):
        archives.unpack(archive, out)


def test_other_files_are_no_archives(tmp_path, out):
    (tmp_path / "x.zip").write_text("<html>404</html>")
    with pytest.raises(UserError, match="neither a zip nor a tar"):
        archives.unpack(tmp_path / "x.zip", out)
    with pytest.raises(UserError, match="no archive"):
        archives.unpack(tmp_path / "none.zip", out)


def pictures() -> dict[str, bytes]:
    files = {}
    for k, place in enumerate(
        f"{split}/{name}/{i}.png"
        for split in ("train", "test")
        for name in ("calm", "joy")
        for i in range(2)
    ):
        data = io.BytesIO()
        Image.new("RGB", (8, 8), (k * 20, 0, 0)).save(data, "PNG")
        files[f"download/{place}"] = data.getvalue()
    return files


def test_prepare_unpacks_checks_and_drops_the_outer_folder(tmp_path, in_process):
    zipped(tmp_path / "x.zip", pictures())
    argv = ["prepare", "folders", "--source", "x.zip", "--out", "data"]
    seen = in_process(main, argv, tmp_path)
    assert seen.code == 0, seen.err
    assert len(list((tmp_path / "data/train/calm").iterdir())) == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data", "x.zip"]
    again = in_process(main, argv, tmp_path)
    assert again.code == 2 and "already exists" in again.err


def test_prepare_keeps_nothing_that_its_reader_refuses(tmp_path, in_process):
    tarred(tmp_path / "x.tgz", {"readme.txt": b"no images"})
    argv = ["prepare", "rafdb", "--source", "x.tgz", "--out", "data"]
    seen = in_process(main, argv, tmp_path)
    assert seen.code == 2 and "Nothing is kept" in seen.err
    assert [p.name for p in tmp_path.iterdir()] == ["x.tgz"]
    assert in_process(main, [*argv, "--no_check"], tmp_path).code == 0
    assert (tmp_path / "data/readme.txt").is_file()
