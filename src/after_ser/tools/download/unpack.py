"""Unpacking untrusted archives: only plain files, and only inside the folder.

No link is ever made, so a member's name is the only way out of the folder, and names are checked.
"""

from __future__ import annotations

import lzma
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from after_ser.core.errors import InputError

_CHUNK = 1 << 20
_HEADER_BYTES = 1 << 20  # of a tar member's own name and attributes
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError),
    *(EOFError, NotImplementedError),  # the latter: zipfile, for a compression it does not know
)
_JUNK = ("__MACOSX", ".DS_Store")
_TAR_HEADERS = frozenset(
    {
        *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
        *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
    }
)


@dataclass(frozen=True)
class Limits:
    """Most members, bytes in all, and bytes for each byte of the archive (speech is below 10)."""

    members: int = 200_000
    bytes: int = 40_000_000_000
    ratio: float = 100.0


class _Member(tarfile.TarInfo):
    """A tar member whose header is bounded, so that it cannot fill the memory."""

    def _proc_member(self, tar: tarfile.TarFile) -> Any:
        if self.type in _TAR_HEADERS and self.size > _HEADER_BYTES:
            raise tarfile.ReadError("a member's header is larger than a megabyte")
        return super()._proc_member(tar)  # type: ignore[misc]


class _Writer:
    """Writes members into a new folder and counts them and their bytes."""

    def __init__(self, archive: Path, folder: Path, limits: Limits) -> None:
        self._archive, self._folder, self._limits = archive, folder, limits
        self._most = min(limits.bytes, int(limits.ratio * archive.stat().st_size) + _CHUNK)
        self._members = self._bytes = 0

    def refuse(self, name: str, reason: str) -> InputError:
        shown = _CONTROL.sub("?", name)[:100]
        return InputError(f"archive {self._archive.name}: {shown!r} {reason}; nothing was unpacked")

    def target(self, name: str) -> Path | None:
        """Return where a member of this name goes, None for what macOS leaves behind."""
        self._members += 1
        if self._members > self._limits.members:
            raise self.refuse(name, f"is member {self._members}, expected fewer")
        parts = name.rstrip("/").split("/")
        drive = re.match(r"[A-Za-z]:", name)
        if name.startswith("/") or drive or "\\" in name or ".." in parts:
            raise self.refuse(name, "points outside of the folder")
        if _CONTROL.search(name) or any(len(part.encode()) > 255 for part in parts):
            raise self.refuse(name, "is not a name for a file")
        parts = [part for part in parts if part not in ("", ".")]
        if any(part in _JUNK for part in parts):
            return None
        return self._folder.joinpath(*parts)

    def folder(self, name: str) -> None:
        path = self.target(name)
        if path is not None:
            self._make(name, path)

    def file(self, name: str, size: int, read: Callable[[], IO[bytes]]) -> None:
        path = self.target(name)
        if path is None:
            return
        if self._bytes + size > self._most:
            raise self.refuse(name, f"makes it unpack to more than {self._most} bytes")
        self._make(name, path.parent)
        if path == self._folder:
            raise self.refuse(name, "is not a name for a file")
        try:
            handle = open(path, "xb")  # noqa: SIM115  closed just below
        except FileExistsError:
            raise self.refuse(name, "is there twice") from None
        with handle, read() as source:
            while chunk := source.read(_CHUNK):
                self._bytes += len(chunk)
                if self._bytes > self._most:
                    raise self.refuse(name, f"makes it unpack to more than {self._most} bytes")
                handle.write(chunk)

    def _make(self, name: str, path: Path) -> None:
        try:
            path.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise self.refuse(name, "lies in a file") from None


def unpack(archive: Path, folder: Path, limits: Limits | None = None) -> None:
    """Unpack a .zip or .tar(.gz, .bz2, .xz) into the new folder `folder`.

    Refused are absolute names and such with "..", links and devices, two members of one name,
    encryption, and more members or bytes than `limits`. Raises InputError that names the member;
    the caller has to remove the folder then.
    """
    folder.mkdir(parents=True)
    writer = _Writer(archive, folder, limits or Limits())
    try:
        if archive.name.endswith(".zip"):
            _unzip(archive, writer)
        else:
            _untar(archive, writer)
    except _DAMAGED as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"archive {archive.name}: damaged or of another kind: {reason}") from None
    except (OSError, UnicodeError) as error:
        raise InputError(f"archive {archive.name}: cannot be unpacked: {error}") from None


def _unzip(archive: Path, writer: _Writer) -> None:
    with zipfile.ZipFile(archive) as zipped:
        for info in zipped.infolist():
            mode = info.external_attr >> 16
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise writer.refuse(info.filename, "is a link or a device")
            if info.flag_bits & 1:
                raise writer.refuse(info.filename, "is encrypted")
            if info.is_dir():
                writer.folder(info.filename)
            else:
                writer.file(info.filename, info.file_size, partial(zipped.open, info))


def _untar(archive: Path, writer: _Writer) -> None:
    with tarfile.open(archive, mode="r:*", tarinfo=_Member) as tar:
        for info in _members(tar):
            if info.isdir():
                writer.folder(info.name)
            elif info.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not info.issparse():
                writer.file(info.name, info.size, partial(_content, tar, info))
            else:
                raise writer.refuse(info.name, "is a link or a device")


def _members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield members as they are read, so that a bomb is not walked through beforehand."""
    opened: Any = tar
    while (info := tar.next()) is not None:
        yield info
        opened.members = []  # it would keep every header


def _content(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(info)
    if content is None:
        raise tarfile.ReadError(f"{info.name} has no content")
    return content
