"""A folder of audio becomes val and a pool: names, labels for some, and speakers apart."""

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from after_ser.core.errors import InputError
from after_ser.data.corpora.folder import Folder
from after_ser.data.corpora.index import index_corpus
from after_ser.data.datasets.audit import audit_folds
from after_ser.data.datasets.merge import CorpusPart, merge_corpora
from after_ser.data.datasets.own import make_own_fold

CLASSES = ["anger", "sad"]


def put(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())


def scan(root, **options):
    return {one.utt: one for one in Folder().scan(root, options)}


def test_every_audio_file_is_a_clip_whether_or_not_a_table_knows_it(tmp_path):
    put(tmp_path, "b/2.WAV", "b/2.mp3", "a.opus", ".hidden.wav", "notes.txt", "c.aiff")
    found = scan(tmp_path)
    assert list(found) == ["a", "b/2.WAV", "b/2.mp3", "c"]  # two of one name keep their suffix
    assert {one.raw_label + one.speaker for one in found.values()} == {""}
    (tmp_path / "labels.csv").write_text("Path;Label;Speaker\nb/2.mp3;furious;anna\nc;;ben\n")
    found = scan(tmp_path)
    assert (found["b/2.mp3"].raw_label, found["b/2.mp3"].speaker) == ("furious", "anna")
    assert (found["c"].raw_label, found["c"].speaker) == ("", "ben")
    assert found["a"].raw_label == ""
    (tmp_path / "labels.csv").unlink()
    assert list(scan(tmp_path, ignore="b/*")) == ["a", "c"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("path,label\nx.wav,sad\n", "no audio file 'x.wav'"),
        ("path,label\na.wav,sad\n./a.wav,anger\n", "has a row already"),
        ("path,gender\na.wav,robot\n", "gender is 'robot'"),
        ("file,label\na.wav,sad\n", "no column path"),
    ],
)
def test_a_wrong_table_is_named_on_one_line(tmp_path, rows, message):
    put(tmp_path, "a.wav", "b.wav")
    (tmp_path / "labels.csv").write_text(rows)
    with pytest.raises(InputError, match=message) as caught:
        scan(tmp_path)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="table .*other.csv is missing"):
        scan(tmp_path, table="other.csv")


def test_the_index_takes_a_folder_without_labels(tmp_path):
    put(tmp_path / "speech", "a.wav", "b.wav")
    frame = index_corpus("speech", "folder", tmp_path / "speech", {}, tmp_path / "index.tsv")
    assert list(frame["utt"]) == ["a", "b"]


def clips(sizes, labels=False):
    rows = [
        (f"{speaker}{index}", speaker) for speaker, size in sizes.items() for index in range(size)
    ]
    return pd.DataFrame(
        {
            "utt": [utt for utt, _ in rows],
            "corpus": "speech",
            "speaker": [f"speech/{speaker}" if speaker != "-" else "" for _, speaker in rows],
            "session": "",
            "text_id": "",
            "label": ["anger" if labels else ""] * len(rows),
            "duration_s": "1.0",
            "sha256": [f"hash of {utt}" for utt, _ in rows],
        }
    )


def split(fold):
    return {
        name: set(fold.splits.loc[fold.splits["split"] == name, "utt"]) for name in ("val", "train")
    }


def audit(manifest, fold):
    return audit_folds(
        manifest, {1: fold.splits}, {1: fold.balanced_away}, "speech", CLASSES, None, "own"
    )


@pytest.mark.parametrize(
    "sizes",
    [dict.fromkeys("abcdefghij", 10), {"a": 50, "b": 3, "c": 47}, {"a": 60, "b": 40},
     {"a": 5, "b": 5, "-": 90}],
)  # fmt: skip
def test_val_has_speakers_of_its_own(sizes):
    manifest = clips(sizes)
    fold = make_own_fold(manifest, "own", 0.1)
    found = split(fold)
    by = {name: {utt[0] for utt in utts} for name, utts in found.items()}
    assert found["val"] and not by["val"] & by["train"] and "-" not in by["val"]
    assert len(found["val"]) <= 10
    rest = set(fold.balanced_away["utt"])
    assert found["val"] | found["train"] | rest == set(manifest["utt"])
    assert {utt[0] for utt in rest} <= by["val"]
    assert audit(manifest, fold)["violations"] == []
    # labels and the order of rows decide nothing
    again = make_own_fold(clips(sizes, labels=True).sample(frac=1, random_state=1), "own", 0.1)
    assert split(again) == found


