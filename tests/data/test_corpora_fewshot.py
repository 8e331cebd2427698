"""The adapters of the few-shot study's corpora, on trees written as they are released."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from after_ser.core.errors import InputError
from after_ser.data.corpora.base import Utterance
from after_ser.data.corpora.registry import corpus_adapter
from tests.data.corpora_trees import touch_clips

EMOTIONS = ("Angry", "Happy", "Neutral", "Sad", "Surprise")
HEADER = "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set\n"


def scan(layout: str, root: Path, **options: object) -> dict[str, Utterance]:
    clips = list(corpus_adapter(layout).scan(root, options))
    assert len({clip.utt for clip in clips}) == len(clips)
    assert all(clip.path.is_absolute() for clip in clips)
    return {clip.utt: clip for clip in clips}


def facts(clip: Utterance) -> tuple[str, ...]:
    return (clip.speaker, clip.gender, clip.language, clip.text_id, clip.raw_label)


@pytest.mark.parametrize(
    "pattern", ["{}/{}/train/{}", "{}/{}/{}", "Emotion Speech Dataset/{}/{}/{}"]
)
def test_esd_with_and_without_split_folders(tmp_path: Path, pattern: str) -> None:
    names = [
        pattern.format(speaker, emotion, f"{speaker}_{350 * block + 7:06d}.wav")
        for speaker in ("0001", "0010", "0011", "0020")
        for block, emotion in enumerate(EMOTIONS)
    ]
    touch_clips(tmp_path, [*names, "0001/0001.txt", "0011/0011.txt", "ReadMe.txt"])
    clips = scan("esd", tmp_path)
    assert len(clips) == 20
    # Mandarin up to 0010; the same sentence in every emotion
    assert facts(clips["0010_000007"]) == ("0010", "", "zh", "zh007", "Angry")
    assert facts(clips["0011_001407"]) == ("0011", "", "en", "en007", "Surprise")
    table = corpus_adapter("esd").default_labels
    assert set(table) == set(EMOTIONS) and table["Surprise"] is None
    assert [table[name] for name in EMOTIONS[:4]] == ["anger", "happy", "neutral", "sad"]


@pytest.mark.parametrize(
    "name", ["0011/Angry/0012_000001.wav", "0011/Cross/0011_000001.wav", "Angry/0011_000001.wav"]
)
def test_esd_refuses_what_its_folders_contradict(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"as 0011/Angry"):
        scan("esd", touch_clips(tmp_path, [name]))


def test_mandarin_affective(tmp_path: Path) -> None:
    names = [
        f"data/{speaker}/{emotion}/{kind}/{number}.wav"
        for speaker in ("001", "068")
        for emotion in ("anger", "elation", "neutral", "panic", "sadness")
        for kind, number in (("phrase", "1011"), ("utterance", "2112"))
    ]
    clips = scan("mandarin_affective", touch_clips(tmp_path, [*names, "doc/readme.txt"]))
    assert len(clips) == 20
    found = clips["068_elation_utterance_2112"]
    assert facts(found) == ("068", "", "zh", "utterance211", "elation")
    table = corpus_adapter("mandarin_affective").default_labels
    assert (table["elation"], table["sadness"], table["panic"]) == ("happy", "sad", None)
    with pytest.raises(InputError, match="1011.*<speaker>"):
        scan("mandarin_affective", touch_clips(tmp_path, ["data/001/joy/phrase/1011.wav"]))


PODCAST = [
    ("MSP-PODCAST_0001_0008.wav", "N", "2.2", "4.0", "2.6", "30", "Male", "Test1"),
    ("MSP-PODCAST_0001_0009.wav", "A", "5.5", "2.0", "5.0", "Unknown", "Unknown", "Train"),
    ("MSP-PODCAST_0001_0010.wav", "H", "", "NaN", "5.0", "-1", "Female", "Train"),
    ("MSP-PODCAST_0002_0001.wav", "X", "4.0", "4.0", "4.0", "Unknown", "Female", "Development"),
    ("MSP-PODCAST_0003_0001.wav", "S", "3.0", "2.0", "3.0", "77", "Female", "Train"),
]


def write_podcast(root: Path, name: str = "labels_consensus.csv", audio: str = "Audios") -> Path:
    touch_clips(root, [f"{audio}/{row[0]}" for row in PODCAST[:4]])
    touch_clips(root, [f"{audio}/MSP-PODCAST_9999_0001.wav"])  # a blind test clip
    table = root / "Labels" / name
    table.parent.mkdir(exist_ok=True)
    keys = HEADER.strip().split(",")
    if name.endswith("json"):
        table.write_text(
            json.dumps({r[0]: dict(zip(keys[1:], r[1:], strict=True)) for r in PODCAST})
        )
    else:
        table.write_text(HEADER + "\n".join(",".join(row) for row in PODCAST) + "\n")
    return root


@pytest.mark.parametrize(
    ("name", "audio"),
    [
        ("labels_consensus.csv", "Audios"),
        ("labels_concensus.csv", "Audio"),
        ("labels_consensus.json", "Audios"),
    ],
)
def test_msp_podcast(tmp_path: Path, name: str, audio: str, capsys: pytest.CaptureFixture) -> None:
    clips = scan("msp_podcast", write_podcast(tmp_path, name, audio))
    assert len(clips) == 4
    known = clips["MSP-PODCAST_0001_0008"]
    assert facts(known) == ("30", "male", "en", "", "N")
    assert (known.arousal, known.valence, known.dominance) == (2.2, 4.0, 2.6)
    unknown = clips["MSP-PODCAST_0001_0009"]
    assert facts(unknown) == ("unknown-0001", "", "en", "", "A")
    assert clips["MSP-PODCAST_0001_0010"].speaker == "unknown-0001"
    assert clips["MSP-PODCAST_0001_0010"].arousal is None
    assert clips["MSP-PODCAST_0001_0010"].valence is None
    assert clips["MSP-PODCAST_0002_0001"].speaker == "unknown-0002"
    said = capsys.readouterr().err
    assert "1 clips have no line" in said and "1 lines have no clip" in said
    table = corpus_adapter("msp_podcast").default_labels
    assert {raw for raw in table if table[raw] is None} == set("UFDCOX")


def test_msp_podcast_parts_and_mistakes(tmp_path: Path) -> None:
    root = write_podcast(tmp_path)
    assert set(scan("msp_podcast", root, splits=["Train"])) == {
        "MSP-PODCAST_0001_0009", "MSP-PODCAST_0001_0010",
    }  # fmt: skip
    assert len(scan("msp_podcast", root, splits="Development")) == 1
    table = root / "Labels/labels_consensus.csv"
    for text, options, problem in (
        (None, {"splits": ["Trian"]}, "has no part Trian; expected some of Development, Test1"),
        (
            HEADER.replace("EmoClass", "Emotion") + ",".join(PODCAST[0]),
            {},
            "has no column EmoClass",
        ),
        (HEADER + ",".join(PODCAST[0]).replace("2.2", "high"), {}, "'high'; expected a number"),
    ):
        if text:
            table.write_text(text)
        with pytest.raises(InputError) as error:
            scan("msp_podcast", root, **options)
        assert problem in str(error.value) and "\n" not in str(error.value)
    table.unlink()
    with pytest.raises(InputError, match=r"no labels_consensus\.csv"):
        scan("msp_podcast", root)


IMPROV = [
    ("S01A-F01-P-FM01", "N", "A:3.000000; V:3.500000; D:2.000000 ; N:4.000000;"),
    ("S01A-M01-R-FM02", "A", "A:4.000000; V:1.500000; D:NaN ; N:4.000000;"),
    ("S20S-F06-T-FM01", "S", "A:2.000000; V:1.500000; D:2.000000;"),
    ("S20S-M06-S-MF12", "X", "A:2.000000; V:2.500000; D:2.000000 ; N:3.000000;"),
]


def write_improv(root: Path, name: str = "Evalution.txt") -> Path:
    lines = []
    for turn, label, ratings in IMPROV:
        sentence, speaker, scenario, _ = turn.split("-")
        folder = f"session{int(speaker[1:])}/{sentence}/{scenario}"
        touch_clips(root, [f"{folder}/MSP-IMPROV-{turn}.wav", f"{folder}/MSP-IMPROV-{turn}.avi"])
        lines += [f"UTD-IMPROV-{turn}.avi; {label}; {ratings}"]
        lines += ["worker00000001; Angry; Angry,; A:4.000000; V:2.000000; D:4.0; N:3.0;", ""]
    (root / name).write_text("\n".join(lines))
    return root


@pytest.mark.parametrize("name", ["Evalution.txt", "Evaluation.txt"])
def test_msp_improv(tmp_path: Path, name: str) -> None:
    clips = scan("msp_improv", write_improv(tmp_path, name))
    assert len(clips) == 4
    natural = clips["MSP-IMPROV-S01A-F01-P-FM01"]
    # the consensus (neutral), not the emotion that was to be elicited
    assert facts(natural) == ("F01", "female", "en", "", "N") and natural.session == "session1"
    assert (natural.arousal, natural.valence, natural.dominance) == (3.0, 3.5, 2.0)
    read = clips["MSP-IMPROV-S01A-M01-R-FM02"]
    assert facts(read) == ("M01", "male", "en", "S01", "A") and read.dominance is None
    assert facts(clips["MSP-IMPROV-S20S-F06-T-FM01"])[3] == "S20"
    assert clips["MSP-IMPROV-S20S-M06-S-MF12"].session == "session6"
    assert {clip.raw_label for clip in clips.values()} <= set(
        corpus_adapter("msp_improv").default_labels
    )


@pytest.mark.parametrize(
    ("find", "replacement", "problem"),
    [
        ("S01A-F01-P-FM01.avi", "S01A-F01-P-FM09.avi", "has no line in"),
        ("A:3.000000", "A:three", "line 1 of"),
        ("UTD-IMPROV-S01A-M01-R-FM02", "UTD-IMPROV-S01A-F01-P-FM01", "a second time"),
    ],
)
def test_msp_improv_labels_that_do_not_fit(
    tmp_path: Path, find: str, replacement: str, problem: str
) -> None:
    root = write_improv(tmp_path)
    table = root / "Evalution.txt"
    table.write_text(table.read_text().replace(find, replacement))
    with pytest.raises(InputError) as error:
        scan("msp_improv", root)
    assert problem in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("layout", ["esd", "mandarin_affective", "msp_podcast", "msp_improv"])
def test_wrong_and_empty_roots_are_one_line(tmp_path: Path, layout: str) -> None:
    adapter = corpus_adapter(layout)
    assert adapter.layout == layout
    assert set(adapter.default_labels.values()) == {"anger", "neutral", "sad", "happy", None}
    (tmp_path / "empty").mkdir()
    for root in (tmp_path / "nowhere", tmp_path / "empty"):
        with pytest.raises(InputError) as error:
            list(adapter.scan(root, {}))
        assert layout in str(error.value) and "\n" not in str(error.value)
