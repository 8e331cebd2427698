"""Converting a corpus: files, tables, rejects, and bytes that do not depend on the workers."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from after_ser.core.errors import InputError
from after_ser.data.audio.convert import (
    MANIFEST_COLUMNS,
    REJECTED_COLUMNS,
    convert_corpus,
    file_names,
    pcm16,
)
from after_ser.data.corpora.index import index_corpus
from after_ser.run.atomic import read_tsv
from tests.data.corpora_trees import noise, real_corpus, write_clips


def convert(
    root: Path, out: Path, layout: str = "emodb", workers: int = 1
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Index and convert `root`; return index, manifest and rejects as other steps read them."""
    index_corpus("x", layout, root, {}, out / "index.tsv")
    convert_corpus(
        out / "index.tsv", out / "audio", out / "manifest.tsv", out / "rejected.tsv", workers
    )
    return tuple(read_tsv(out / f"{name}.tsv") for name in ("index", "manifest", "rejected"))


@pytest.fixture
def troubled(tmp_path: Path) -> Path:
    """Return a corpus with every kind of trouble, and some good clips in several formats."""
    root = tmp_path / "root with 'space'"
    write_clips(root, [f"wav/{name}.wav" for name in ("03a01Fa", "03a01Wa", "16b03Na")])
    wav = root / "wav"
    sf.write(wav / "08a01Fa.flac", noise(0.5, 48000, 11), 48000, subtype="PCM_24")
    sf.write(wav / "08a02Fa.wav", np.stack([noise(0.5, 44100, 12)] * 2, 1), 44100)
    sf.write(wav / "08a04Fa.wav", noise(0.5, 16000, 13, level=2.0), 16000, subtype="FLOAT")
    (wav / "09a01Wa.wav").write_bytes(b"no audio")
    (wav / "09a02Wa.wav").write_bytes(b"")
    sf.write(wav / "09a04Wa.wav", np.zeros(16000), 16000)
    sf.write(wav / "09a05Wa.wav", [0.1, np.nan] * 8000, 16000, subtype="FLOAT")
    sf.write(wav / "09a07Wa.wav", noise(0.2), 16000)
    shutil.copy(wav / "03a01Wa.wav", wav / "10a01Wa.wav")
    shutil.copy(wav / "16b03Na.wav", wav / "10a02Ta.wav")
    return root


REASONS = {
    "09a01Wa": "corrupt: cannot be decoded",
    "09a02Wa": "empty",
    "09a04Wa": "silent",
    "09a05Wa": "not finite (NaN/inf)",
    "09a07Wa": "shorter than 0.3 s",
    "10a01Wa": "duplicate of 03a01Wa",
    "10a02Ta": "duplicate of 16b03Na with another label (N)",
    "16b03Na": "duplicate of 10a02Ta with another label (T)",
}


def test_every_clip_is_kept_or_rejected_with_its_reason(troubled: Path, tmp_path: Path) -> None:
    index, manifest, rejected = convert(troubled, tmp_path / "out")
    assert len(index) == len(manifest) + len(rejected) == 13
    assert manifest["utt"].tolist() == ["03a01Fa", "03a01Wa", "08a01Fa", "08a02Fa", "08a04Fa"]
    assert rejected["utt"].tolist() == sorted(REASONS)
    for row in rejected.itertuples():
        assert row.reason.startswith(REASONS[row.utt]), row
        assert Path(row.path).is_absolute()
    assert list(manifest.columns) == MANIFEST_COLUMNS
    assert list(rejected.columns) == REJECTED_COLUMNS
    files = {f"audio/{path.name}" for path in (tmp_path / "out" / "audio").iterdir()}
    assert files == set(manifest["path"])
    assert not list((tmp_path / "out").glob(".*")), "a temporary folder was left behind"


def test_output_is_16_khz_mono_16_bit_flac_and_the_manifest_describes_the_original(
    troubled: Path, tmp_path: Path
) -> None:
    index, manifest, _ = convert(troubled, tmp_path / "out")
    for row in manifest.itertuples():
        info = sf.info(tmp_path / "out" / row.path)
        assert (info.samplerate, info.channels, info.format) == (16000, 1, "FLAC")
        assert info.subtype == "PCM_16"
        assert info.frames == 8000
        assert float(row.duration_s) == 0.5
    by_utt = manifest.set_index("utt")
    assert by_utt.loc["08a01Fa", "sample_rate"] == "48000"
    assert by_utt.loc["08a02Fa", ["sample_rate", "channels"]].tolist() == ["44100", "2"]
    for row in manifest.itertuples():
        samples, _ = sf.read(tmp_path / "out" / row.path, dtype="int16")
        assert row.sha256 == hashlib.sha256(samples.tobytes()).hexdigest()


