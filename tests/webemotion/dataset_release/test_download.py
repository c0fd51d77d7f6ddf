"""The downloader against a server on this machine that fails in every way it must survive."""

import io
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from common.cli import UserError
from common.data import pickles
from webemotion.dataset_release import download, links
from webemotion.dataset_release.__main__ import main
from webemotion.dataset_release.links import Link

FAST = {"rate": 50.0, "pause": 0.0, "timeout": 5.0}


def picture() -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


class Handler(BaseHTTPRequestHandler):
    """``/ok…`` an image; ``/busy`` 503 twice, then an image; ``/gone`` 404; ``/text`` no image."""

    def do_GET(self):
        seen = self.server.seen
        name = self.path.rpartition("/")[2]
        with self.server.lock:
            seen[name] += 1
            number = seen[name]
            self.server.times.append(time.monotonic())
        self.server.agents.add(self.headers["User-Agent"])
        if name == "gone":
            self.send_error(404)
        elif name == "down" or (name == "busy" and number < 3):
            self.send_response(503)
            self.send_header("Retry-After", "7")
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            body = {"text": b"<html>", "half": picture()[:400], "huge": b"x" * 5000}
            body = body.get(name, picture())
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_):
        """Says nothing."""


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.seen, server.times, server.agents = Counter(), [], set()
    server.lock = threading.Lock()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    server.at = f"http://127.0.0.1:{server.server_address[1]}"
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def fetch(server, folder, names, **manners):
    waited = []
    loader = download.Downloader(folder, download.Manners(**{**FAST, **manners}), waited.append)
    given = [Link(f"sub/{name}.png", f"{server.at}/{name}") for name in names]
    counts, failed = loader.fetch_all(given)
    return counts, {link.path: reason for link, reason in failed.items()}, waited


def test_images_are_fetched_once_and_verified(server, tmp_path):
    names = [f"ok{k}" for k in range(6)]
    counts, failed, _ = fetch(server, tmp_path, names)
    assert counts == {download.FETCHED: 6} and not failed
    assert (tmp_path / "sub/ok3.png").read_bytes() == picture()
    counts, _, _ = fetch(server, tmp_path, [*names, "more"])
    assert counts == {download.THERE: 6, download.FETCHED: 1}
    assert set(server.seen.values()) == {1} and all("emotionlab" in a for a in server.agents)


def test_what_is_there_is_never_touched(server, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/ok.png").write_bytes(b"mine")
    counts, _, _ = fetch(server, tmp_path, ["ok"])
    assert counts == {download.THERE: 1} and (tmp_path / "sub/ok.png").read_bytes() == b"mine"
    assert not server.seen


def test_a_busy_server_is_waited_for(server, tmp_path):
    counts, failed, waited = fetch(server, tmp_path, ["busy"], tries=3)
    assert counts == {download.FETCHED: 1} and not failed
    assert waited == [7.0, 7.0] and server.seen["busy"] == 3


def test_tries_are_bounded_and_hopeless_ones_are_not_repeated(server, tmp_path):
    names = ["down", "gone", "text", "half", "huge"]
    counts, failed, waited = fetch(
        server, tmp_path, names, tries=3, longest_pause=2.0, max_bytes=1000
    )
    assert counts == {download.FAILED: 5}
    assert failed["sub/down.png"] == "HTTP 503" and failed["sub/gone.png"] == "HTTP 404"
    assert "no readable image" in failed["sub/text.png"]
    assert "no readable image" in failed["sub/half.png"]
    assert "larger than 1000 bytes" in failed["sub/huge.png"]
    assert server.seen == {"down": 3, "gone": 1, "text": 1, "half": 1, "huge": 1}
    assert waited == [2.0, 2.0]
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_all_threads_keep_one_rate(server, tmp_path):
    fetch(server, tmp_path, [f"ok{k}" for k in range(8)], rate=40.0, threads=8)
    times = sorted(server.times)
    assert times[-1] - times[0] >= 0.9 * 7 / 40
    assert sum(later - sooner > 0.005 for sooner, later in pairwise(times)) >= 4


def test_no_answer_is_a_failure(tmp_path):
    loader = download.Downloader(tmp_path, download.Manners(**FAST, tries=2), lambda _: None)
    counts, failed = loader.fetch_all([Link("a.png", "http://127.0.0.1:9/a.png")])
    assert counts == {download.FAILED: 1} and "no answer" in next(iter(failed.values()))


def test_command_writes_what_failed_and_goes_on(server, tmp_path, in_process):
    (tmp_path / "links.tsv").write_text(
        f"# a comment\na/1.png\t{server.at}/ok\nb.png\t{server.at}/gone\n"
    )
    argv = ["download", "--links", "links.tsv", "--out", "images", "--rate", "50"]
    seen = in_process(main, argv, tmp_path)
    assert seen.code == 1 and "1 failed, 1 fetched" in seen.out
    left = links.read_links(tmp_path / "images_failed.tsv")
    assert left == [Link("b.png", f"{server.at}/gone")]
    seen = in_process(main, argv, tmp_path)
    assert "1 already there, 1 failed" in seen.out


def test_links_are_read(tmp_path):
    text = "https://a.b/x/1_F_2.jpg\nsub/2.jpg,https://a.b/y,z.jpg\n\n"
    (tmp_path / "l.txt").write_text(text)
    assert links.read_links(tmp_path / "l.txt") == [
        Link("1_F_2.jpg", "https://a.b/x/1_F_2.jpg"),
        Link("sub/2.jpg", "https://a.b/y,z.jpg"),
    ]
    assert links.read_links(tmp_path / "l.txt", preview=True)[0] == Link(
        "1_F_2.jpg", "https://a.b/x/240_F_2.jpg"
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("ftp://a.b/c.jpg", "no http or https link"),
        ("../c.jpg\thttp://a.b/c.jpg", "does not stay in the folder"),
        ("/c.jpg\thttp://a.b/c.jpg", "does not stay in the folder"),
        ("http://a.b/1/c.jpg\nhttp://a.b/2/c.jpg", "two links go to c.jpg"),
        ("http://a.b/", "the path ''"),
    ],
)
def test_bad_links_are_refused(tmp_path, text, told):
    (tmp_path / "l.txt").write_text(text)
    with pytest.raises(UserError, match=told):
        links.read_links(tmp_path / "l.txt")


def test_preview_links_as_published():
    assert links.preview_url("https://a.b/1000_F_1.jpg") == "https://a.b/240_F_1.jpg"
    assert links.preview_url("https://a.b/x/plain.jpg") == "https://a.b/x/240"


def test_released_annotations_name_places_by_ten_thousands(tmp_path):
    held = {f"im{k}": {"url": f"http://host/x_{k}.jpg", "tags": ["a"]} for k in range(10001)}
    pickles.save(held, tmp_path / "annotation.pkl")
    found = links.read_links(tmp_path / "annotation.pkl")
    assert found[0] == Link("000000/im0.jpg", "http://host/x_0.jpg")
    assert found[-1].path == "000001/im10000.jpg"
    pickles.save({"im": {"tags": []}}, tmp_path / "none.pkl")
    with pytest.raises(UserError, match="entry 1 has no link"):
        links.read_links(tmp_path / "none.pkl")
