"""One corpus: fetch its files, verify them, unpack them, and only then give it its name."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from after_ser.core.errors import InputError
from after_ser.data.corpora.registry import corpus_adapter
from after_ser.run.atomic import write_json
from after_ser.run.lock import exclusive
from after_ser.tools.download.fetch import Expected, Fetcher, NotThereError, Received, verify
from after_ser.tools.download.unpack import Limits, unpack

#: In a corpus's folder: what was fetched, from where.
RECORD = ".downloaded.json"
#: Beside the corpora: checksums of files for which none is published, as first seen.
FIRST_SEEN = "downloads.lock.json"
_ARCHIVE = re.compile(r"\.(zip|tar|tar\.gz|tgz|tar\.bz2|tar\.xz)$")
_REPORT_EVERY = 500  # small files


class FirstSeen:
    """Trust on first use: a file without a published checksum must stay what it was at first."""

    def __init__(self, path: Path) -> None:
        """`path` is a JSON file of checksums by corpus and file, made when there is one to keep."""
        self._path = path
        self._known = self._read()

    def _read(self) -> dict[str, Any]:
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise InputError(f"download: cannot read {self._path}: {error}") from None
        if not isinstance(content, dict):
            raise InputError(f"download: {self._path} holds no JSON object")
        return content

    def expected(self, key: str, expected: Expected) -> Expected:
        """Return what is expected of a file, with the checksum of its first download."""
        first = self._known.get(key)
        if first is None or expected.has_checksum:
            return expected
        return replace(expected, sha256=first["sha256"])

    def keep(self, key: str, received: Received) -> None:
        """Remember the checksum of a file that came for the first time."""
        self._known = self._read()  # another corpus may have been fetched meanwhile
        self._known[key] = {"sha256": received.sha256, "bytes": received.bytes, "url": received.url}
        write_json(self._path, dict(sorted(self._known.items())))

    def __contains__(self, key: str) -> bool:
        return key in self._known


class CorpusDownload:
    """The download of one corpus into one folder; `run` may be called again after any failure."""

    def __init__(self, name: str, corpus: Mapping[str, Any], root: Path, fetcher: Fetcher) -> None:
        """`corpus` is an entry of the plan, `root` the folder that the corpus will be."""
        self._name, self._corpus, self._fetcher = name, corpus, fetcher
        self._root = Path(os.path.abspath(root))
        self._work = self._root.parent / f".{self._root.name}.download"
        self._files = self._work / "files"
        self._record: dict[str, Any] = {}

    def run(self) -> str:
        """Fetch what is missing; return one line on what is there now.

        A folder that something else made is left as it is. Raises InputError where a file cannot
        be had, has the wrong bytes or cannot be unpacked safely; what is whole is kept.
        """
        if (self._root / RECORD).is_file():
            return f"{self._name}: is complete in {self._root}"
        if self._root.exists() and (not self._root.is_dir() or any(self._root.iterdir())):
            return f"{self._name}: {self._root} was there already and is left as it is"
        print(f"{self._name}: {self._corpus['licence']} ({self._corpus['page']})", file=sys.stderr)
        self._root.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(self._work):
            self._first_seen = FirstSeen(self._root.parent / FIRST_SEEN)
            for item in self._corpus.get("files", []):
                self._get(item, self._files / item["into"] / item["name"])
            for item in self._corpus.get("lists", []):
                self._get_listed(item)
            tree = self._unpacked()
            line = self._look_at(tree)
            record = {
                "corpus": self._name,
                "licence": self._corpus["licence"],
                "page": self._corpus["page"],
                "files": self._record,
            }
            write_json(tree / RECORD, record)
            if self._root.exists():
                self._root.rmdir()
            os.replace(tree, self._root)
        shutil.rmtree(self._work)
        return line

    def _get(self, item: Mapping[str, Any], target: Path) -> Received | None:
        """Fetch one file unless it is already here; None if no server has an optional one."""
        key = f"{self._name}/{target.relative_to(self._files)}"
        published = Expected(
            item.get("sha256"),
            item.get("md5"),
            item.get("bytes"),
            item.get("most_bytes", Expected.most_bytes),
        )
        expected = self._first_seen.expected(key, published)
        received = self._there(target, expected)
        if received is None:
            try:
                received = self._fetcher.fetch(item["urls"], target, expected)
            except NotThereError as error:
                if not item.get("optional"):
                    raise
                print(f"notice: {self._name}: left out: {error}", file=sys.stderr)
                return None
            except InputError as error:
                raise self._explained(key, published, error) from None
        basis = "published checksum" if published.has_checksum else "first download"
        if not published.has_checksum and key not in self._first_seen:
            self._first_seen.keep(key, received)
        self._record[str(target.relative_to(self._files))] = {
            "url": received.url,
            "bytes": received.bytes,
            "sha256": received.sha256,
            "trusted_by": basis,
        }
        return received

    def _there(self, target: Path, expected: Expected) -> Received | None:
        """Return a file of an interrupted download that can be kept, None where there is none."""
        if not target.is_file() or not expected.has_checksum:
            return None
        try:
            return Received("", target.stat().st_size, verify(target, expected))
        except InputError:
            target.unlink()
            return None

    def _explained(self, key: str, published: Expected, error: InputError) -> InputError:
        if published.has_checksum or key not in self._first_seen:
            return error
        where = self._root.parent / FIRST_SEEN
        return InputError(
            f"{error} (as first seen; if it was republished, remove {key} in {where})"
        )

    def _get_listed(self, item: Mapping[str, Any]) -> None:
        """Fetch the files that a list names with their checksums, and those named beside it."""
        listed = self._work / "lists" / item["list"]["name"]
        expected = Expected(item["list"]["sha256"], None, item["list"].get("bytes"))
        if self._there(listed, expected) is None:
            self._fetcher.fetch(item["list"]["urls"], listed, expected)
        wanted = _read_list(listed, re.compile(item["pattern"]))
        for name, sha256 in item.get("also", {}).items():
            wanted[name] = {"name": name, "sha256": sha256, "optional": sha256 is None}
        bases = list(item["bases"])
        for count, (name, entry) in enumerate(sorted(wanted.items()), start=1):
            received = self._get(
                entry | {"urls": [base + name for base in bases]}, self._files / item["into"] / name
            )
            if received is not None and received.url:  # the server that had it is asked first
                bases.sort(key=lambda base, url=received.url: not url.startswith(base))  # type: ignore[misc]
            if count % _REPORT_EVERY == 0 or count == len(wanted):
                print(f"{self._name}: {count} of {len(wanted)} files", file=sys.stderr)

    def _unpacked(self) -> Path:
        """Return the folder with everything in it, archives unpacked where they lay."""
        archives = [item for item in self._corpus.get("files", []) if _ARCHIVE.search(item["name"])]
        if not archives:
            return self._files
        tree = self._work / "tree"
        shutil.rmtree(tree, ignore_errors=True)
        names = [item["name"] for item in archives]
        shutil.copytree(self._files, tree, ignore=shutil.ignore_patterns(*names, ".*.part*"))
        settings = self._corpus.get("limits", {})
        for number, item in enumerate(archives):
            print(f"{self._name}: unpacking {item['name']}", file=sys.stderr)
            fresh = self._work / f"unpacked-{number}"
            shutil.rmtree(fresh, ignore_errors=True)
            try:
                unpack(self._files / item["into"] / item["name"], fresh, Limits(**settings))
                target = tree / item["into"]
                if target.is_dir() and not any(target.iterdir()):
                    target.rmdir()
                if target.exists():
                    shutil.copytree(fresh, target, dirs_exist_ok=True)
                else:
                    os.replace(fresh, target)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
        return tree

    def _look_at(self, tree: Path) -> str:
        """Count the clips as the workflow will, and warn of what it would stop at."""
        line = f"{self._name}: fetched into {self._root}"
        try:
            clips = sum(1 for _ in corpus_adapter(self._corpus["layout"]).scan(tree, {}))
        except InputError as error:
            print(f"notice: {self._name}: {error}", file=sys.stderr)
            return f"{line}, but the workflow cannot read all of it (see the notice)"
        if clips != self._corpus["clips"]:
            print(
                f"notice: {self._name}: {clips} clips; {self._corpus['clips']} are documented",
                file=sys.stderr,
            )
        return f"{line}, {clips} clips"


def _read_list(path: Path, pattern: re.Pattern[str]) -> dict[str, dict[str, Any]]:
    """Return name -> {name, sha256, bytes} of the lines whose address matches.

    A line has the address, the size and the SHA-256, separated by blanks or tabs, as the lists of
    TensorFlow Datasets have.
    """
    listed = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        fields = line.split()
        match = pattern.search(fields[0]) if fields else None
        if match is None:
            continue
        sha256 = next((f for f in fields[1:] if re.fullmatch("[0-9a-f]{64}", f)), None)
        size = next((int(f) for f in fields[1:] if f.isdecimal() and len(f) < 16), None)
        name = match[1]
        if sha256 is None or size is None or not re.fullmatch(r"[\w.-]+", name) or name[0] == ".":
            raise InputError(f"download: {path.name}: {line!r} has no name, size and SHA-256")
        listed[name] = {"name": name, "sha256": sha256, "bytes": size}
    if not listed:
        raise InputError(f"download: {path.name} names no file; expected addresses with checksums")
    return listed