def test_a_recording_is_the_same_in_another_container(tmp_path: Path) -> None:
    """The files differ, the samples do not: as FLAC, with 24 bits, as AIFF, in two channels."""
    speech = (noise(0.5, 16000, 3) * 32767).astype(np.int16)
    wav = tmp_path / "wav"
    wav.mkdir()
    sf.write(wav / "03a01Fa.wav", speech, 16000)
    sf.write(wav / "03a02Fa.flac", speech, 16000)
    sf.write(wav / "08a01Fa.wav", speech, 16000, format="AIFF")
    sf.write(wav / "08a02Fa.wav", speech.astype(np.int32) << 16, 16000, subtype="PCM_24")
    sf.write(wav / "08a04Fa.wav", np.stack([speech, speech], 1), 16000)
    index, manifest, rejected = convert(tmp_path, tmp_path / "out")
    assert index["sha256"].is_unique
    assert manifest["utt"].tolist() == ["03a01Fa"]
    assert len(rejected) == 4 and all(rejected["reason"].str.startswith("duplicate of 0"))


def test_16_bit_16_khz_samples_stay_as_they_are(troubled: Path, tmp_path: Path) -> None:
    convert(troubled, tmp_path / "out")
    before, _ = sf.read(troubled / "wav" / "03a01Fa.wav", dtype="int16")
    after, _ = sf.read(tmp_path / "out" / "audio" / "03a01Fa.flac", dtype="int16")
    assert np.array_equal(before, after)


def test_overs_are_clipped_and_never_wrap(troubled: Path, tmp_path: Path) -> None:
    convert(troubled, tmp_path / "out")
    before, _ = sf.read(troubled / "wav" / "08a04Fa.wav")
    after, _ = sf.read(tmp_path / "out" / "audio" / "08a04Fa.flac")
    assert np.abs(before).max() > 1
    assert np.abs(after - np.clip(before, -1, 1)).max() < 1e-4
    values = pcm16(np.array([1.0, 1.5, -1.0, -1.5, 0.0, 32767 / 32768]))
    assert values.tolist() == [32767, 32767, -32768, -32768, 0, 32767]


def test_bytes_do_not_depend_on_the_workers(troubled: Path, tmp_path: Path) -> None:
    for workers in (1, 3):
        convert(troubled, tmp_path / str(workers), workers=workers)
    one, three = (
        {
            path.relative_to(tmp_path / str(workers)): path.read_bytes()
            for path in (tmp_path / str(workers)).rglob("*")
            if path.is_file()
        }
        for workers in (1, 3)
    )
    assert one == three


def test_an_old_audio_folder_is_replaced(troubled: Path, tmp_path: Path) -> None:
    stale = tmp_path / "out" / "audio" / "stale.flac"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"old")
    convert(troubled, tmp_path / "out")
    assert not stale.exists()