def test_the_audit_sees_a_speaker_of_val_in_the_pool_and_a_test_clip():
    manifest = clips(dict.fromkeys("abcd", 5))
    fold = make_own_fold(manifest, "own", 0.25)
    assert len(split(fold)["val"]) == 5
    moved = fold.splits.copy()
    moved.loc[moved["split"] == "val", "split"] = ["train", *["val"] * 4]
    fold_moved = type(fold)(moved, fold.balanced_away)
    assert any("speaker" in line for line in audit(manifest, fold_moved)["violations"])
    tested = fold.splits.copy()
    tested.loc[0, "split"] = "test"
    found = audit(manifest, type(fold)(tested, fold.balanced_away))["violations"]
    assert any("test is not empty" in line for line in found)


def test_without_speakers_clips_are_drawn_and_without_clips_it_stops():
    fold = make_own_fold(clips({"-": 40}), "own", 0.1)
    assert (len(split(fold)["val"]), len(split(fold)["train"])) == (4, 36)
    assert fold.balanced_away.empty
    fold = make_own_fold(clips({"a": 40}), "own", 0.1)  # one speaker cannot be on both sides
    assert (len(split(fold)["val"]), len(split(fold)["train"])) == (4, 36)
    with pytest.raises(InputError, match="of 4 clips is 0"):
        make_own_fold(clips({"-": 4}), "own", 0.1)


def test_clips_without_a_label_stay_where_people_are_asked_and_unknown_words_stop():
    rows = pd.DataFrame(
        {
            "utt": ["a", "b", "c"],
            "path": ["a.flac", "b.flac", "c.flac"],
            "raw_label": ["", "furious", "bored"],
            "sha256": ["1", "2", "3"],
            "duration_s": "1.0",
            **{
                name: ""
                for name in ("speaker", "session", "gender", "language", "text_id", "valence")
            },
            "arousal": "",
            "dominance": "",
        }
    )
    part = CorpusPart(
        "speech", rows, rows.iloc[:0], "x", "y", {}, {"furious": "anger", "bored": None}
    )
    manifest, dropped = merge_corpora([part], CLASSES, unlabelled=True)
    assert list(zip(manifest["utt"], manifest["label"], strict=True)) == [
        ("speech/a", ""),
        ("speech/b", "anger"),
    ]
    assert list(dropped["utt"]) == ["speech/c"]
    with pytest.raises(InputError, match="unknown label 'furious'"):
        merge_corpora([CorpusPart("speech", rows, rows.iloc[:0], "x", "y", {})], CLASSES, True)
    with pytest.raises(InputError, match="unknown label ''"):
        merge_corpora([part], CLASSES)


def test_audio_is_taken_by_content_and_what_cannot_be_read_is_counted(tmp_path, capsys):
    put(tmp_path, "a.wav", "b.flac")
    sf.write(tmp_path / "c.wave", np.zeros(8000), 16000, format="WAV")
    sf.write(tmp_path / "d", np.zeros(8000), 16000, format="FLAC")
    for name in ("e.m4a", "sub/f.M4A", "g.webm"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"\0\0\0 ftypM4A ")
    (tmp_path / "notes.txt").write_text("RIFFs and chords")
    assert sorted(scan(tmp_path)) == ["a", "b", "c", "d"]
    notice = capsys.readouterr().err
    assert "3 files" in notice and "e.m4a" in notice and "ffmpeg" in notice
    assert not scan(tmp_path, ignore=["*.m4a", "*.M4A", "*.webm"]) or not capsys.readouterr().err
    (tmp_path / "labels.csv").write_text("path,label\ne.m4a,sad\n")
    with pytest.raises(InputError, match="line 2.*e.m4a.*ffmpeg"):
        scan(tmp_path)


def test_a_folder_of_nothing_but_m4a_says_so(tmp_path):
    (tmp_path / "e.m4a").write_bytes(b"\0\0\0 ftypM4A ")
    with pytest.raises(InputError, match="1 files in formats that cannot be read, e.g. e.m4a"):
        scan(tmp_path)
