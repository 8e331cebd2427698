"""The adapters that read everything from file names and folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from after_ser.core.errors import InputError
from after_ser.data.corpora.base import Utterance
from after_ser.data.corpora.registry import LAYOUTS, corpus_adapter
from tests.data.corpora_trees import touch_clips

NAMED = ("emodb", "shemo", "ravdess", "emovdb", "cremad", "savee")
CLASSES = {"anger", "neutral", "sad", "happy", None}


def scan(layout: str, root: Path, **options: object) -> dict[str, Utterance]:
    clips = list(corpus_adapter(layout).scan(root, options))
    assert len({clip.utt for clip in clips}) == len(clips)
    return {clip.utt: clip for clip in clips}


def facts(clip: Utterance) -> tuple[str, ...]:
    return (clip.speaker, clip.gender, clip.language, clip.text_id, clip.raw_label)


def test_emodb(tmp_path: Path) -> None:
    names = [f"wav/{speaker}b03{letter}a.wav" for speaker in ("03", "16") for letter in "WLEAFTN"]
    clips = scan("emodb", touch_clips(tmp_path, [*names, "wav/08a01Wc.WAV"]))
    assert len(clips) == 15
    assert facts(clips["03b03Wa"]) == ("03", "male", "de", "b03", "W")
    assert facts(clips["16b03Fa"]) == ("16", "female", "de", "b03", "F")
    assert facts(clips["08a01Wc"]) == ("08", "female", "de", "a01", "W")
    table = corpus_adapter("emodb").default_labels
    assert {raw for raw in table if table[raw] is None} == {"A", "L", "E"}  # fear is not anger
    assert [table[raw] for raw in "WNTF"] == ["anger", "neutral", "sad", "happy"]


@pytest.mark.parametrize("folders", [("", ""), ("female/", "male/")])
def test_shemo(tmp_path: Path, folders: tuple[str, str]) -> None:
    women = [f"{folders[0]}F01{letter}01.wav" for letter in "ASHWN"]
    men = [f"{folders[1]}M01F02.wav", f"{folders[1]}M35N12.wav", f"{folders[1]}M35N112.flac"]
    clips = scan("shemo", touch_clips(tmp_path, women + men))
    assert len(clips) == 8
    assert facts(clips["F01A01"]) == ("F01", "female", "fa", "", "A")
    assert facts(clips["M35N12"]) == ("M35", "male", "fa", "", "N")
    assert facts(clips["M01F02"]) == ("M01", "male", "fa", "", "F")  # fear, not a woman
    table = corpus_adapter("shemo").default_labels
    assert table == dict(
        zip("ANSHWF", ["anger", "neutral", "sad", "happy", None, None], strict=True)
    )


def test_ravdess(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    speech = [f"Actor_12/03-01-0{emotion}-01-02-01-12.wav" for emotion in range(1, 9)]
    other = ["Actor_12/03-02-05-01-02-01-12.wav", "Actor_12/01-01-05-01-02-01-12.mp4"]
    clips = scan("ravdess", touch_clips(tmp_path, [*speech, *other, "A/03-01-03-02-01-02-01.flac"]))
    assert len(clips) == 9
    assert facts(clips["03-01-05-01-02-01-12"]) == ("12", "female", "en", "02", "angry")
    assert facts(clips["03-01-03-02-01-02-01"]) == ("01", "male", "en", "01", "happy")
    table = corpus_adapter("ravdess").default_labels
    assert {clip.raw_label for clip in clips.values()} == set(table)
    assert table["calm"] is None
    told = capsys.readouterr().err
    assert "1 songs" in told and "1 audio-visual" in told


def test_ravdess_with_songs_only_is_empty(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no audio-only speech"):
        scan("ravdess", touch_clips(tmp_path, ["Actor_12/03-02-05-01-02-01-12.wav"]))


@pytest.mark.parametrize(
    "pattern",
    [
        "{speaker}/{folder}/{file}_1-28_0007.wav",
        "{speaker}/{file}_1-28_0007.wav",
        "{speaker}_{folder}/{file}_1-28_0007.wav",
        "{speaker}_{file}_1-28_0007.wav",
        "sorted/{speaker}/{file}/{speaker}_{file}_1-28_0007.flac",
    ],
)
def test_emovdb_arrangements(tmp_path: Path, pattern: str) -> None:
    emotions = {
        "amused": ("Amused", "amused"),
        "anger": ("Angry", "anger"),
        "disgust": ("Disgusted", "disgust"),
        "neutral": ("Neutral", "neutral"),
        "sleepiness": ("Sleepy", "sleepy"),
    }
    names = [
        pattern.format(speaker=speaker, folder=folder, file=word)
        for speaker in ("bea", "jenie", "josh", "sam")
        for word, (folder, _) in emotions.items()
    ]
    clips = scan("emovdb", touch_clips(tmp_path, names))
    assert len(clips) == 20
    for word, (_, raw) in emotions.items():
        clip = clips[f"jenie_{word}_1-28_0007"]
        assert facts(clip) == ("jenie", "female", "en", "0007", raw)
        assert facts(clips[f"sam_{word}_1-28_0007"])[:2] == ("sam", "male")
    table = corpus_adapter("emovdb").default_labels
    assert {raw for raw in table if table[raw]} == {"anger", "neutral"}


def test_emovdb_example_of_the_flat_arrangement(tmp_path: Path) -> None:
    clips = scan("emovdb", touch_clips(tmp_path, ["sam_neutral_197-224_0200.wav"]))
    assert facts(clips["sam_neutral_197-224_0200"]) == ("sam", "male", "en", "0200", "neutral")


def test_emovdb_without_speaker_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="amused_1-28_0007.*speaker"):
        scan("emovdb", touch_clips(tmp_path, ["Amused/amused_1-28_0007.wav"]))


def test_cremad(tmp_path: Path) -> None:
    names = [f"AudioWAV/1001_IEO_{raw}_HI.wav" for raw in ("ANG", "DIS", "FEA", "HAP", "SAD")]
    names += ["AudioWAV/1001_IEO_NEU_XX.wav", "AudioWAV/1040_ITH_SAD_X.wav"]
    touch_clips(tmp_path, [*names, "AudioMP3/1001_IEO_NEU_XX.mp3"])
    clips = scan("cremad", tmp_path)
    assert len(clips) == 7
    assert facts(clips["1001_IEO_ANG_HI"]) == ("1001", "", "en", "IEO", "ANG")
    assert facts(clips["1040_ITH_SAD_X"]) == ("1040", "", "en", "ITH", "SAD")
    table = tmp_path / "VideoDemographics.csv"
    table.write_text(
        "ActorID,Age,Sex,Race,Ethnicity\n1001,51,Male,Caucasian,Not Hispanic\n"
        "1040,42,Female,Caucasian,Not Hispanic\n"
    )
    for root in (tmp_path, tmp_path / "AudioWAV"):
        clips = scan("cremad", root)
        assert clips["1001_IEO_ANG_HI"].gender == "male"
        assert clips["1040_ITH_SAD_X"].gender == "female"
    table.write_text("ActorID,Age\n1001,51\n")
    with pytest.raises(InputError, match=r"VideoDemographics\.csv .*column Sex"):
        scan("cremad", tmp_path)


@pytest.mark.parametrize("pattern", ["AudioData/{}/{}.wav", "{}_{}.wav", "x/{}/{}.MP3"])
def test_savee(tmp_path: Path, pattern: str) -> None:
    codes = ["a01", "d15", "f02", "h03", "n30", "sa04", "su05"]
    names = [
        pattern.format(speaker, code) for speaker in ("DC", "JE", "JK", "KL") for code in codes
    ]
    clips = scan("savee", touch_clips(tmp_path, names))
    assert len(clips) == 28
    assert facts(clips["DC_a01"]) == ("DC", "male", "en", "a01", "a")
    assert facts(clips["KL_sa04"]) == ("KL", "male", "en", "sa04", "sa")
    assert {clip.raw_label for clip in clips.values()} == set(
        corpus_adapter("savee").default_labels
    )


@pytest.mark.parametrize("layout", NAMED)
def test_every_layout_reads_its_own_example_in_every_format(tmp_path: Path, layout: str) -> None:
    adapter = corpus_adapter(layout)
    assert adapter.layout == layout
    assert set(adapter.default_labels.values()) <= CLASSES
    for suffix in (".wav", ".WAV", ".flac", ".Ogg", ".mp3"):
        root = touch_clips(tmp_path / suffix, [str(Path(adapter.example).with_suffix(suffix))])
        (clip,) = adapter.scan(root, {})
        assert adapter.default_labels[clip.raw_label] is not None
        assert clip.path.is_absolute()


@pytest.mark.parametrize("layout", NAMED)
def test_wrong_empty_and_odd_folders_are_errors_of_one_line(tmp_path: Path, layout: str) -> None:
    adapter = corpus_adapter(layout)
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / ".DS_Store").write_bytes(b"x")
    (empty / f"._{Path(adapter.example).name}").write_bytes(b"x")
    a_file = touch_clips(tmp_path, ["file.txt"]) / "file.txt"
    odd = touch_clips(
        tmp_path / "odd",
        [adapter.example, str(Path(adapter.example).with_name("what is this.wav"))],
    )
    for root, problem in (
        (tmp_path / "nowhere", "does not exist"),
        (a_file, "is not a folder"),
        (empty, "no audio file"),
        (odd, "what is this.wav"),
    ):
        with pytest.raises(InputError) as error:
            list(adapter.scan(root, {}))
        message = str(error.value)
        assert problem in message and "\n" not in message and layout in message
        assert Path(adapter.example).name in message, "no example of what was expected"
    assert len(list(adapter.scan(odd, {"ignore": ["what is*"]}))) == 1


def test_registry_suggests_the_nearest_layout() -> None:
    assert "csv" in LAYOUTS and "iemocap" in LAYOUTS
    with pytest.raises(InputError, match="CREMA-D.*did you mean cremad"):
        corpus_adapter("CREMA-D")
    with pytest.raises(InputError, match="iemocap, emodb"):
        corpus_adapter("zzz")


def test_tess(tmp_path: Path) -> None:
    names = ["OAF_angry/OAF_back_angry.wav", "OAF_neutral/OA_bite_neutral.wav"]
    names += ["YAF_pleasant_surprised/YAF_dog_ps.wav", "YAF_back_SAD.wav"]
    clips = scan("tess", touch_clips(tmp_path, names))
    assert sorted(clips) == [
        "OAF_back_angry", "OAF_bite_neutral", "YAF_back_sad", "YAF_dog_ps",
    ]  # fmt: skip
    clip = clips["OAF_bite_neutral"]
    assert (clip.speaker, clip.gender, clip.text_id) == ("OAF", "female", "bite")
    table = corpus_adapter("tess").default_labels
    assert {name: table[clip.raw_label] for name, clip in clips.items()} == {
        "OAF_back_angry": "anger", "OAF_bite_neutral": "neutral",
        "YAF_back_sad": "sad", "YAF_dog_ps": None,
    }  # fmt: skip
