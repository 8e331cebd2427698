"""Tables of earlier steps after an edit or a write that broke off: read as they are, or named."""

import pandas as pd
import pytest
from datasets_tables import CLASSES, sessions_manifest
from fuzz_inputs import fuzz, mutated, mutated_text, outcome
from hypothesis import example, given
from hypothesis import strategies as st

from after_ser.core.errors import InputError
from after_ser.data.datasets.folds import make_fold
from after_ser.data.datasets.tables import read_fold, read_labelled, read_manifest, read_pool
from after_ser.judge.gather import read_json
from after_ser.learn.finetune.round import read_split
from after_ser.run.atomic import read_tsv, write_tsv

MANIFEST = sessions_manifest(2, 1, 1, 1)
FOLD = make_fold(MANIFEST, 1, "d", "t", CLASSES, balance={"method": "none"}).splits
LABELLED = pd.DataFrame(
    [(utt, CLASSES[i % 4], 0, i + 1, 0.5) for i, utt in enumerate(FOLD["utt"][:6])],
    columns=["utt", "label", "acquired_in_round", "rank", "score"],
)
POOL = pd.DataFrame({"utt": FOLD["utt"], **{f"p_{name}": 0.25 for name in CLASSES}})
READERS = {
    "manifest": (MANIFEST, lambda path: read_manifest(path, CLASSES)),
    "fold": (FOLD, lambda path: read_fold(path, set(MANIFEST["utt"]))),
    "labelled": (LABELLED, lambda path: read_labelled(path, CLASSES)),
    "pool": (POOL, read_pool),
}


def text_of(frame, folder):
    write_tsv(folder / "whole.tsv", frame)
    return (folder / "whole.tsv").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", READERS)
def test_any_table_is_sound_or_named(tmp_path_factory, name):
    folder = tmp_path_factory.mktemp(name)
    frame, read = READERS[name]
    text = text_of(frame, folder)
    whole = read(folder / "whole.tsv")
    assert len(whole) == len(frame)

    @fuzz(120)
    @given(st.one_of(mutated_text(text), mutated([text.encode()], 4000)))
    @example(b"")
    @example(b"utt\n")
    @example(b"\x00" * 50)
    @example(text.encode()[:-1])
    @example(text.encode()[:-9])
    def check(data):
        path = folder / "any.tsv"
        path.write_bytes(data)
        found, refused = outcome(lambda: read(path))
        if refused:
            assert str(path) in refused
            return
        assert set(whole.columns) - {"text_id", "session", "gender", "language", "valence",
                                     "arousal", "dominance"} - set(POOL.columns[1:]) \
            <= set(found.columns)  # fmt: skip
        assert not found["utt"].duplicated().any() and all(found["utt"])
        if "label" in found:
            assert set(found["label"]) <= set(CLASSES)
        if name == "fold":
            read_split(found, MANIFEST)

    check()


@pytest.mark.parametrize("name", READERS)
def test_a_table_that_breaks_off_anywhere_is_never_taken_for_a_whole_one(tmp_path, name):
    """Between two rows nothing tells; but Snakemake deletes what a job left unfinished."""
    frame, read = READERS[name]
    data = text_of(frame, tmp_path).encode()
    for length in range(0, len(data), 1 + len(data) // 200):
        (tmp_path / "cut.tsv").write_bytes(data[:length])
        _, refused = outcome(lambda: read(tmp_path / "cut.tsv"))
        whole_rows = length and data[length - 1 : length] == b"\n"
        assert refused or whole_rows, length


@pytest.mark.parametrize(
    ("name", "column", "value", "message"),
    [
        ("fold", "split", "tain", "split 'tain'"),
        ("fold", "split", "", "has split ''"),
        ("fold", "utt", "t/nobody", "no clip t/nobody"),
        ("labelled", "label", "angry", "label 'angry'"),
        ("labelled", "utt", LABELLED["utt"][3], "is there twice"),
        ("labelled", "utt", "", "without a name"),
        ("manifest", "label", "", "has label ''"),
        ("pool", "p_sad", "nan", "column p_sad: "),
        ("pool", "p_sad", "inf", "a probability"),
        ("pool", "p_sad", "much", "column p_sad: "),
        ("pool", "p_sad", "", "a probability"),
    ],
)
def test_wrong_fields_are_named(tmp_path, name, column, value, message):
    frame, read = READERS[name]
    changed = frame.astype(str)
    changed.loc[2, column] = value
    write_tsv(tmp_path / "x.tsv", changed)
    with pytest.raises(InputError) as caught:
        read(tmp_path / "x.tsv")
    assert message in str(caught.value) and str(tmp_path / "x.tsv") in str(caught.value)


@pytest.mark.parametrize("name", READERS)
def test_missing_columns_and_files_are_named(tmp_path, name):
    frame, read = READERS[name]
    write_tsv(tmp_path / "x.tsv", frame.rename(columns={"utt": "clip"}))
    with pytest.raises(InputError, match=r"x\.tsv has no column utt"):
        read(tmp_path / "x.tsv")
    with pytest.raises(InputError, match=r"gone\.tsv is missing"):
        read(tmp_path / "gone.tsv")
    with pytest.raises(InputError, match="not a table: .*directory"):
        read(tmp_path)


@fuzz(100)
@given(
    st.dictionaries(
        st.sampled_from(["utt", "label", "a b"]),
        st.lists(st.text(min_size=0, max_size=6), min_size=2, max_size=2),
        min_size=1,
    ),
)
@example({"utt": ["\r", "a\r\nb"]})
@example({"utt": ["", ""]})
@example({"utt": ['"', '\t"\n'], "label": ["NA", "nan"]})
def test_what_is_written_is_read_as_it_was(tmp_path_factory, table):
    path = tmp_path_factory.getbasetemp() / "round-trip.tsv"
    if any(0xD800 <= ord(one) < 0xE000 for values in table.values() for v in values for one in v):
        return  # no text that UTF-8 has; the index refuses it
    _, refused = outcome(lambda: write_tsv(path, pd.DataFrame(table, dtype=str)))
    if refused:
        assert any("\r" in value for values in table.values() for value in values)
        return
    assert read_tsv(path).to_dict("list") == table


@fuzz(80)
@given(mutated([b'{"ua": 0.5, "test": {"confusion": [[1, 2], [3, 4]]}}\n'], 60))
@example(b"[" * 100_000)
@example(b"\xff\xfe")
@example(b"")
def test_any_json_is_read_or_named(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(data)
    _, refused = outcome(lambda: read_json(path))
    assert not refused or str(path) in refused
