"""What config/downloads.yaml says: where `snakemake download` finds the corpora."""

from __future__ import annotations

from typing import Annotated

from annotated_types import MinLen
from pydantic import StringConstraints

from after_ser.core.settings import (
    Count,
    Name,
    NotNegative,
    Positive,
    Settings,
    Text,
    key,
    optional,
)

Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+$")]
Urls = Annotated[list[Url], MinLen(1)]
FileName = Annotated[str, StringConstraints(pattern="^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]
Folder = Annotated[str, StringConstraints(pattern=r"^(\.|[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*)$")]
Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
Md5 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{32}$")]


class Patience(Settings):
    """How often a server is tried."""

    attempts: Count = key(8, "tries in a row without a single new byte")
    first_s: NotNegative = key(1, "seconds before the second try; later pauses double")
    longest_s: NotNegative = key(60, "longest pause, seconds, unless the server asks for more")
    connect_s: Positive = key(20, "longest wait for a connection, seconds")
    read_s: Positive = key(60, "longest silence of a server, seconds")


class File(Settings):
    """A single file; archives are unpacked."""

    name: FileName = key(..., "its name on disk")
    urls: Urls = key(..., "servers, tried in this order")
    into: Folder = key(
        ..., "folder of the corpus that it goes to or is unpacked in; . is the corpus's own"
    )
    bytes: Count = optional("its size")
    most_bytes: Count = optional("bound for a file of unknown size")
    sha256: Sha256 = optional("its checksum")
    md5: Md5 = optional("its checksum")
    optional: bool = optional("whether the corpus is complete without it")


class ListFile(Settings):
    """A list of files with checksums."""

    name: FileName = key(..., "its name on disk")
    urls: Urls = key(..., "servers, tried in this order")
    bytes: Count = optional("its size")
    sha256: Sha256 = key(..., "its checksum")


class Listed(Settings):
    """Many small files that a list names with checksums."""

    list: ListFile = key(..., "the list")
    pattern: str = key(
        ..., "regular expression for the addresses that are meant; its group is the file's name"
    )
    bases: Urls = key(..., "addresses that a name is appended to, tried in this order")
    into: Folder = key(..., "folder of the corpus")
    also: dict[FileName, Sha256 | None] = optional(
        "further files and their SHA-256, null where none is published; replaces entries of the "
        "list"
    )


class Limits(Settings):
    """What the archives of a corpus may unpack to."""

    members: Count = optional("files")
    bytes: Count = optional("bytes")
    ratio: Positive = optional("bytes unpacked per byte packed")


class Source(Settings):
    """A corpus that may be fetched."""

    layout: str = key(..., "the adapter that reads it")
    clips: Count = key(..., "documented number of clips; another one is a notice")
    licence: Text = key(..., "its terms, printed before anything is fetched")
    page: Url = key(..., "where the terms are")
    files: list[File] = optional("single files")
    lists: list[Listed] = optional("many small files that a list names")
    limits: Limits = optional("what its archives may unpack to")


class Downloads(Settings):
    """Where the open corpora are, and whom to ask for the others."""

    patience: Patience = key(Patience, "how often a server is tried")
    corpora: dict[Name, Source] = key(..., "corpora that are fetched, by name")
    asked_for: dict[Name, Text] = key(..., "corpora that are not: whom to ask, and where")
