"""Broken audio: every file is a clip or is refused in one line; no file hangs or takes memory."""

import os
import resource
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from fuzz_inputs import audio_files, emptied, files, fuzz, mutated, one_line, outcome
from hypothesis import example, given
from hypothesis import strategies as st

from after_ser.core.errors import InputError
from after_ser.data.audio.checks import defect
from after_ser.data.audio.convert import convert_corpus
from after_ser.data.audio.read import MAX_DURATION_S, UnreadableAudioError, read_clip
from after_ser.data.corpora.index import index_corpus
from after_ser.run.atomic import read_tsv
from tests.data.corpora_trees import noise

WHOLE = audio_files()
#: Whole files of the two formats that most corpora come in, with many places to be broken.
PLAIN = [WHOLE[1], WHOLE[4], WHOLE[10]]


def with_header(rate=16000, channels=1, bits=16, kind=1, block=None, size=12800, data=None):
    """A WAV file whose header says what it likes about 12,800 bytes of noise."""
    body = (noise(0.4) * 20000).astype("<i2").tobytes() if data is None else data
    block = channels * bits // 8 if block is None else block
    per_second = rate * block % 2**32
    form = struct.pack("<HHIIHH", kind, channels, rate, per_second, block % 2**16, bits)
    head = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", size)
    return b"RIFF" + struct.pack("<I", len(head) + len(body)) + head + body


def flac_promising(samples):
    """A FLAC of 6,400 samples whose STREAMINFO promises `samples` (36 bits)."""
    data = bytearray(WHOLE[10])
    assert data[:4] == b"fLaC"
    data[21] = data[21] & 0xF0 | samples >> 32
    data[22:26] = (samples % 2**32).to_bytes(4, "big")
    return bytes(data)


def clip_or_reason(path):
    """Return (clip, "") or (None, why it is refused), for whatever lies at `path`."""

    def read():
        try:
            clip = read_clip(path)
        except UnreadableAudioError as error:
            assert one_line(str(error)) and str(path) not in str(error)
            return None, str(error)
        assert clip.samples.dtype == np.float32 and clip.samples.ndim == 1
        assert clip.channels >= 1 and clip.sample_rate >= 1
        assert clip.duration_s <= MAX_DURATION_S + 400
        reason = defect(clip)
        assert not reason or one_line(reason)
        return clip, reason

    found, refused = outcome(read)
    return found or (None, refused)


@fuzz(350)
@given(st.one_of(mutated(WHOLE), st.binary(max_size=200)))
@example(b"")
@example(b"RIFF")
@example(b"RIFF\x00\x00\x00\x00WAVE")
@example(flac_promising(2**36 - 1))
@example(with_header(channels=1024))
@example(with_header(rate=2**31 - 1))
def test_any_file_is_a_clip_or_is_refused_in_one_line(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any.wav"
    path.write_bytes(data)
    clip_or_reason(path)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (flac_promising(2**36 - 1), "cannot be decoded"),
        (flac_promising(0), "does not say how many"),
        (with_header(rate=2**31 - 1), "a sampling rate of 2147483647"),
        (with_header(rate=3), "a sampling rate of 3"),
        (with_header(rate=44101), "shorter than"),
        (with_header(channels=0), "cannot be decoded"),
        (with_header(channels=65535), "cannot be decoded"),
        (with_header(bits=0), "cannot be decoded"),
        (with_header(bits=17, block=3), "shorter than"),
        (with_header(), ""),
        (with_header(kind=0x1234), "cannot be decoded"),
        (with_header(size=0), ""),
        (with_header(kind=3, bits=32, data=np.full(6400, np.nan, "<f4").tobytes()), "not finite"),
        (with_header(kind=3, bits=32, data=np.full(6400, np.inf, "<f4").tobytes()), "not finite"),
        (with_header(kind=3, bits=32, data=np.full(6400, 3e38, "<f4").tobytes()), "corrupt: sam"),
        (b"This is no sound but a text that somebody called .wav\n" * 50, "cannot be decoded"),
        (b"<!DOCTYPE html><title>404 Not Found</title>" * 50, "cannot be decoded"),
        (bytes(12800), "cannot be decoded"),
    ],
)  # fmt: skip
def test_headers_that_lie_are_named(tmp_path, data, reason):
    (tmp_path / "x.wav").write_bytes(data)
    _, found = clip_or_reason(tmp_path / "x.wav")
    assert found.startswith(reason) if reason else found == ""


