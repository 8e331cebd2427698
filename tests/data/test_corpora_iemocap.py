"""The IEMOCAP adapter on a written-out tree with the official label format."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from after_ser.core.errors import InputError
from after_ser.data.corpora.iemocap import Iemocap
from after_ser.data.corpora.index import index_corpus
from tests.data.corpora_trees import IEMOCAP_OTHERS, iemocap_labels, write_iemocap

SESSION_CLASSES = {  # anger, neutral, sad, happy as counted in the public split files
    "Ses01": (229, 384, 194, 278),
    "Ses02": (137, 362, 197, 327),
    "Ses03": (240, 320, 305, 286),
    "Ses04": (327, 258, 143, 303),
    "Ses05": (170, 384, 245, 442),
}


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_iemocap(tmp_path_factory.mktemp("IEMOCAP full release"), iemocap_labels())


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write_iemocap(tmp_path / "small", {1: ["ang", "neu"] * 30, 3: ["exc", "xxx"] * 30})


def scan(root: Path, **options: object) -> list:
    return list(Iemocap().scan(root, options))


def test_counts_of_the_whole_release(release: Path, tmp_path: Path) -> None:
    index = index_corpus("iemocap", "iemocap", release, {}, tmp_path / "index.tsv")
    assert len(index) == 10_039
    table = Iemocap.default_labels
    classes = Counter(zip(index["session"], index["raw_label"].map(table), strict=True))
    for session, counts in SESSION_CLASSES.items():
        names = ("anger", "neutral", "sad", "happy")
        assert tuple(classes[session, name] for name in names) == counts, session
    unused = Counter(index.loc[index["raw_label"].map(table).isna(), "raw_label"])
    assert unused == IEMOCAP_OTHERS
    assert set(index["raw_label"]) == set(table)
    assert sorted(set(index["session"])) == sorted(SESSION_CLASSES)
    assert sorted(set(index["speaker"])) == [f"Ses0{s}{g}" for s in range(1, 6) for g in "FM"]


def test_speaker_is_who_speaks_not_who_wears_the_markers(small: Path) -> None:
    clips = {clip.utt: clip for clip in scan(small)}
    heard = clips["Ses01M_script01_1_F000"]
    assert (heard.speaker, heard.gender, heard.session) == ("Ses01F", "female", "Ses01")
    assert heard.text_id == clips["Ses03F_script01_1_F000"].text_id == "script01_1_F000"
    assert heard.text_id != clips["Ses01M_script01_1b_F000"].text_id
    assert clips["Ses01F_impro05a_M001"].text_id == ""
    assert (heard.valence, heard.arousal, heard.dominance) == (2.5, 3.0, 3.5)
    assert heard.language == "en"


def test_flac_copies_and_odd_case_folders_are_read(small: Path) -> None:
    wav = small / "Session1" / "sentences" / "wav"
    (wav / "Ses01F_impro01" / "Ses01F_impro01_F000.wav").rename(
        wav / "Ses01F_impro01" / "Ses01F_impro01_F000.FLAC"
    )
    wav.rename(wav.with_name("WAV"))
    (wav.with_name("WAV") / "Ses01F_impro01" / "._Ses01F_impro01_F000.wav").write_bytes(b"mac")
    assert len(scan(small)) == 120


def test_a_clip_without_label_is_named(small: Path) -> None:
    labels = small / "Session1" / "dialog" / "EmoEvaluation" / "Ses01F_impro01.txt"
    kept = [line for line in labels.read_text().split("\n") if "_M001\t" not in line]
    labels.write_text("\n".join(kept))
    with pytest.raises(InputError, match=r"Ses01F_impro01_M001\.wav .*impro01\.txt"):
        scan(small)


def test_a_missing_label_file_is_named(small: Path) -> None:
    (small / "Session3" / "dialog" / "EmoEvaluation" / "Ses03M_impro02.txt").unlink()
    with pytest.raises(InputError, match=r"label file .*Ses03M_impro02\.txt is missing"):
        scan(small)


def test_missing_folders_are_named(small: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder Session1 to Session5"):
        scan(small / "Session1")
    with pytest.raises(InputError, match="does not exist"):
        scan(tmp_path / "nowhere")
    (small / "Session1" / "dialog" / "EmoEvaluation").rename(small / "Session1" / "elsewhere")
    with pytest.raises(InputError, match="no folder EmoEvaluation in .*Session1"):
        scan(small)


def test_a_broken_label_line_is_named(small: Path) -> None:
    labels = small / "Session1" / "dialog" / "EmoEvaluation" / "Ses01F_impro01.txt"
    labels.write_text(labels.read_text().replace("[2.5000, 3.0000, 3.5000]", "[2.5000", 1))
    with pytest.raises(InputError, match=r"line 3 of .*impro01\.txt"):
        scan(small)


def test_labels_without_clip_are_counted(small: Path, capsys: pytest.CaptureFixture) -> None:
    folder = small / "Session1" / "sentences" / "wav"
    (folder / "Ses01F_impro01" / "Ses01F_impro01_F000.wav").unlink()
    for path in (folder / "Ses01F_impro02").iterdir():
        path.unlink()
    clips = scan(small)
    assert len(clips) == 120 - 1 - 5
    told = capsys.readouterr().err
    assert "6 labelled turns" in told and "Ses01F_impro01_F000" in told


def test_a_misnamed_clip_is_an_error_unless_ignored(small: Path) -> None:
    odd = small / "Session1" / "sentences" / "wav" / "Ses01F_impro01" / "take two.wav"
    odd.write_bytes(b"x")
    with pytest.raises(InputError, match=r"take two\.wav"):
        scan(small)
    assert len(scan(small, ignore=["take*.wav"])) == 120
