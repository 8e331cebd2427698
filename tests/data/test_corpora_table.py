"""The csv layout: people's own audio with a table."""

from __future__ import annotations

from pathlib import Path

import pytest

from after_ser.core.errors import InputError
from after_ser.data.corpora.folder import Folder
from after_ser.data.corpora.table import Table
from tests.data.corpora_trees import touch_clips


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return touch_clips(tmp_path, ["a/one.wav", "a/zwei, drei.flac", "b/one.wav"])


def scan(root: Path, text: str, name: str = "metadata.csv", **options: object) -> list:
    (root / name).write_bytes(text.encode("utf-8"))
    return list(Table().scan(root, options))


def test_all_columns(root: Path) -> None:
    header = "Path,speaker,session,gender,language,text_id,label,valence,arousal,dominance,utt,x\n"
    (clip,) = scan(root, header + "a/one.wav,03,s1,F,de,t1,anger,1.5,,-2,first,y\n")
    assert clip.path == root / "a" / "one.wav"
    assert (clip.utt, clip.speaker, clip.session, clip.gender) == ("first", "03", "s1", "female")
    assert (clip.language, clip.text_id, clip.raw_label) == ("de", "t1", "anger")
    assert (clip.valence, clip.arousal, clip.dominance) == (1.5, None, -2.0)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separators_bom_quotes_and_names_from_paths(root: Path, separator: str) -> None:
    lines = ["speaker,path", "é s,a/one.wav", 'x,"a/zwei, drei.flac"', "x,b/one.wav", ""]
    text = "\ufeff" + "\r\n".join(lines)
    if separator != ",":
        text = (
            text.replace("zwei, drei", "ZWEI").replace(",", separator).replace("ZWEI", "zwei, drei")
        )
    clips = scan(root, text)
    assert [clip.utt for clip in clips] == ["a/one", "a/zwei, drei", "b/one"]
    assert clips[0].speaker == "é s"
    assert all(clip.raw_label == "" and clip.valence is None for clip in clips)


def test_another_table_and_absolute_paths(root: Path, tmp_path: Path) -> None:
    text = f"path\tspeaker\n{root / 'a' / 'one.wav'}\tx\n"
    assert len(scan(root, text, "my table.tsv", table="my table.tsv")) == 1


def test_audio_the_table_does_not_name_is_counted(
    root: Path, capsys: pytest.CaptureFixture
) -> None:
    assert len(scan(root, "path,speaker\na/one.wav,x\n")) == 1
    assert "2 audio files below" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\na/one.wav,anger\n", r"metadata\.csv .*column speaker"),
        ("file,speaker\na/one.wav,x\n", r"metadata\.csv has no column path"),
        ("path,speaker\n", "has no rows"),
        ("path,speaker\na/one.wav,\n", "line 2 of .*: speaker "),
        ("path,speaker\n,x\n", "line 2 of .*: path "),
        ("path,speaker\na/none.wav,x\n", r"line 2 of .*none\.wav"),
        ("path,speaker,gender\na/one.wav,x,lady\n", "gender is 'lady', .*female, male"),
        ("path,speaker,valence\na/one.wav,x,high\n", "valence is 'high'"),
        ("path,speaker\na/zwei, drei.flac,x\n", "line 2.*header's 2"),
    ],
)
def test_mistakes_are_named_with_their_line(root: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        scan(root, text)


def test_missing_table(root: Path) -> None:
    with pytest.raises(InputError, match=r"metadata\.csv is missing"):
        list(Table().scan(root, {}))
    (root / "metadata.csv").write_bytes("path,speaker\na/one.wav,Müller\n".encode("latin-1"))
    with pytest.raises(InputError, match="is not UTF-8"):
        list(Table().scan(root, {}))


def test_a_folder_without_its_table_is_named(root: Path) -> None:
    with pytest.raises(InputError, match=r"metadata\.csv"):
        list(Table().scan(root, {}))


@pytest.mark.parametrize(
    ("header", "column", "meant"),
    [
        ("path,Speaker ID,speaker,emotion", "emotion", "label"),
        ("path,speaker,Emotion", "emotion", "label"),
        ("path,speaker,labels", "labels", "label"),
        ("path,speaker,Sex", "sex", "gender"),
        ("path,speaker,Session_ID", "session_id", "session"),
    ],
)
def test_a_column_that_is_not_read_is_named_with_the_one_it_may_be(
    root: Path, capsys: pytest.CaptureFixture, header: str, column: str, meant: str
) -> None:
    cells = ["a/one.wav", *["x"] * header.count(",")]
    scan(root, f"{header}\n{','.join(cells)}\n")
    notice = capsys.readouterr().err
    assert repr(column) in notice and f"call it {meant}" in notice


def test_nothing_is_said_where_every_column_is_read(
    root: Path, capsys: pytest.CaptureFixture
) -> None:
    scan(root, "path,speaker,label\na/one.wav,x,anger\nb/one.wav,x,sad\n"
               "\"a/zwei, drei.flac\",x,sad\n")  # fmt: skip
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    [
        "sep=;\npath;speaker\na/one.wav;x\n",
        "path;speaker;;\na/one.wav;x;;\n",
        "path;speaker\r\na/one.wav;x;;;\r\n",
        "path,speaker\na\\one.wav,x\n",
        "SEP=\t\npath\tspeaker\t\na\\one.wav\tx\t\n",
    ],
)
def test_tables_as_excel_and_windows_write_them(root: Path, text: str) -> None:
    (clip,) = scan(root, text)
    assert (clip.utt, clip.speaker, clip.path) == ("a/one", "x", root / "a/one.wav")


def test_lines_are_counted_from_the_top_of_the_file(root: Path) -> None:
    with pytest.raises(InputError, match="line 3 of"):
        scan(root, "sep=;\npath;speaker\nnowhere.wav;x\n")


def test_a_folder_names_other_tables_and_takes_its_own_in_any_case(
    root: Path, capsys: pytest.CaptureFixture
) -> None:
    (root / "emotions.csv").write_text("path,label\na/one.wav,sad\n")
    assert {clip.raw_label for clip in Folder().scan(root, {})} == {""}
    assert "emotions.csv" in capsys.readouterr().err
    (root / "Labels.csv").write_text("path,speaker,Emotion,label\na\\one.wav,Anna,x,sad\n")
    labels = {clip.utt: (clip.speaker, clip.raw_label) for clip in Folder().scan(root, {})}
    assert labels["a/one"] == ("Anna", "sad")
    assert "'emotion'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("start", "end", "seconds"),
    [
        ("0.5", "1.25", (0.5, 1.25)),
        ("0,5", "1,25", (0.5, 1.25)),
        ("", "1", (None, 1.0)),
        ("0 days 00:00:01.500000", "0 days 01:00:02", (1.5, 3602.0)),
        ("00:01", "NaT", (1.0, None)),
    ],
)
def test_a_row_may_be_a_part_of_a_file(root: Path, start: str, end: str, seconds: tuple) -> None:
    (clip,) = scan(root, f"path;speaker;start;end\na/one.wav;x;{start};{end}\n")
    assert (clip.start, clip.end) == seconds


@pytest.mark.parametrize(
    ("start", "end", "problem"),
    [("2", "1", "after start"), ("1", "1", "after start"), ("-1", "1", "0 or more"),
     ("soon", "1", "start is 'soon'")],
)  # fmt: skip
def test_times_that_make_no_part_are_named(root: Path, start: str, end: str, problem: str) -> None:
    with pytest.raises(InputError, match=f"line 2.*{problem}"):
        scan(root, f"path,speaker,start,end\na/one.wav,x,{start},{end}\n")
