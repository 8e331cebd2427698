"""One file over HTTP: resumed where it stopped, verified, and given its name only when whole."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from after_ser.core.errors import InputError
from after_ser.tools.download.config import Patience

_CHUNK = 1 << 16
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_RESTARTS = 2  # of a file whose bytes turn out wrong after it was continued


class NotThereError(InputError):
    """No server has the file (HTTP 404 or 410)."""


class _PassingError(Exception):
    """An error that may not happen again; the server asks to wait `wait_s` seconds."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class _LastingError(Exception):
    """An error that will happen again."""

    def __init__(self, reason: str, absent: bool = False) -> None:
        super().__init__(reason)
        self.absent = absent


@dataclass(frozen=True)
class Expected:
    """What is known of a file before it is fetched; `most_bytes` bounds one of unknown size."""

    sha256: str | None = None
    md5: str | None = None
    bytes: int | None = None
    most_bytes: int = 20_000_000_000

    @property
    def has_checksum(self) -> bool:
        """Whether the content is known, not only the size."""
        return bool(self.sha256 or self.md5)


@dataclass(frozen=True)
class Received:
    """What came: from where, how much, and its SHA-256."""

    url: str
    bytes: int
    sha256: str


def verify(path: Path, expected: Expected) -> str:
    """Return a file's SHA-256; raises InputError where size or checksum are not as expected."""
    size = path.stat().st_size
    if expected.bytes is not None and size != expected.bytes:
        raise InputError(f"{size} bytes; expected {expected.bytes}")
    with open(path, "rb") as handle:
        sha256 = hashlib.file_digest(handle, "sha256").hexdigest()
        handle.seek(0)
        md5 = hashlib.file_digest(handle, "md5").hexdigest() if expected.md5 else None
    if expected.sha256 and sha256 != expected.sha256:
        raise InputError(f"SHA-256 {sha256}; expected {expected.sha256}")
    if md5 != expected.md5:
        raise InputError(f"MD5 {md5}; expected {expected.md5}")
    return sha256


