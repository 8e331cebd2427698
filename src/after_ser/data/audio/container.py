"""How long a file says its audio is, read from the file itself and not from its decoder.

libsndfile decodes what it finds: of a file cut by a broken download it gives the beginning, of two
files joined into one the first, and of an MP3 without a count what it has guessed. So each
container is walked here (chunks, pages, frames), and `read.read_clip` compares.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

#: Bytes that a size may be wrong by: some programs miscount, or leave out padding.
_SLACK = 16
_UNFINISHED = 0x7FFFF000  # a size from here on was left open by a program that wrote to a pipe
#: What libsndfile calls the containers that this module checks.
CHECKED = frozenset(
    {"WAV", "WAVEX", "RF64", "W64", "AIFF", "SVX", "AU", "CAF", "FLAC", "OGG", "MP3", "NIST"}
)
_FLAC_START = b"fLaC\x00\x00\x00\x22"
_W64_RIFF = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"


class ContainerError(Exception):
    """The file is not one whole recording; the message says why, without naming the file."""


@dataclass(frozen=True)
class Container:
    """What a file says of its length.

    samples: at least so many per channel, at `rate` Hz, have to be decoded; None where the
    decoder's own count is exact. repaired: the file with its header put right, None where it is
    right.
    """

    samples: int | None = None
    rate: int = 0
    repaired: bytes | None = None


def inspect(data: bytes) -> Container:
    """Return what the bytes of an audio file say of its length.

    Raises ContainerError where it was cut, or another file follows in it.
    """
    kind = data[:4]
    if kind == b"RIFF" and data[8:12] == b"WAVE":
        return _wav(data)
    if kind == b"FORM":
        _whole(data, 8 + struct.unpack(">I", data[4:8])[0], b"FORM")
    elif kind == b".snd" and len(data) >= 12:
        offset, size = struct.unpack(">II", data[4:12])
        _whole(data, offset + size if size < _UNFINISHED else len(data), b".snd")
    elif data[:16] == _W64_RIFF:
        _whole(data, struct.unpack("<Q", data[16:24])[0], _W64_RIFF[:4])
    elif kind == b"RF64" and data[12:16] == b"ds64":
        _whole(data, 8 + struct.unpack("<Q", data[20:28])[0], b"RF64")
    elif kind == b"caff":
        _caf(data)
    elif kind == b"NIST":
        _nist(data)
    elif _FLAC_START in (data[:8], b"\0" + data[:7]):
        if data.find(_FLAC_START, 8) > 0:
            raise ContainerError("another FLAC file follows in it")
    elif kind == b"OggS":
        return _ogg(data)
    elif _is_mp3(data):
        return _mp3(data)
    return Container()


def _whole(data: bytes, end: int, magic: bytes) -> None:
    """Raise ContainerError where the file ends before `end`, or begins again there."""
    if end - len(data) > _SLACK:
        raise ContainerError(f"ends after {len(data)} of {end} bytes")
    if data[end : end + 4] == magic or data[end + 1 : end + 5] == magic:
        raise ContainerError(f"another {magic.decode().strip('.').upper()} file follows in it")


def _wav(data: bytes) -> Container:
    end = 8 + struct.unpack("<I", data[4:8])[0]
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], struct.unpack("<I", data[at + 4 : at + 8])[0]
        if name == b"data":
            break
        at += 8 + size + size % 2
    else:
        return Container()  # libsndfile says what is wrong with it
    start = at + 8
    if size == 0 and len(data) - start > 1024:
        # a recorder that was switched off before it wrote the sizes
        rest = len(data) - start
        sizes = struct.pack("<I", min(len(data) - 8, 2**32 - 1)), struct.pack("<I", rest)
        return Container(repaired=data[:4] + sizes[0] + data[8 : at + 4] + sizes[1] + data[start:])
    # the size of the whole is more often wrong than that of the samples, which counts
    if size < _UNFINISHED:
        _whole(data, start + size, b"RIFF")
        if start + size < end <= len(data):
            _whole(data, end, b"RIFF")
        elif end < _UNFINISHED and end - len(data) > max(1024, end // 100):
            raise ContainerError(f"ends after {len(data)} of {end} bytes")
    return Container()


def _caf(data: bytes) -> None:
    at = 8
    while at + 12 <= len(data):
        name, size = data[at : at + 4], struct.unpack(">q", data[at + 4 : at + 12])[0]
        if size < 0:  # to the end of the file
            return
        at += 12 + size
        if name == b"data":
            _whole(data, at, b"caff")


def _nist(data: bytes) -> None:
    head = data[:1024].decode("latin-1")
    fields = dict(re.findall(r"^(\w+) -i (\d+)", head, re.M))
    count = int(fields.get("sample_count", 0))
    width = int(fields.get("sample_n_bytes", 0)) * int(fields.get("channel_count", 1))
    lines = head.split("\n")
    start = int(lines[1]) if len(lines) > 1 and lines[1].strip().isdigit() else 1024
    if "shorten" not in head:
        _whole(data, start + count * width, b"NIST")


def _ogg(data: bytes) -> Container:
    """Walk the pages: each stream must say where it ends, and how many samples it had by then."""
    at, streams, open_streams = 0, 0, set()
    total, rate, skip, last = 0, 0, 0, 0
    while at < len(data):
        if data[at : at + 4] != b"OggS" or at + 27 > len(data):
            raise ContainerError(f"has no Ogg page at byte {at} of {len(data)}")
        flags, granule, serial = struct.unpack("<BqI", data[at + 5 : at + 18])
        count = data[at + 26]
        body = at + 27 + count
        size = sum(data[at + 27 : body])
        if body + size > len(data):
            raise ContainerError(f"ends within an Ogg page, after {len(data)} bytes")
        if flags & 2:
            streams += 1
            open_streams.add(serial)
            rate, skip, last = *_ogg_head(data[body : body + size], rate), 0
        if granule > 0:
            last = granule
        if flags & 4:
            open_streams.discard(serial)
            total += max(0, last - skip)
        at = body + size
    if open_streams:
        raise ContainerError("has no end of stream, as an Ogg file that was cut")
    # a stream taken from a broadcast begins at any count, so one alone is not compared
    return Container(total, rate) if streams > 1 and rate else Container()


def _ogg_head(packet: bytes, rate: int) -> tuple[int, int]:
    """Return (rate of the granules, samples to skip) of a stream's first packet."""
    if packet[:8] == b"OpusHead":
        return 48000, struct.unpack("<H", packet[10:12])[0]
    if packet[:7] == b"\x01vorbis":
        return struct.unpack("<I", packet[12:16])[0], 0
    return rate, 0


