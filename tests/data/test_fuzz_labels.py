"""Broken label files and file names: an index that says what they say, or one line."""

import os
import random
from pathlib import Path

import pandas as pd
import pytest
from fuzz_inputs import VALUES, emptied, files, fuzz, mutated, mutated_text, outcome
from hypothesis import example, given
from hypothesis import strategies as st

from after_ser.core.errors import InputError
from after_ser.data.corpora.index import INDEX_COLUMNS, index_corpus
from after_ser.data.corpora.registry import LAYOUTS
from after_ser.run.atomic import read_tsv
from tests.data.corpora_trees import touch_clips

IEMOCAP = "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
IEMOCAP_WAV = "Session1/sentences/wav/Ses01F_impro01"
PODCAST = "Labels/labels_consensus.csv"
PODCAST_JSON = "Labels/labels_consensus.json"
IMPROV = "session1/S01A"
#: Layout -> (label file, its text, the clips it is about).
LABELLED: dict[str, tuple[str, str, list[str]]] = {
    "iemocap": (
        IEMOCAP,
        "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
        "[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]\n"
        "C-E2:\tNeutral;\t()\nA-E3:\tval 3; act 2; dom  2;\t()\n\n"
        "[10.0100 - 11.3925]\tSes01F_impro01_M001\tang\t[1.5000, 3.5000, 4.0000]\n"
        "C-E2:\tAnger; Frustration;\t(shouts)\n",
        [f"{IEMOCAP_WAV}/Ses01F_impro01_F000.wav", f"{IEMOCAP_WAV}/Ses01F_impro01_M001.wav"],
    ),
    "csv": (
        "metadata.csv",
        "path,speaker,label,gender,session,utt,text_id,language,valence,arousal,dominance\n"
        "a/one.wav,03,anger,f,s1,u1,t1,de,3.5,2.0,1\nb/two.wav,07,,male,s2,u2,,de,,,\n"
        "c/three.wav,07,sad,,s2,,t2,fr,4,1,2\n",
        ["a/one.wav", "b/two.wav", "c/three.wav"],
    ),
    "msp_podcast": (
        PODCAST,
        "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set\n"
        "MSP-PODCAST_0001_0008.wav,N,2.2,4.0,3.2,127,Male,Train\n"
        "MSP-PODCAST_0002_0001.wav,A,5.0,2.0,5.5,Unknown,Female,Test1\n",
        ["Audios/MSP-PODCAST_0001_0008.wav", "Audios/MSP-PODCAST_0002_0001.wav"],
    ),
    "msp_improv": (
        "Evalution.txt",
        "UTD-IMPROV-S01A-F01-P-FM01.avi; N; A:3.000000; V:3.500000; D:3.000000 ; N:4.000000;\n"
        "F-AB; Neutral; Neutral; A:3; V:3; D:3; N:4;\n\n"
        "UTD-IMPROV-S01A-M01-R-FM02.avi; A; A:NaN; V:2.0; D:4.0 ; N:4.000000;\n",
        [
            f"{IMPROV}/P/MSP-IMPROV-S01A-F01-P-FM01.wav",
            f"{IMPROV}/R/MSP-IMPROV-S01A-M01-R-FM02.wav",
        ],
    ),
    "cremad": (
        "VideoDemographics.csv",
        "ActorID,Age,Sex,Race,Ethnicity\n1001,51,Male,Caucasian,Not Hispanic\n"
        "1002,21,Female,Caucasian,Not Hispanic\n",
        ["AudioWAV/1001_DFA_ANG_XX.wav", "AudioWAV/1002_IEO_SAD_HI.wav"],
    ),
}  # fmt: skip
JSON = (
    '{"MSP-PODCAST_0001_0008.wav": {"EmoClass": "N", "EmoAct": 2.2, "EmoVal": "4.0", '
    '"EmoDom": null, "SpkrID": 127, "Gender": "Male", "Split_Set": "Train"}, '
    '"MSP-PODCAST_0002_0001.wav": {"EmoClass": "A", "SpkrID": "Unknown"}}'
)
TEXT = ["utt", "path", "speaker", "session", "gender", "language", "text_id", "raw_label"]