class Fetcher:
    """Fetches files through one session, so that connections are kept between small files."""

    def __init__(
        self, patience: Patience | None = None, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """`sleep` is there for tests."""
        import requests

        self._patience = patience or Patience()
        self._sleep = sleep
        self._session = requests.Session()
        # the bytes as they are stored, which is what checksums are of
        self._session.headers["Accept-Encoding"] = "identity"
        self._session.headers["User-Agent"] = "after-ser"

    def fetch(self, urls: Sequence[str], target: Path, expected: Expected) -> Received:
        """Fetch `target` from the first of `urls` that has the expected bytes.

        What arrived lies in a hidden file beside it until all of it is there and verified, and is
        taken up by the next call. Raises NotThereError where no server has it, InputError where
        none can be reached or the bytes are wrong; wrong bytes are removed.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        reasons = []
        absent = 0
        for url in urls:
            try:
                return self._from(url, target, expected)
            except _LastingError as error:
                absent += error.absent
                reasons.append(f"{url}: {error}")
        kind = NotThereError if absent == len(urls) else InputError
        raise kind(f"download: {target.name} cannot be had: {'; '.join(reasons)}")

    def _from(self, url: str, target: Path, expected: Expected) -> Received:
        part = _Part(target)
        for _ in range(_RESTARTS):
            continued = self._complete(url, part, expected)
            try:
                sha256 = verify(part.path, expected)
            except InputError as error:
                part.remove()
                if continued:  # the beginning may have been of another file
                    continue
                raise _LastingError(f"wrong bytes: {error}") from None
            size = part.path.stat().st_size
            os.replace(part.path, target)
            part.remove()
            return Received(url, size, sha256)
        raise _LastingError("wrong bytes each time it was continued")

    def _complete(self, url: str, part: _Part, expected: Expected) -> bool:
        """Get all bytes into the part; tell whether some were there before."""
        continued = part.size > 0
        failures = tries = 0
        while True:
            before = part.size
            try:
                self._once(url, part, expected)
                return continued
            except _PassingError as error:
                failures = 0 if part.size > before else failures + 1
                tries += 1
                if failures >= self._patience.attempts or tries >= 100 * self._patience.attempts:
                    raise _LastingError(f"{error} ({tries} attempts)") from None
                wait = min(self._patience.first_s * 2**failures, self._patience.longest_s)
                wait = max(wait, error.wait_s)
                print(f"notice: {url}: {error}; again in {wait:.0f} s", file=sys.stderr)
                self._sleep(wait)
                continued = continued or part.size > 0

    def _once(self, url: str, part: _Part, expected: Expected) -> None:
        import requests
        from urllib3.exceptions import HTTPError

        if part.size and part.size == expected.bytes:
            return
        headers = part.continuation(url, expected)
        try:
            with self._session.get(
                url,
                headers=headers,
                stream=True,
                timeout=(self._patience.connect_s, self._patience.read_s),
            ) as response:
                _check_answer(url, response)
                start, total = _extent(response, part, expected, asked=bool(headers))
                part.begin(start, url, response.headers, total)
                stream = response.raw.stream(_CHUNK, decode_content=False)
                part.append(stream, total if total is not None else expected.most_bytes)
        except (requests.ConnectionError, requests.Timeout, HTTPError) as error:
            raise _PassingError(_brief(error)) from None
        except requests.RequestException as error:
            raise _LastingError(_brief(error)) from None
        if total is not None and part.size < total:
            raise _PassingError(f"the connection ended after {part.size} of {total} bytes")


class _Part:
    """The bytes that have arrived so far, and which version of the file they belong to."""

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(f".{target.name}.part")
        self._notes = target.with_name(f".{target.name}.part.json")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        self._notes.unlink(missing_ok=True)

    def continuation(self, url: str, expected: Expected) -> dict[str, str]:
        """Return the headers that ask for the rest, {} where it has to begin anew.

        Without a checksum nothing but the server's word says that the rest is of the same file.
        """
        if not self.size:
            return {}
        try:
            notes = json.loads(self._notes.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            notes = {}
        headers = {"Range": f"bytes={self.size}-"}
        if notes.get("url") == url and notes.get("validator"):
            return headers | {"If-Range": notes["validator"]}
        return headers if expected.has_checksum else {}

    def begin(self, start: int, url: str, headers: Any, total: int | None) -> None:
        etag = headers.get("ETag", "")
        strong = etag if etag and not etag.startswith("W/") else headers.get("Last-Modified", "")
        if start == 0:
            self.path.write_bytes(b"")
        notes = {"url": url, "validator": strong, "total": total}
        self._notes.write_text(json.dumps(notes), encoding="utf-8")

    def append(self, chunks: Any, most: int) -> None:
        size = self.size
        with open(self.path, "ab") as handle:
            for chunk in chunks:
                size += len(chunk)
                if size > most:
                    handle.close()
                    self.remove()
                    raise _LastingError(f"more than the expected {most} bytes came")
                try:
                    handle.write(chunk)
                    handle.flush()
                except OSError as error:
                    raise InputError(f"download: cannot write {self.path}: {error}") from None


def _check_answer(url: str, response: Any) -> None:
    schemes = {urlsplit(step.url).scheme for step in (*response.history, response)}
    if urlsplit(url).scheme == "https" and schemes != {"https"}:
        raise _LastingError("it leads from https to http")
    status = response.status_code
    if status in (200, 206, 416):
        return
    reason = f"HTTP {status} {response.reason or ''}".strip()
    if status in _PASSING:
        asked = response.headers.get("Retry-After", "")
        raise _PassingError(reason, min(float(asked), 600.0) if asked.isdecimal() else 0.0)
    raise _LastingError(reason, absent=status in (404, 410))


def _extent(response: Any, part: _Part, expected: Expected, asked: bool) -> tuple[int, int | None]:
    """Return where the answer begins and how long the whole file is, None where nobody says."""
    length = response.headers.get("Content-Length", "")
    if response.status_code == 200:
        start, total = 0, int(length) if length.isdecimal() else None
    else:
        extent = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if not asked or extent is None or int(extent[1]) != part.size:
            part.remove()
            raise _PassingError("the server's answer does not continue what is there")
        start, total = part.size, int(extent[2]) if extent[2] != "*" else None
    if expected.bytes is not None and total not in (None, expected.bytes):
        part.remove()
        raise _LastingError(f"wrong bytes: {total} bytes; expected {expected.bytes}")
    ends = response.headers.get("Transfer-Encoding", "").lower() == "chunked"
    if total is None and not (ends or expected.bytes or expected.has_checksum):
        raise _LastingError("the server does not say how long it is, and no checksum is known")
    if total is not None and total > expected.most_bytes:
        raise _LastingError(f"{total} bytes; expected at most {expected.most_bytes}")
    return start, expected.bytes if total is None else total


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
