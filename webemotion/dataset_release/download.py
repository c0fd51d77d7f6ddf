"""Fetching images from links: several at a time, politely, and so that it can be gone on with.

All threads together keep to one rate; a server that says wait is waited for; tries are bounded; an
image is decoded before it is put in its place, in one step; what is there is not fetched again.
"""

from __future__ import annotations

import io
import threading
import time
import urllib.error
import urllib.request
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from common.cli import UserError
from common.files import replacing
from common.flags import number, setting
from webemotion.dataset_release.links import Link

AGENT = "emotionlab-downloader/0.1 (research; honours Retry-After)"
WORTH_ANOTHER_TRY = {408, 425, 429, 500, 502, 503, 504}
FETCHED, THERE, FAILED = "fetched", "already there", "failed"


@dataclass(frozen=True)
class Manners:
    """How a download behaves.

    Attributes:
        rate: of all threads together.
        pause: seconds before the second try; doubled before each further one.
        longest_pause: seconds; also what a server's Retry-After is cut to.
        max_bytes: a larger file is refused.
    """

    threads: int = setting(
        4,
        "requests under way at once",
        *("--threads", "-n"),
        type=number(int, 1, 16),
        nargs="?",
        const=4,
    )
    rate: float = setting(5.0, "requests a second at most", type=number(float, 0.01, 50))
    tries: int = setting(3, "requests for one image at most", type=number(int, 1, 10))
    timeout: float = setting(20.0, "seconds of silence that fail", type=number(float, 0.1))
    pause: float = 1.0
    longest_pause: float = 60.0
    max_bytes: int = 30_000_000


class Failure(Exception):
    """An image that could not be fetched, and why.

    Attributes:
        wait: seconds to wait before another try; None where none is worth it.
    """

    def __init__(self, reason: str, wait: float | None = None):
        super().__init__(reason)
        self.wait = wait


class Downloader:
    """Fetches links into a folder.

    Args:
        folder: of the images.
        manners: see :class:`Manners`.
        sleep: waits so many seconds.
    """

    def __init__(self, folder: Path, manners: Manners, sleep: Callable[[float], None] = time.sleep):
        self.folder, self.manners, self._sleep = Path(folder), manners, sleep
        self._next_start, self._lock = 0.0, threading.Lock()

    def fetch_all(self, links: Sequence[Link]) -> tuple[Counter, dict[Link, str]]:
        """Fetch what is not there yet.

        Returns:
            (how many were fetched, already there and failed; reason per failed link).

        Raises:
            UserError: the folder cannot be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{self.folder} cannot be made: {error.strerror}.") from None
        counts, failed = Counter(), {}
        with ThreadPoolExecutor(self.manners.threads) as pool:
            try:
                results = pool.map(self._fetch, links)
                bar = tqdm(results, total=len(links), unit="image", disable=None)
                for link, (outcome, reason) in zip(links, bar, strict=True):
                    counts[outcome] += 1
                    if reason:
                        failed[link] = reason
            except BaseException:  # Ctrl-C: what has not begun is left for the next run
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return counts, failed

    def _fetch(self, link: Link) -> tuple[str, str]:
        target = self.folder / link.path
        if target.exists():
            return THERE, ""
        for attempt in range(1, self.manners.tries + 1):
            try:
                self._store(self._request(link.url), target)
                return FETCHED, ""
            except Failure as failure:
                if failure.wait is None or attempt == self.manners.tries:
                    return FAILED, str(failure)
                usual = self.manners.pause * 2 ** (attempt - 1)
                self._sleep(min(max(failure.wait, usual), self.manners.longest_pause))
        raise AssertionError("tries is at least 1")

    def _wait_for_turn(self) -> None:
        """All threads together start `rate` requests a second."""
        with self._lock:
            start = max(time.monotonic(), self._next_start)
            self._next_start = start + 1 / self.manners.rate
        time.sleep(max(0.0, start - time.monotonic()))

    def _request(self, url: str) -> bytes:
        """The body of one answer.

        Raises:
            Failure: no answer, an error, or too large a body.
        """
        self._wait_for_turn()
        request = urllib.request.Request(url, headers={"User-Agent": AGENT})
        try:
            with urllib.request.urlopen(request, timeout=self.manners.timeout) as answer:
                body = answer.read(self.manners.max_bytes + 1)
        except urllib.error.HTTPError as error:
            again = error.code in WORTH_ANOTHER_TRY
            wait = _seconds(error.headers.get("Retry-After")) if again else None
            raise Failure(f"HTTP {error.code}", wait) from None
        except (OSError, ValueError) as error:  # no connection, a timeout, a body cut short
            raise Failure(f"no answer ({getattr(error, 'reason', error)})", 0.0) from None
        if len(body) > self.manners.max_bytes:
            raise Failure(f"larger than {self.manners.max_bytes} bytes")
        return body

    def _store(self, body: bytes, target: Path) -> None:
        """Decode the image, then put it in its place.

        Raises:
            Failure: the body is no whole image, or the place cannot be written.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                with Image.open(io.BytesIO(body)) as image:
                    image.load()
        except Exception as error:  # decoders raise almost anything on damaged bytes
            raise Failure(f"no readable image ({type(error).__name__})") from None
        try:
            with replacing(target) as part:
                part.write_bytes(body)
        except OSError as error:
            raise Failure(f"cannot be written ({error.strerror})") from None


def _seconds(text: str | None) -> float:
    """Retry-After in seconds; a date, or nothing, counts as 0."""
    return float(text) if text and text.strip().isdecimal() else 0.0


def failures_path(folder: Path) -> Path:
    """Where the list of what failed goes: beside the images' folder."""
    return folder.with_name(f"{folder.name}_failed.tsv")


def write_failures(failed: dict[Link, str], path: Path) -> None:
    """Write what failed as a list that can be fetched again: path, URL, and the reason above."""
    lines = [f"# {reason}\n{link.path}\t{link.url}\n" for link, reason in failed.items()]
    path.write_text("".join(lines), encoding="utf-8")