def indexed(folder: Path, layout: str, options: dict | None = None) -> str:
    """Index `folder`/root; check what must be true of whatever comes out, return the refusal."""
    out = folder / "out" / "index.tsv"
    found, refused = outcome(
        lambda: index_corpus("mine", layout, folder / "root", options or {}, out)
    )
    if refused:
        assert refused.startswith("corpus mine: ")
        assert not files(folder / "out") if (folder / "out").exists() else True
        return refused
    assert files(folder / "out") == ["index.tsv"]
    read = read_tsv(out)
    assert list(read.columns) == INDEX_COLUMNS
    for column in TEXT:  # what was understood is what the next step reads
        assert read[column].tolist() == found[column].tolist()
    assert len(read) and not read["utt"].duplicated().any()
    assert set(read["gender"]) <= {"female", "male", ""}
    assert layout == "folder" or all(read["speaker"])  # may be unknown there
    assert all(Path(path).is_file() for path in read["path"])
    for rating in ("valence", "arousal", "dominance"):
        numbers = pd.to_numeric(read[rating].mask(read[rating] == ""))
        assert (numbers.dropna().abs() < 1e30).all()
    return ""


def with_labels(folder: Path, layout: str, data: bytes, label_file: str | None = None) -> str:
    """Write the corpus of `layout` with `data` as its label file and index it."""
    path, _, clips = LABELLED[layout]
    target = touch_clips(emptied(folder) / "root", clips) / (label_file or path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    return indexed(folder, layout)


@pytest.mark.parametrize("layout", LABELLED)
def test_the_labels_that_are_broken_below_are_whole(tmp_path, layout):
    text = LABELLED[layout][1]
    assert with_labels(tmp_path / "a", layout, text.encode()) == ""
    index = read_tsv(tmp_path / "a/out/index.tsv")
    for n, data in enumerate(
        [b"\xef\xbb\xbf" + text.encode(), text.replace("\n", "\r\n").encode()]
    ):
        assert with_labels(tmp_path / f"b{n}", layout, data) == ""
        same = read_tsv(tmp_path / f"b{n}/out/index.tsv")
        assert same.drop(columns="path").equals(index.drop(columns="path")), "BOM, CRLF"


@pytest.mark.parametrize("layout", LABELLED)
def test_any_label_file_is_understood_or_named(tmp_path_factory, layout):
    text = LABELLED[layout][1]
    folder = tmp_path_factory.getbasetemp() / f"labels-{layout}"

    @fuzz(90)
    @given(st.one_of(mutated_text(text), mutated_text(text), mutated([text.encode()], 4000)))
    @example(b"")
    @example(b"\n")
    @example(b"\xef\xbb\xbf")
    @example(b"\x00" * 100)
    def check(data: bytes) -> None:
        with_labels(folder, layout, data)

    check()


@fuzz(90)
@given(st.one_of(mutated_text(JSON), mutated([JSON.encode()], 4000)))
@example(b"[" * 100_000)
@example(b"[]")
@example(b'{"a": 1}')
@example(b'{"a": {"EmoClass": "A"}}')
@example(b'{"MSP-PODCAST_0001_0008.wav": {"EmoClass": ["A"], "SpkrID": {"a": 1}}}')
@example(b'{"MSP-PODCAST_0001_0008.wav": {"EmoClass": "\\ud800", "SpkrID": "\\u0000"}}')
@example(b'{"MSP-PODCAST_0001_0008.wav": {"EmoClass": "A", "SpkrID": "1", "EmoVal": Infinity}}')
def test_any_json_of_labels_is_understood_or_named(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp() / "labels-json"
    with_labels(folder, "msp_podcast", data, PODCAST_JSON)


def replaced(layout: str, old: str, new: str) -> bytes:
    text = LABELLED[layout][1]
    assert text.count(old) >= 1
    return text.replace(old, new, 1).encode("utf-8", "surrogatepass")


TWICE = "MSP-PODCAST_0001_0008.wav,A,2.2,4.0,3.2,127,Male,Train\n"


@pytest.mark.parametrize(
    ("layout", "old", "new", "message"),
    [
        ("iemocap", "[2.5000, 2.5000", "[2.5.0, 2.5000", "line 3 of", ),
        ("iemocap", "[2.5000, 2.5000", "[., 2.5000", "a rating"),
        ("iemocap", "_M001\tang", "_F000\tang", "a second time"),
        ("iemocap", "\tneu\t", "\t", "line 3 of"),
        ("csv", "path,", "file,", "has no column path"),
        ("csv", "label,gender", "Label,label", "column label"),
        ("csv", "a/one.wav", "a" * 300 + ".wav", "line 2 of"),
        ("csv", "a/one.wav,03", "a/one.wav,\"0\n3\"", "line break in its speaker"),
        ("csv", "a/one.wav,03", "a/one.wav,\"0\x1b3\"", "control character in its speaker"),
        ("csv", "03", "0\x003", "control character in its speaker"),
        ("csv", "3.5", "inf", "valence is 'inf'"),
        ("csv", "3.5", "1e999", "valence is '1e999'"),
        ("csv", ",u2,", ",u1,", "two clips are called u1"),
        ("csv", "three.wav,07", "three.wav,\"07", "is not CSV"),
        ("msp_podcast", "MSP-PODCAST_0002", f"{TWICE}MSP-PODCAST_0002", "_0008 a second time"),
        ("msp_podcast", "2.2", "inf", "'inf'; expected a number"),
        ("msp_podcast", "MSP-PODCAST_0001_0008.wav,N", ",N", "has a row without FileName"),
        ("msp_improv", "D:3.000000 ;", "D:" + "9" * 400 + ";", "a rating"),
        ("msp_improv", "S01A-M01-R-FM02", "S01A-F01-P-FM01", "a second time"),
        ("cremad", "Male", "M\u00e4nnlich", "expected Female or Male"),
        ("cremad", "1002,21", "1001,21", "actor 1001 a second time"),
        ("cremad", "Sex", "Gender", "has no column Sex"),
    ],
)  # fmt: skip
def test_wrong_labels_are_named(tmp_path, layout, old, new, message):
    refused = with_labels(tmp_path, layout, replaced(layout, old, new))
    assert message in refused


def test_a_table_may_name_files_elsewhere_but_no_folder_pipe_or_device(tmp_path):
    """It is the user's own list, so paths lead where he says; what is no audio is then rejected."""
    outside = touch_clips(tmp_path / "mine/outside", ["x.wav"]) / "x.wav"
    for path in ("../outside/x.wav", str(outside)):
        data = replaced("csv", "b/two.wav", path).replace(b",u2,", b",,")
        root = touch_clips(emptied(tmp_path / "mine/root"), LABELLED["csv"][2])
        touch_clips(tmp_path / "mine/outside", ["x.wav"])
        (root / "metadata.csv").write_bytes(data)
        assert indexed(tmp_path / "mine", "csv") == ""
        assert str(outside) in set(read_tsv(tmp_path / "mine/out/index.tsv")["path"])
    for path in ("..", ".", "/dev/zero", "/dev/stdin"):
        refused = with_labels(tmp_path / "mine", "csv", replaced("csv", "b/two.wav", path))
        assert "line 3 of" in refused and "there is no file" in refused


@pytest.mark.parametrize("layout", LABELLED)
@pytest.mark.parametrize("what", ["folder", "pipe", "dangling"])
def test_a_label_file_that_is_no_file_is_named(tmp_path, layout, what):
    path, _, clips = LABELLED[layout]
    target = touch_clips(tmp_path / "root", clips) / path
    target.parent.mkdir(parents=True, exist_ok=True)
    {
        "folder": target.mkdir,
        "pipe": lambda: os.mkfifo(target),
        "dangling": lambda: target.symlink_to("nowhere"),
    }[what]()
    refused = indexed(tmp_path, layout)
    assert refused or (layout == "cremad" and what == "dangling"), "its table may be missing"


NAMES = {
    "emodb": "wav/03a01Fa.wav",
    "shemo": "female/F01A01.wav",
    "ravdess": "Actor_12/03-01-05-01-02-01-12.wav",
    "emovdb": "bea_Angry/anger_1-28_0001.wav",
    "savee": "AudioData/DC/a01.wav",
    "tess": "OAF_angry/OAF_back_angry.wav",
    "esd": "0011/Angry/train/0011_000371.wav",
    "mandarin_affective": "data/001/anger/utterance/2111.wav",
    "cremad": "AudioWAV/1001_DFA_ANG_XX.wav",
    "iemocap": LABELLED["iemocap"][2][0],
    "msp_improv": LABELLED["msp_improv"][2][0],
    "msp_podcast": LABELLED["msp_podcast"][2][0],
    "csv": "a/one.wav",
    "folder": "monday/0001.wav",
}


def test_every_layout_is_fuzzed():
    assert set(NAMES) == set(LAYOUTS)


INSERTED = [b"\n", b"\t", b"\xff", b"\xc3\x84", b" ", b"'", b'"', b"{x}", b"*", b"\x1b[31m"]
INSERTED += [b"..", b"-"]


@st.composite
def broken_name(draw: st.DrawFn, name: str) -> bytes:
    """The path of a clip with changed characters, as bytes: names on disk need not be UTF-8."""
    data = bytearray(name.encode())
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        kind = draw(st.sampled_from(["insert", "replace", "drop", "upper"]))
        if kind == "insert":
            data[at:at] = draw(st.sampled_from(INSERTED))
        elif kind == "replace" and at < len(data):
            data[at] = draw(st.integers(1, 255))
        elif kind == "drop":
            del data[at : at + 1]
        else:
            data[at:] = bytes(data[at:]).upper()
    parts = [part for part in bytes(data).split(b"/") if part not in (b"", b".", b"..")]
    return b"/".join(part[:200] for part in parts) or b"x"


@pytest.mark.parametrize("layout", NAMES)
def test_any_file_name_is_understood_or_named(tmp_path_factory, layout):
    folder = tmp_path_factory.getbasetemp() / f"names-{layout}"

    @fuzz(25)
    @given(st.lists(broken_name(NAMES[layout]), min_size=1, max_size=3), st.booleans())
    def check(names: list[bytes], beside: bool) -> None:
        root = emptied(folder) / "root"
        if beside or layout in LABELLED:
            touch_clips(root, [NAMES[layout]])
        root.mkdir(exist_ok=True)
        if layout in LABELLED:
            path, text, clips = LABELLED[layout]
            touch_clips(root, clips)
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        for name in names:
            full = os.path.join(os.fsencode(root), name)
            try:
                os.makedirs(os.path.dirname(full), exist_ok=True)
                with open(full, "wb") as file:
                    file.write(name)
            except (FileExistsError, NotADirectoryError, IsADirectoryError):
                pass
        indexed(folder, layout)

    check()


@fuzz(60)
@given(
    st.sampled_from(sorted(LAYOUTS)),
    st.dictionaries(
        st.sampled_from(["ignore", "table", "splits", "tabel", "x"]),
        st.one_of(
            *(st.none(), st.integers(), st.booleans(), st.floats(), st.sampled_from(VALUES)),
            st.lists(st.one_of(st.integers(), st.sampled_from(VALUES)), max_size=2),
        ),
        max_size=2,
    ),
)
def test_any_options_of_a_corpus_are_used_or_named(tmp_path_factory, layout, options):
    folder = emptied(tmp_path_factory.getbasetemp() / "options")
    if layout in LABELLED:
        path, text, clips = LABELLED[layout]
        root = touch_clips(folder / "root", clips)
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    else:
        touch_clips(folder / "root", [NAMES[layout]])
    indexed(folder, layout, options)


def write_random(path: Path, seed: int) -> None:
    path.write_bytes(random.Random(seed).randbytes(500))


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_an_empty_folder_and_one_without_audio_are_named(tmp_path, layout):
    for number, fill in enumerate(["", "readme.txt"]):
        root = tmp_path / str(number) / "root"
        root.mkdir(parents=True)
        if fill:
            write_random(root / fill, 1)
        refused = indexed(tmp_path / str(number), layout)
        assert str(root) in refused and "expected" in refused
    with pytest.raises(InputError, match="does not exist; expected"):
        index_corpus("x", layout, tmp_path / "gone", {}, tmp_path / "i.tsv")
