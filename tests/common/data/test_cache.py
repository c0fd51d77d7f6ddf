import multiprocessing
import pickle
import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import adacm.data
import dimva.data
import s2ver.data
from common.cli import UserError
from common.data import cache
from common.data.dataset import ViewDataset, open_rgb
from common.data.manifest import Manifest

SIZE = 24


@pytest.fixture
def manifest(tmp_path):
    """Ten images of ten sizes, JPEG and PNG, one grey."""
    (tmp_path / "images").mkdir()
    generator, names = np.random.default_rng(0), []
    for k in range(10):
        coarse = generator.integers(0, 256, (5, 7, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize((40 + 7 * k, 90 - 5 * k))
        image = image.convert("L") if k == 3 else image
        names.append(f"images/{k}.{'png' if k % 2 else 'jpg'}")
        image.save(tmp_path / names[-1])
    table = pd.DataFrame({"path": names, "label": 0, "split": "train"})
    return Manifest("sample", tmp_path, ("one",), table)


def flags(folder, exact=False):
    return SimpleNamespace(cache=folder, cache_exact=exact, num_workers=2)


def items(manifest, views, open_image):
    data = ViewDataset(manifest, views, open_image=open_image)
    return [data[i, 1000 + i] for i in range(len(data))]


VIEWS = {
    "s2ver labelled": (s2ver.data.labelled_views(SIZE), cache.Plan(SIZE, True)),
    "s2ver unlabelled": (s2ver.data.unlabelled_views(SIZE), cache.Plan(SIZE, False)),
    "s2ver test": (s2ver.data.test_views(SIZE), cache.Plan(SIZE, True)),
    "adacm labelled": (adacm.data.labelled_views(SIZE, True), cache.Plan(SIZE, True)),
    "adacm unlabelled": (adacm.data.unlabelled_views(SIZE, True), cache.Plan(SIZE, False)),
    "adacm test": (adacm.data.test_views(SIZE, True), cache.Plan(SIZE, True)),
    "dimva training": (dimva.data.train_views(SIZE), cache.Plan(None, True)),
    "dimva evaluation": (dimva.data.eval_views(SIZE), cache.Plan(SIZE, True)),
}


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("exact", [False, True])
def test_views_are_equal_to_the_bit_where_the_plan_says_so(tmp_path, manifest, name, exact):
    views, expected = VIEWS[name]
    found = cache.plan(views, exact)
    assert found == (expected if expected.exact or not exact else cache.Plan(None, True))
    opener = cache.opener(flags(tmp_path / "cache", exact), manifest, views)
    assert isinstance(opener, cache.CachedImages)
    for k, (a, b) in enumerate(
        zip(items(manifest, views, None), items(manifest, views, opener), strict=True)
    ):
        for view in views:
            resized_first = found.exact or view.startswith("weak")
            assert torch.equal(a[view], b[view]) or not resized_first, (view, k)
    if not found.exact:
        assert any(not torch.equal(a[v], b[v]) for v in views if v.startswith("strong"))


def test_what_a_run_records():
    train, test = s2ver.data.unlabelled_views(SIZE), s2ver.data.test_views(SIZE)
    assert cache.kind(flags(None), train) is None
    assert cache.kind(flags("c"), train, test) == "approximate"
    assert cache.kind(flags("c", exact=True), train, test) == "exact"
    assert cache.kind(flags("c"), test) == "exact"
    assert cache.identity("exact") is None and cache.identity("approximate") == "approximate"


def paths(manifest):
    return [str(manifest.root / p) for p in manifest.table["path"]]


def test_file_is_used_again_and_made_anew_for_other_content(tmp_path, manifest):
    folder, plan = tmp_path / "cache", cache.Plan(SIZE, True)
    first = cache.cached(folder, paths(manifest), plan, open_rgb)
    stamp = first.file.stat().st_mtime_ns
    assert cache.cached(folder, paths(manifest), plan, open_rgb).file.stat().st_mtime_ns == stamp
    assert cache.cached(folder, paths(manifest), cache.Plan(32, True), open_rgb).file != first.file
    opener = adacm.data.load_image
    assert cache.cached(folder, paths(manifest), plan, opener).file != first.file
    assert cache.cached(folder, paths(manifest)[::-1], plan, open_rgb).file != first.file
    Image.new("RGB", (50, 60), "red").save(manifest.root / "images/1.png")
    second = cache.cached(folder, paths(manifest), plan, open_rgb)
    assert second.file != first.file
    assert second(paths(manifest)[1]).getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize("damage", ["half", "empty", "tail", "index"])
def test_half_written_file_is_made_anew(tmp_path, manifest, damage, caplog):
    folder, plan = tmp_path / "cache", cache.Plan(SIZE, True)
    file = cache.cached(folder, paths(manifest), plan, open_rgb).file
    whole = file.read_bytes()
    broken = {
        "half": whole[: len(whole) // 2],
        "empty": b"",
        "tail": whole[:-1],
        "index": whole,
    }[damage]
    file.write_bytes(broken)
    if damage == "index":
        index = file.with_suffix(".index").read_bytes()
        file.with_suffix(".index").write_bytes(index[:-60] + bytes(20) + index[-40:])
    opener = cache.cached(folder, paths(manifest), plan, open_rgb)
    assert "half-written" in caplog.text
    assert file.read_bytes() == whole
    assert opener(paths(manifest)[0]).size[1] >= SIZE


def test_damaged_pixels_are_told(tmp_path, manifest):
    opener = cache.cached(tmp_path / "cache", paths(manifest), cache.Plan(SIZE, True), open_rgb)
    data = bytearray(opener.file.read_bytes())
    data[10] ^= 1
    opener.file.write_bytes(data)
    with pytest.raises(UserError, match=r"damaged at the image .*0\.jpg; delete it"):
        opener(paths(manifest)[0])
    opener(paths(manifest)[1])


def test_opener_goes_to_other_processes(tmp_path, manifest):
    opener = cache.cached(tmp_path / "cache", paths(manifest), cache.Plan(SIZE, True), open_rgb)
    path = paths(manifest)[4]
    before = opener(path)  # maps the file
    again = pickle.loads(pickle.dumps(opener))
    assert again._pixels is None and again(path) == before


def slow_open(path):
    time.sleep(0.05)
    with open(f"{path}.opened", "a") as note:
        note.write("x")
    return open_rgb(path)


def build(folder, of, queue):
    opener = cache.cached(folder, of, cache.Plan(SIZE, True), slow_open, workers=1)
    queue.put((str(opener.file), opener(of[0]).tobytes()))


def test_two_processes_at_once_make_it_once(tmp_path, manifest):
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    arguments = (tmp_path / "cache", paths(manifest), queue)
    both = [context.Process(target=build, args=arguments) for _ in range(2)]
    for process in both:
        process.start()
    results = [queue.get(timeout=60) for _ in both]
    for process in both:
        process.join(60)
        assert process.exitcode == 0
    assert results[0] == results[1]
    opened = [(manifest.root / f"{p}.opened").read_text() for p in manifest.table["path"]]
    assert opened == ["x"] * len(manifest)
    assert [p.suffix for p in (tmp_path / "cache").iterdir()].count(".pixels") == 1


def test_failed_build_leaves_no_file(tmp_path, manifest):
    (manifest.root / "images/5.png").write_bytes(b"broken")
    with pytest.raises(UserError, match=r"5\.png cannot be read"):
        cache.cached(tmp_path / "cache", paths(manifest), cache.Plan(SIZE, True), open_rgb)
    assert [p for p in (tmp_path / "cache").iterdir() if p.suffix != ".lock"] == []
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="give another --cache"):
        cache.cached(tmp_path / "file/c", [], cache.Plan(SIZE, True), open_rgb)
