"""The index: names, hashes, order, and mistakes in one line that names the corpus."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from after_ser.core.errors import InputError
from after_ser.data.corpora.index import INDEX_COLUMNS, index_corpus
from after_ser.run.atomic import read_tsv
from tests.data.corpora_trees import real_corpus, touch_clips


def test_index_is_sorted_hashed_and_byte_stable(tmp_path: Path) -> None:
    root = touch_clips(
        tmp_path / "Straße 'no 1' \"x\"", ["wav/16b03Fa.wav", "wav/03a01Fa.wav", "b/03a01Wa.flac"]
    )
    index_corpus("x", "emodb", root, None, tmp_path / "1.tsv")
    index_corpus("x", "emodb", root, {}, tmp_path / "2.tsv")
    assert (tmp_path / "1.tsv").read_bytes() == (tmp_path / "2.tsv").read_bytes()
    index = read_tsv(tmp_path / "1.tsv")
    assert list(index.columns) == INDEX_COLUMNS
    assert index["utt"].tolist() == ["03a01Fa", "03a01Wa", "16b03Fa"]
    assert index["speaker"].tolist() == ["03", "03", "16"]
    for row in index.itertuples():
        data = Path(row.path).read_bytes()
        assert row.sha256 == hashlib.sha256(data).hexdigest()
        assert int(row.bytes) == len(data)


def test_a_relative_root_gives_absolute_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch_clips(tmp_path / "corpus", ["03a01Fa.wav"])
    monkeypatch.chdir(tmp_path)
    index = index_corpus("x", "emodb", "corpus", {}, "index.tsv")
    assert index["path"].tolist() == [str(tmp_path / "corpus" / "03a01Fa.wav")]


def test_composed_and_decomposed_names_are_one(tmp_path: Path) -> None:
    root = touch_clips(tmp_path, ["u\u0308.wav"])
    (root / "metadata.csv").write_text("path,speaker\nu\u0308.wav,x\n", encoding="utf-8")
    index = index_corpus("x", "csv", root, {}, tmp_path / "index.tsv")
    assert index["utt"].tolist() == ["\u00fc"]
    assert Path(index["path"][0]).is_file()


def test_two_clips_of_one_name_are_an_error_naming_both(tmp_path: Path) -> None:
    root = touch_clips(tmp_path / "c", ["wav/03a01Fa.wav", "copy/03a01Fa.flac"])
    with pytest.raises(InputError, match=r"corpus x: .*03a01Fa: .*copy.*wav"):
        index_corpus("x", "emodb", root, {}, tmp_path / "index.tsv")
    assert not (tmp_path / "index.tsv").exists()
    kept = index_corpus("x", "emodb", root, {"ignore": "copy/*"}, tmp_path / "index.tsv")
    assert len(kept) == 1


def test_errors_name_the_corpus_and_options_are_checked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="corpus mine: layout emodb: .*no"):
        index_corpus("mine", "emodb", tmp_path / "no", {}, tmp_path / "index.tsv")
    with pytest.raises(InputError, match="ignored .did you mean ignore"):
        index_corpus("mine", "emodb", tmp_path, {"ignored": []}, tmp_path / "index.tsv")


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    root = touch_clips(tmp_path / "here", ["03a01Fa.wav"])
    touch_clips(tmp_path / "there", ["16b03Fa.wav"])
    (root / "linked").symlink_to(tmp_path / "there", target_is_directory=True)
    (tmp_path / "there" / "up").symlink_to(root, target_is_directory=True)
    index = index_corpus("x", "emodb", root, {}, tmp_path / "index.tsv")
    assert index["utt"].tolist() == ["03a01Fa", "16b03Fa"]


def test_real_emodb(tmp_path: Path) -> None:
    index = index_corpus("emodb", "emodb", real_corpus("emodb"), {}, tmp_path / "index.tsv")
    assert len(index) == 535
    counts = index["raw_label"].value_counts().to_dict()
    assert counts == {"W": 127, "L": 81, "N": 79, "F": 71, "A": 69, "T": 62, "E": 46}
    genders = index.groupby("speaker")["gender"].first()
    assert len(genders) == 10 and (genders == "female").sum() == 5
    assert index["text_id"].nunique() == 10


def test_real_ravdess(tmp_path: Path) -> None:
    index = index_corpus("ravdess", "ravdess", real_corpus("ravdess"), {}, tmp_path / "index.tsv")
    counts = index["raw_label"].value_counts()
    assert {raw: counts[raw] for raw in ("neutral", "happy", "sad", "angry")} == {
        "neutral": 96,
        "happy": 192,
        "sad": 192,
        "angry": 192,
    }
    assert index["speaker"].nunique() == 24


def test_real_cremad(tmp_path: Path) -> None:
    index = index_corpus("cremad", "cremad", real_corpus("cremad"), {}, tmp_path / "index.tsv")
    assert index["text_id"].nunique() == 12
    assert set(index["raw_label"]) == {"ANG", "DIS", "FEA", "HAP", "NEU", "SAD"}


@pytest.mark.parametrize("same", [True, False])
def test_a_release_with_a_copy_of_itself_is_one(tmp_path, capsys, same):
    """RAVDESS and TESS at Kaggle; a file of the same name that is another one stops the index."""
    for place in ("", "TESS Toronto emotional speech set data/"):
        folder = tmp_path / place / "OAF_sad"
        folder.mkdir(parents=True)
        for word in ("back", "dog"):
            content = word if same or not place else f"another {word}"
            (folder / f"OAF_{word}_sad.wav").write_text(content)
    if not same:
        with pytest.raises(InputError, match="two clips are called OAF_back_sad"):
            index_corpus("t", "tess", tmp_path, {}, tmp_path / "index.tsv")
        return
    index = index_corpus("t", "tess", tmp_path, {}, tmp_path / "index.tsv")
    assert index["utt"].tolist() == ["OAF_back_sad", "OAF_dog_sad"]
    assert "2 files" in capsys.readouterr().err