def test_a_clip_gone_since_indexing_is_an_error_and_leaves_nothing(
    troubled: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    index_corpus("x", "emodb", troubled, {}, out / "index.tsv")
    (troubled / "wav" / "03a01Fa.wav").unlink()
    with pytest.raises(InputError, match=r"03a01Fa\.wav does not exist"):
        convert_corpus(out / "index.tsv", out / "audio", out / "m.tsv", out / "r.tsv", workers=2)
    assert [path.name for path in out.iterdir()] == ["index.tsv"]


def test_file_names_are_safe_and_distinct() -> None:
    names = file_names(["03a01Fa", "a/b", "a_b", "A_B", "ü 'x'", "..", "x" * 300])
    assert names[0] == "03a01Fa.flac"
    assert len({name.lower() for name in names}) == len(names)
    for name in names:
        assert name.isascii() and "/" not in name and len(name) < 150 and name[0] != "."
    assert names[1] == file_names(["a/b"])[0], "a name must not depend on the other clips"


def test_strange_names_go_the_whole_way(tmp_path: Path) -> None:
    root = tmp_path / "my \"own\" 'speech', ä"
    write_clips(root, ["sub dir/a b.wav", 'sub dir/ü,"q"\'.FLAC', "日本.ogg"])
    lines = ["path;speaker;label", "sub dir/a b.wav;x;anger", "日本.ogg;y;"]
    lines.append('"sub dir/ü,""q""\'.FLAC";x;sad')
    (root / "metadata.csv").write_text("\n".join(lines), encoding="utf-8")
    index, manifest, rejected = convert(root, tmp_path / "out dir", "csv")
    assert len(manifest) == 3 and len(rejected) == 0
    assert manifest["utt"].tolist() == ["sub dir/a b", 'sub dir/ü,"q"\'', "日本"]
    assert manifest["raw_label"].tolist() == ["anger", "sad", ""]
    for path in manifest["path"]:
        assert sf.info(tmp_path / "out dir" / path).frames == 8000
    assert all(Path(path).is_file() for path in index["path"])


def test_real_ravdess_duplicate_is_found(tmp_path: Path) -> None:
    root = tmp_path / "ravdess"
    shutil.copytree(real_corpus("ravdess") / "Actor_07", root / "Actor_07")
    stereo = real_corpus("ravdess") / "Actor_20" / "03-01-03-01-02-01-20.flac"
    shutil.copy(stereo, root)
    index, manifest, rejected = convert(root, tmp_path / "out", "ravdess")
    assert dict(zip(rejected["utt"], rejected["reason"], strict=True)) == {
        "03-01-03-01-02-02-07": "duplicate of 03-01-03-01-02-01-07"
    }
    assert len(manifest) == len(index) - 1
    assert set(manifest["sample_rate"]) == {"48000"}
    assert manifest.set_index("utt").loc[stereo.stem, "channels"] == "2"


def test_real_cremad_trouble_is_found(tmp_path: Path) -> None:
    audio = tmp_path / "cremad" / "AudioWAV"
    audio.mkdir(parents=True)
    for clip in (real_corpus("cremad") / "AudioWAV").iterdir():
        if clip.name.startswith(("1006", "1064", "1076")):
            (audio / clip.name).symlink_to(clip)
    index, manifest, rejected = convert(audio.parent, tmp_path / "out", "cremad")
    reasons = dict(zip(rejected["utt"], rejected["reason"], strict=True))
    assert reasons.pop("1076_MTI_SAD_XX") == "silent"
    happy, neutral = "1006_TIE_HAP_XX", "1006_TIE_NEU_XX"
    assert set(reasons) == {happy, neutral}
    assert reasons[happy].startswith(f"duplicate of {neutral} ") and "NEU" in reasons[happy]
    assert reasons[neutral].startswith(f"duplicate of {happy} ") and "HAP" in reasons[neutral]
    assert len(manifest) == len(index) - 3 > 50


def test_real_16_khz_clips_keep_their_samples(tmp_path: Path) -> None:
    wav = tmp_path / "emodb" / "wav"
    wav.mkdir(parents=True)
    for clip in (real_corpus("emodb") / "wav").glob("03a0*.flac"):
        (wav / clip.name).symlink_to(clip)
    _, manifest, rejected = convert(wav.parent, tmp_path / "out")
    assert len(rejected) == 0 and len(manifest) > 10
    for row in manifest.itertuples():
        before, _ = sf.read(wav / f"{row.utt}.flac", dtype="int16")
        after, _ = sf.read(tmp_path / "out" / row.path, dtype="int16")
        assert np.array_equal(before, after)


def test_segments_are_cut_out_of_their_file(tmp_path: Path) -> None:
    """Several rows a file, as SER tables come; one beyond the end is rejected, not shortened."""
    long = noise(3.0, 16000, 5)
    sf.write(tmp_path / "talk.wav", long, 16000)
    rows = ["path,speaker,start,end,utt", "talk.wav,x,0.5,1.25,a", "talk.wav,x,1.25,2,b"]
    rows += ["talk.wav,x,2,,c", "talk.wav,x,,0.5,d", "talk.wav,x,2.5,3.5,e", "talk.wav,x,1,1.1,f"]
    (tmp_path / "metadata.csv").write_text("\n".join(rows) + "\n")
    _, manifest, rejected = convert(tmp_path, tmp_path / "out", layout="csv")
    samples, _ = sf.read(tmp_path / "talk.wav", dtype="int16")
    bounds = {"a": (0.5, 1.25), "b": (1.25, 2), "c": (2, 3), "d": (0, 0.5)}
    assert manifest["utt"].tolist() == list(bounds)
    for row in manifest.itertuples():
        first, last = (round(at * 16000) for at in bounds[row.utt])
        cut, _ = sf.read(tmp_path / "out" / row.path, dtype="int16")
        assert np.array_equal(cut, samples[first:last])
        assert float(row.duration_s) == (last - first) / 16000
    assert rejected["reason"].tolist() == [
        "corrupt: ends after 3.000 s, the clip at 3.5 s", "shorter than 0.3 s",
    ]  # fmt: skip
