"""No clip is shorter than its file says: it is read whole, or rejected with the reason."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import soundfile as sf

from after_ser.data.audio import container
from after_ser.data.audio.read import UnreadableAudioError, read_clip
from tests.data.corpora_trees import noise

RATE = 16000
SAMPLES = np.concatenate([0.5 * noise(0.5), 0.02 * noise(1.0)]).clip(-1, 1)
#: name -> what soundfile.write is given
FORMATS = {
    **{name: {"format": name} for name in ("WAV", "WAVEX", "RF64", "W64", "AIFF", "SVX", "AU")},
    **{name: {"format": name} for name in ("CAF", "NIST", "FLAC")},
    "WAV-float": {"format": "WAV", "subtype": "FLOAT"},
    "Vorbis": {"format": "OGG"},
    "Opus": {"format": "OGG", "subtype": "OPUS"},
    "MP3-variable": {"format": "MP3", "bitrate_mode": "VARIABLE"},
    "MP3-constant": {"format": "MP3", "bitrate_mode": "CONSTANT"},
}


def encoded(name, samples=SAMPLES):
    file = io.BytesIO()
    sf.write(file, samples, RATE, **FORMATS[name])
    return file.getvalue()


def seconds(tmp_path, data):
    """Return how long the clip is, or why it is rejected."""
    path = tmp_path / "clip"
    path.write_bytes(data)
    try:
        return read_clip(path).duration_s
    except UnreadableAudioError as error:
        return str(error)


def without_count(data):
    """An MP3 as it comes out of a pipe: the frame that says how many follow was never written."""
    return data[container._frame(data, 0).size :]


WHOLE = len(SAMPLES) / RATE


@pytest.mark.parametrize("name", FORMATS)
def test_a_whole_file_is_read_whole(tmp_path, name):
    assert seconds(tmp_path, encoded(name)) == pytest.approx(WHOLE, abs=0.002)


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_cut_anywhere_is_rejected(tmp_path, name):
    data = encoded(name)
    places = np.random.default_rng(0).integers(1, len(data) - 17, 60)
    for place in (*places, len(data) // 2, len(data) - 40):
        found = seconds(tmp_path, data[:place])
        whole = not isinstance(found, str) and found > WHOLE - 0.002
        assert whole or isinstance(found, str), f"{place} of {len(data)} bytes: {found} s"


@pytest.mark.parametrize("name", FORMATS)
def test_two_files_in_one_are_read_as_both_or_rejected(tmp_path, name):
    found = seconds(tmp_path, encoded(name) * 2)
    assert isinstance(found, str) or found > 2 * WHOLE - 0.01


@pytest.mark.parametrize("name", ["MP3-variable", "MP3-constant"])
def test_an_mp3_without_a_count_is_read_whole(tmp_path, name):
    """libsndfile guesses from the first frame: after loud noise, a fifth of quiet speech."""
    data = without_count(encoded(name))
    tag = b"ID3\x03\0\0\0\0\0\x10" + bytes(16)
    for variant in (data, tag + data, data + b"TAG" + bytes(125)):
        assert WHOLE <= seconds(tmp_path, variant) < WHOLE + 0.15
    assert seconds(tmp_path, data * 2) > 2 * WHOLE
    assert "within a frame" in seconds(tmp_path, data[:-20])


@pytest.mark.parametrize(("count", "whole"), [(5, True), (0, True), (100_000, False)])
def test_an_mp3_whose_count_is_wrong(tmp_path, count, whole):
    data = encoded("MP3-variable")
    frame = container._frame(data, 0)
    said, place, _ = container._counted(data, 0, frame)
    assert said > len(SAMPLES) // 576
    found = seconds(tmp_path, data[:place] + struct.pack(">I", count) + data[place + 4 :])
    assert found == pytest.approx(WHOLE, abs=0.002) if whole else "frames" in found


@pytest.mark.parametrize("riff", [0, 36, None])
def test_a_recorder_that_never_finished_its_header(tmp_path, riff):
    data = bytearray(encoded("WAV"))
    data[40:44] = bytes(4)
    if riff is not None:
        data[4:8] = struct.pack("<I", riff)
    assert seconds(tmp_path, bytes(data)) == WHOLE


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF])
def test_a_wav_from_a_pipe_is_read_whole(tmp_path, size):
    data = bytearray(encoded("WAV"))
    data[4:8] = data[40:44] = struct.pack("<I", size)
    assert seconds(tmp_path, bytes(data)) == WHOLE


def test_an_ogg_without_its_last_page_is_rejected(tmp_path):
    data = encoded("Vorbis")
    assert "end of stream" in seconds(tmp_path, data[: data.rfind(b"OggS")])


@pytest.mark.parametrize("name", ["VOC", "PAF", "MAT4"])
def test_a_format_whose_length_nobody_checks_is_named(tmp_path, name):
    file = io.BytesIO()
    sf.write(file, SAMPLES, RATE, format=name)
    assert name in seconds(tmp_path, file.getvalue())