# MPEG audio: kbit/s by (version 1 or not, layer), Hz by version, samples per frame
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_KBITS = {
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


@dataclass(frozen=True)
class _Frame:
    size: int
    samples: int
    rate: int
    version: int
    layer: int
    mono: bool

    @property
    def kind(self) -> tuple[int, int, int]:
        return self.version, self.layer, self.rate


def _frame(data: bytes, at: int) -> _Frame | None:
    """Return the MPEG audio frame whose header stands at `at`, None where none does."""
    head = data[at : at + 4]
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    bits, hertz = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer == 4 or bits in (0, 15) or hertz == 3:
        return None
    first = version == 3
    rate, kbits = _RATES[version][hertz], _KBITS[first, layer][bits - 1]
    padding = head[2] >> 1 & 1
    if layer == 1:
        size, samples = (12000 * kbits // rate + padding) * 4, 384
    else:
        samples = 1152 if layer == 2 or first else 576
        size = samples // 8 * kbits * 1000 // rate + padding
    return _Frame(size, samples, rate, version, layer, head[3] >> 6 == 3)


def _after_tags(data: bytes, at: int) -> int:
    """Return where the ID3v2 tags that stand at `at` end."""
    while data[at : at + 3] == b"ID3" and at + 10 <= len(data):
        size = 0
        for byte in data[at + 6 : at + 10]:
            size = size << 7 | byte & 0x7F
        at += 10 + size
    return at


def _is_mp3(data: bytes) -> bool:
    at = _after_tags(data, 0)
    first = _frame(data, at)
    if first is None:
        return data[:3] == b"ID3"
    following = _frame(data, at + first.size)
    return following is not None and following.kind == first.kind


def _mp3(data: bytes) -> Container:
    """Count the frames, and put the count where the decoder looks for it.

    Without a count libsndfile guesses from the first frame's bit rate and stops there: of variable
    bit rate it may give a third.
    """
    at = start = _next_frame(data, _after_tags(data, 0), None)
    first = _frame(data, at)
    if first is None:
        return Container()
    count = 0
    while at < len(data):
        frame = _frame(data, at)
        if frame is None or frame.kind != first.kind:
            if _is_trailer(data, at):
                break
            found = _next_frame(data, at, first)
            if found >= len(data):
                break
            at = found
            continue
        if at + frame.size > len(data):
            raise ContainerError(f"ends within a frame, after {count} frames")
        count += 1
        at += frame.size
    said, place, trimmed = _counted(data, start, first)
    if place is not None:
        count -= 1  # the frame of the count has no sound
        if said is not None and said > count:
            raise ContainerError(f"ends after {count} of {said} frames")
    at_least = max(0, (count - 2) * first.samples - trimmed)
    if said == count:
        return Container(at_least, first.rate)
    written = struct.pack(">I", count)
    if place is not None and said is not None:
        repaired = data[:place] + written + data[place + 4 :]
    elif place is None:
        repaired = _count_frame(data[start : start + 4], first, written) + data[start:]
    else:
        repaired = data
    return Container(at_least, first.rate, bytes(repaired))


def _next_frame(data: bytes, at: int, like: _Frame | None) -> int:
    """Return where the next frame begins that another one of its kind follows (or the end)."""
    while (at := data.find(b"\xff", at)) >= 0:
        frame = _frame(data, at)
        if frame is not None and (like is None or frame.kind == like.kind):
            following = _frame(data, at + frame.size)
            if following is not None and following.kind == frame.kind:
                return at
            if at + frame.size == len(data):
                return at
        at += 1
    return len(data)


def _is_trailer(data: bytes, at: int) -> bool:
    """Tell whether tags (ID3v1, APE, Lyrics3) or zeros make up the rest."""
    rest = data[at : at + 11]
    return rest[:3] == b"TAG" or rest[:8] == b"APETAGEX" or rest == b"LYRICSBEGIN"


def _side(frame: _Frame) -> int:
    """Return the bytes of side information of a Layer III frame, which a count stands behind."""
    if frame.version == 3:
        return 17 if frame.mono else 32
    return 9 if frame.mono else 17


def _counted(data: bytes, start: int, first: _Frame) -> tuple[int | None, int | None, int]:
    """Return (count, its place, samples that the encoder wants cut off) of the header frame.

    The place is None where there is no such frame, the count where it does not say it.
    """
    at = start + 4 + _side(first)
    if data[at : at + 4] in (b"Xing", b"Info"):
        flags = struct.unpack(">I", data[at + 4 : at + 8])[0]
        if not flags & 1:
            return None, at, 0
        lame = at + 8 + 4 * bool(flags & 1) + 4 * bool(flags & 2) + 100 * bool(flags & 4)
        lame += 4 * bool(flags & 8)
        delays = data[lame + 21 : lame + 24]
        trimmed = int.from_bytes(delays, "big") if len(delays) == 3 else 0
        samples = (trimmed >> 12) + (trimmed & 0xFFF) if data[lame : lame + 1].isalpha() else 0
        return struct.unpack(">I", data[at + 8 : at + 12])[0], at + 8, samples
    if data[start + 36 : start + 40] == b"VBRI":
        return struct.unpack(">I", data[start + 50 : start + 54])[0], start + 50, 0
    return None, None, 0


def _count_frame(head: bytes, first: _Frame, count: bytes) -> bytes:
    """Return a silent frame like the first one that says how many follow."""
    body = bytes(_side(first)) + b"Info" + struct.pack(">I", 1) + count
    bits = head[2] & 0xFF
    frame = _frame(head, 0)
    while frame is not None and frame.size < 4 + len(body):  # a bit rate with room for it
        bits += 0x10
        frame = _frame(bytes([head[0], head[1], bits, head[3]]), 0)
    assert frame is not None
    head = bytes([head[0], head[1] | 1, bits, head[3]])  # without a checksum
    return (head + body).ljust(frame.size, b"\0")
