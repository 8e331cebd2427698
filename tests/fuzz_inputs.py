"""What the fuzz tests share: mutated bytes, how long to look, and the property that must hold.

`make test` looks at the same few hundred inputs every time. AFTER_SER_FUZZ=20000 looks at that
many new ones per test instead.
"""

import io
import os
import shutil
import signal
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from after_ser.core.errors import InputError

LONG = int(os.environ.get("AFTER_SER_FUZZ", "0"))
HANGS_AFTER_S = 300  # far more than any input needs, also on a machine that is busy
#: Numbers that headers are wrong with: around the limits of one, two and four bytes.
EDGES = [0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000]
EDGES += [0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF]


def fuzz(examples: int) -> settings:
    """Settings of a fuzz test: `examples` fixed ones, or as many new ones as were asked for."""
    return settings(
        max_examples=LONG or examples,
        derandomize=not LONG,
        phases=[Phase.explicit, Phase.generate, *([] if LONG else [Phase.shrink])],
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )


@contextmanager
def _no_hang():
    def late(*_: object) -> None:
        raise AssertionError(f"not finished after {HANGS_AFTER_S} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, HANGS_AFTER_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def one_line(message: str) -> bool:
    """Whether a message is one line that any log can take."""
    return bool(message) and message.isprintable() and len(message) < 3000


def outcome(call: Callable[[], Any]) -> tuple[Any, str]:
    """Return (result, "") or (None, the InputError's line); anything else that is raised, is."""
    with _no_hang():
        try:
            return call(), ""
        except InputError as error:
            assert one_line(str(error)), f"not one line: {str(error)!r}"
            return None, str(error)


def emptied(folder: Path) -> Path:
    """Return `folder`, empty: hypothesis runs every example in the same test folder."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder


def files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir())


@st.composite
def mutated(draw: st.DrawFn, sources: list[bytes], header: int = 64) -> bytes:
    """One of `sources` with one to six changes, half of them in its first `header` bytes."""
    data = bytearray(draw(st.sampled_from(sources)))
    for _ in range(draw(st.integers(1, 6))):
        limit = len(data) if draw(st.booleans()) else min(header, len(data))
        at = draw(st.integers(0, max(0, limit - 1)))
        kind = draw(st.sampled_from(["byte", "number", "cut", "drop", "insert", "repeat"]))
        if kind == "byte" and data:
            data[at] = draw(st.integers(0, 255))
        elif kind == "number":
            width = draw(st.sampled_from([2, 4, 8]))
            order = draw(st.sampled_from(["little", "big"]))
            value = draw(st.sampled_from(EDGES)) % 256**width
            data[at : at + width] = value.to_bytes(width, order)
        elif kind == "cut":
            del data[at:]
        elif kind == "drop":
            del data[at : at + draw(st.integers(1, 200))]
        elif kind == "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=40))
        else:
            data[at:at] = data[at : at + draw(st.integers(1, 300))]
    return bytes(data)


#: Characters that tables and file names are broken with.
ODD = (
    "\t\n\r\v\f\x00\x1b\x7f\x85\u2028\u200b\u202e\ufeff\ufffd\ud800\"'`,;|\\/%{}*?<>&#= .0-9aÄ日😀"
)


@st.composite
def mutated_text(draw: st.DrawFn, source: str) -> bytes:
    """A text file with changed lines, fields and characters, in some encoding."""
    lines = source.split("\n")
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        kind = draw(st.sampled_from(["double", "drop", "swap", "odd", "cut", "field", "blank"]))
        line = lines[at]
        if kind == "double":
            lines.insert(at, line)
        elif kind == "drop" and len(lines) > 1:
            del lines[at]
        elif kind == "swap":
            other = draw(st.integers(0, len(lines) - 1))
            lines[at], lines[other] = lines[other], line
        elif kind == "odd":
            place = draw(st.integers(0, len(line)))
            odd = draw(st.text(ODD, min_size=1, max_size=4))
            lines[at] = line[:place] + odd + line[place:]
        elif kind == "cut":
            lines[at] = line[: draw(st.integers(0, len(line)))]
        elif kind == "field":
            value = draw(st.sampled_from(VALUES))
            for separator in "\t,;":
                if separator in line:
                    fields = line.split(separator)
                    fields[draw(st.integers(0, len(fields) - 1))] = value
                    lines[at] = separator.join(fields)
                    break
        else:
            lines.insert(at, "")
    text = draw(st.sampled_from(["\n", "\n", "\n", "\r\n", "\r"])).join(lines)
    encoding = draw(st.sampled_from(["utf-8"] * 5 + ["utf-8-sig", "utf-16", "latin-1", "cp1252"]))
    return text.encode(encoding, "surrogatepass" if "utf" in encoding else "replace")


#: What a field may be replaced by.
VALUES = ["", " ", "nan", "NaN", "inf", "-1", "1e999", "9" * 400, "1.2.3", "1_000", "x" * 5000]
VALUES += ["../../../etc/passwd", "/etc/passwd", "/dev/stdin", "..", ".", "~", "a\x00b", '"', '""']
VALUES += ["<script>alert(1)</script>", "$(id)", "{wildcard}", "*", "=1+1", "None", "Ä", "\ud800"]


def audio_files() -> list[bytes]:
    """Return small whole files of every format that a corpus's audio may be in."""
    samples = np.random.default_rng(0).normal(0, 0.1, 1600)
    stereo = np.stack([samples, samples[::-1]], axis=1)
    made = []
    for kind, subtype, rate, data in [
        ("WAV", "PCM_16", 16000, samples),
        ("WAV", "PCM_16", 16000, np.tile(samples, 4)),
        ("WAV", "PCM_U8", 8000, samples),
        ("WAV", "PCM_24", 44100, stereo),
        ("WAV", "FLOAT", 16000, np.tile(samples, 4)),
        ("WAV", "DOUBLE", 48000, stereo),
        ("WAV", "MS_ADPCM", 16000, samples),
        ("WAV", "GSM610", 8000, samples),
        ("WAV", "ULAW", 8000, samples),
        ("WAVEX", "PCM_16", 16000, stereo),
        ("FLAC", "PCM_16", 16000, np.tile(samples, 4)),
        ("FLAC", "PCM_24", 48000, stereo),
        ("OGG", "VORBIS", 16000, samples),
        ("OGG", "OPUS", 16000, samples),
        ("MP3", "MPEG_LAYER_III", 16000, samples),
        ("AIFF", "PCM_16", 16000, samples),
        ("AU", "PCM_16", 16000, samples),
        ("CAF", "ALAC_16", 16000, samples),
        ("W64", "PCM_16", 16000, samples),
        ("RF64", "PCM_16", 16000, samples),
        ("VOC", "PCM_16", 16000, samples),
        ("NIST", "PCM_16", 16000, samples),
    ]:
        buffer = io.BytesIO()
        soundfile.write(buffer, data, rate, subtype, format=kind)
        made.append(buffer.getvalue())
    return made