def test_no_memory_is_taken_for_what_a_header_promises(tmp_path):
    """2^36 samples of eight channels would be 2 TB."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (tmp_path / "x.flac").write_bytes(flac_promising(2**36 - 1))
    limit = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (32 * 2**30, limit[1]))
    try:
        clip_or_reason(tmp_path / "x.flac")
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limit)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 200_000, f"{grown} KiB for a file of {len(WHOLE[10])} bytes"


def test_a_recording_that_nobody_cut_is_refused_before_it_is_in_memory(tmp_path):
    soundfile.write(tmp_path / "x.flac", np.zeros(8000 * (MAX_DURATION_S + 60)), 8000)
    _, reason = clip_or_reason(tmp_path / "x.flac")
    assert reason == f"longer than {MAX_DURATION_S} s"
    soundfile.write(tmp_path / "y.flac", np.zeros(8000 * MAX_DURATION_S), 8000)
    assert clip_or_reason(tmp_path / "y.flac")[1] == "silent"


def release(root: Path, clips: list[bytes]) -> Path:
    """An EmoDB-like release: three good clips, and `clips` beside them."""
    for number, name in enumerate(("03a01Fa", "03a01Wa", "16b03Na")):
        soundfile.write(root / f"{name}.wav", noise(seed=number), 16000)
    for number, data in enumerate(clips):
        (root / f"08a{number:02d}Ta.wav").write_bytes(data)
    return root


@fuzz(60)
@given(st.lists(mutated(PLAIN), min_size=1, max_size=3))
def test_a_corpus_with_broken_clips_is_converted_or_refused_whole(tmp_path_factory, clips):
    folder = emptied(tmp_path_factory.getbasetemp() / "converted")
    (folder / "root").mkdir()
    out = folder / "out"
    root = release(folder / "root", clips)
    names = [out / name for name in ("index.tsv", "audio", "manifest.tsv", "rejected.tsv")]

    def convert():
        index_corpus("x", "emodb", root, {}, names[0])
        convert_corpus(*names)

    _, refused = outcome(convert)
    assert not refused, "broken audio is rejected by clip, never an error"
    index, manifest, rejected = (read_tsv(names[i]) for i in (0, 2, 3))
    assert sorted([*manifest["utt"], *rejected["utt"]]) == sorted(index["utt"])
    assert {"03a01Fa", "03a01Wa", "16b03Na"} <= set(manifest["utt"])
    assert all(rejected["reason"])
    assert files(out) == sorted(
        ["index.tsv", "manifest.tsv", "rejected.tsv", *manifest["path"].tolist()]
    )
    for path in manifest["path"]:
        info = soundfile.info(out / path)
        assert (info.samplerate, info.channels, info.format) == (16000, 1, "FLAC")


def odd_file(kind: str, path: Path) -> None:
    """Put something at `path` that has an audio file's name."""
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "dangling link":
        path.symlink_to(path.parent / "nowhere.wav")
    elif kind == "link to itself":
        path.symlink_to(path)
    else:
        path.symlink_to("/dev/zero")


@pytest.mark.parametrize("kind", ["pipe", "dangling link", "link to itself", "device"])
def test_what_only_has_the_name_of_a_clip_is_named(tmp_path, kind):
    root = release(emptied(tmp_path / "root"), [])
    odd_file(kind, root / "08a01Fa.wav")
    out = tmp_path / "index.tsv"
    _, refused = outcome(lambda: index_corpus("x", "emodb", root, {}, out))
    assert refused.startswith("corpus x: ") and str(root / "08a01Fa.wav") in refused
    assert not out.exists()


def test_a_folder_with_the_name_of_a_clip_is_a_folder(tmp_path):
    root = release(emptied(tmp_path / "root"), [])
    odd_file("folder", root / "08a01Fa.wav")
    assert len(index_corpus("x", "emodb", root, {}, tmp_path / "index.tsv")) == 3


@pytest.fixture
def nobody(tmp_path_factory):
    """Run as a user who may not read everything; root may."""
    if os.geteuid() != 0:
        yield
        return
    base = tmp_path_factory.getbasetemp()
    folders = [base, *(folder for folder in base.parents if folder.name.startswith("pytest-"))]
    modes = {folder: folder.stat().st_mode for folder in folders}
    for folder in modes:
        folder.chmod(0o755)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        for folder, mode in modes.items():
            folder.chmod(mode)


def test_a_clip_that_may_not_be_read_is_named(tmp_path, request):
    tmp_path.chmod(0o755)
    root = release(emptied(tmp_path / "root"), [])
    (root / "03a01Wa.wav").chmod(0)
    locked = root / "locked"
    locked.mkdir(0o000)
    request.getfixturevalue("nobody")
    with pytest.raises(InputError, match="folder .*locked .*Permission"):
        index_corpus("x", "emodb", root, {}, "/nonexistent/index.tsv")
    os.seteuid(0) if os.getuid() == 0 else None
    locked.rmdir()
    os.seteuid(65534) if os.getuid() == 0 else None
    with pytest.raises(InputError, match=r"clip .*03a01Wa\.wav .*Permission"):
        index_corpus("x", "emodb", root, {}, "/nonexistent/index.tsv")
    with pytest.raises(InputError, match=r"03a01Wa\.wav cannot be read \(Permission"):
        read_clip(root / "03a01Wa.wav")


def test_a_clip_that_vanished_or_became_a_folder_ends_the_conversion(tmp_path):
    root, out = release(emptied(tmp_path / "root"), []), tmp_path / "out"
    index_corpus("x", "emodb", root, {}, out / "index.tsv")
    (root / "03a01Wa.wav").unlink()
    (root / "03a01Wa.wav").mkdir()
    with pytest.raises(InputError, match=r"03a01Wa\.wav does not exist"):
        convert_corpus(out / "index.tsv", out / "audio", out / "m.tsv", out / "r.tsv")
    assert files(out) == ["index.tsv"]


def test_the_index_that_conversion_reads_may_be_broken_too(tmp_path):
    root, out = release(emptied(tmp_path / "root"), []), tmp_path / "out"
    index_corpus("x", "emodb", root, {}, out / "index.tsv")
    table = pd.read_csv(out / "index.tsv", sep="\t", dtype=str)
    table.drop(columns="sha256").to_csv(out / "index.tsv", sep="\t", index=False)
    with pytest.raises(InputError, match=r"index\.tsv .*column sha256"):
        convert_corpus(out / "index.tsv", out / "audio", out / "m.tsv", out / "r.tsv")
    assert files(out) == ["index.tsv"]
