"""Labels are mapped as the tables say, and merging loses no clip without a reason."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest
from datasets_tables import CLASSES, corpus_manifest
from hypothesis import given, settings
from hypothesis import strategies as st
from workflow_runs import script

from after_ser.core.errors import InputError
from after_ser.data.datasets.labels import label_table, map_labels
from after_ser.data.datasets.merge import (
    DROPPED_COLUMNS,
    MANIFEST_COLUMNS,
    CorpusPart,
    merge_corpora,
)
from after_ser.run.atomic import read_tsv, write_tsv

TABLE = {"W": "anger", "N": "neutral", "T": "sad", "F": "happy", "A": None}
ALL = [("a", "W", "03"), ("b", "N", "03"), ("c", "T", "08"), ("d", "F", "08")]


def part(name, clips, **more) -> CorpusPart:
    manifest = clips if isinstance(clips, pd.DataFrame) else corpus_manifest(*clips)
    more = {"default_labels": TABLE, **more}
    rejected = more.pop("rejected", manifest.iloc[:0])
    return CorpusPart(
        name=name,
        manifest=manifest,
        rejected=rejected,
        audio_root=f"results/corpora/{name}",
        rejected_path=f"results/corpora/{name}/rejected.tsv",
        **more,
    )


def reasons(dropped: pd.DataFrame) -> dict[str, str]:
    return dict(zip(dropped["utt"], dropped["reason"], strict=True))


def test_names_paths_and_labels():
    clips = corpus_manifest(*ALL, session="Ses1")
    manifest, dropped = merge_corpora([part("emodb", clips)], CLASSES)
    assert list(manifest.columns) == MANIFEST_COLUMNS
    assert list(dropped.columns) == DROPPED_COLUMNS and dropped.empty
    first = manifest.iloc[0]
    assert first["utt"] == "emodb/a" and first["speaker"] == "emodb/03"
    assert first["session"] == "emodb/Ses1" and first["label"] == "anger"
    assert first["path"] == "results/corpora/emodb/audio/a.flac"


def test_empty_session_stays_empty():
    manifest, _ = merge_corpora([part("emodb", ALL)], CLASSES)
    assert set(manifest["session"]) == {""}


def test_unused_labels_are_dropped_by_name_and_overrides_win():
    clips = [*ALL, ("e", "A", "09")]
    _, dropped = merge_corpora([part("emodb", clips)], CLASSES)
    assert reasons(dropped) == {"emodb/e": "label A is not used"}
    assert dropped["raw_label"].tolist() == ["A"]
    manifest, dropped = merge_corpora([part("emodb", clips, labels={"A": "anger"})], CLASSES)
    assert dropped.empty
    assert manifest.set_index("utt")["label"]["emodb/e"] == "anger"


def test_unknown_label_names_the_clip_and_the_known_labels():
    with pytest.raises(InputError, match="clip e .*'Q'.*A, F, N, T, W") as hit:
        merge_corpora([part("emodb", [*ALL, ("e", "Q", "03")])], CLASSES)
    assert "\n" not in str(hit.value)


def test_override_of_a_label_nobody_has_is_a_slip():
    with pytest.raises(InputError, match="label 'w'"):
        merge_corpora([part("emodb", ALL, labels={"w": "anger"})], CLASSES)
    with pytest.raises(InputError, match="'angry', expected one of"):
        merge_corpora([part("emodb", ALL, labels={"W": "angry"})], CLASSES)


def test_default_class_that_the_run_does_not_have_is_unused():
    table = label_table("emodb", TABLE, {}, ["anger", "neutral"])
    assert table == {"W": "anger", "N": "neutral", "T": None, "F": None, "A": None}
    assert map_labels(corpus_manifest(*ALL), table, "emodb").tolist() == [
        "anger",
        "neutral",
        "",
        "",
    ]


def test_corpus_without_a_table_takes_class_names():
    assert label_table("mine", None, {"x": "sad"}, ["sad", "happy"], {"x"}) == {
        "sad": "sad",
        "happy": "happy",
        "x": "sad",
    }


def test_reserved_speakers():
    extra = [("a", "W", "1"), ("b", "N", "2")]
    parts = [part("emodb", ALL), part("more", extra, reserved=["2"])]
    manifest, dropped = merge_corpora(parts, CLASSES)
    assert reasons(dropped) == {"more/b": "speaker reserved for backbone pre-training"}
    assert "more/b" not in set(manifest["utt"])
    parts[1] = part("more", extra, reserved="all")
    manifest, dropped = merge_corpora(parts, CLASSES)
    assert set(manifest["corpus"]) == {"emodb"} and len(dropped) == 2
    parts[1] = part("more", extra, reserved=["02"])
    with pytest.raises(InputError, match="speaker '02' .* of 1, 2"):
        merge_corpora(parts, CLASSES)


def with_hash(part_: CorpusPart, **hashes: str) -> CorpusPart:
    frame = part_.manifest
    frame["sha256"] = frame["utt"].map(hashes).fillna(frame["sha256"])
    return part_


def test_copies_across_corpora_keep_the_targets():
    parts = [
        with_hash(part("emodb", ALL), a="same"),
        with_hash(part("more", [("0", "W", "1"), ("z", "W", "1")]), z="same"),
    ]
    manifest, dropped = merge_corpora(parts, CLASSES)
    assert reasons(dropped) == {"more/z": "duplicate of emodb/a"}
    assert "emodb/a" in set(manifest["utt"])
    manifest, dropped = merge_corpora(parts[::-1] + [part("third", ALL)], ["anger"])
    assert reasons(dropped)["emodb/a"] == "duplicate of more/z"


def test_copies_with_other_labels_all_go():
    parts = [
        with_hash(part("emodb", [*ALL, ("e", "W", "09")]), e="same"),
        with_hash(part("more", [("z", "N", "1")]), z="same"),
    ]
    manifest, dropped = merge_corpora(parts, CLASSES)
    said = reasons(dropped)
    assert set(said) == {"emodb/e", "more/z"}
    assert said["emodb/e"].startswith("duplicate of more/z ") and "neutral" in said["emodb/e"]
    assert said["more/z"].startswith("duplicate of emodb/e ") and "anger" in said["more/z"]
    assert len(manifest) == 4


def test_a_copy_of_a_clip_the_backbone_has_heard_goes():
    parts = [
        with_hash(part("emodb", [*ALL, ("e", "W", "09")]), e="same"),
        with_hash(part("more", [("z", "W", "1")], reserved="all"), z="same"),
    ]
    _, dropped = merge_corpora(parts, CLASSES)
    assert reasons(dropped)["emodb/e"].startswith("duplicate of more/z (reserved")
    assert reasons(dropped)["more/z"] == "speaker reserved for backbone pre-training"


def test_too_many_rejects_stop_with_the_file_to_look_at():
    rejected = corpus_manifest(("r", "W", "1"))
    merge_corpora([part("emodb", ALL, rejected=rejected, max_rejected_share=0.2)], CLASSES)
    copies = corpus_manifest(*[(f"copy{n}", "W", "1") for n in range(3)])
    copies["reason"] = "duplicate of a"
    merge_corpora([part("emodb", ALL, rejected=copies, max_rejected_share=0)], CLASSES)
    with pytest.raises(InputError, match=r"1 of 5 .*max_rejected_share.*/emodb/rejected\.tsv"):
        merge_corpora([part("emodb", ALL, rejected=rejected, max_rejected_share=0.19)], CLASSES)


def test_empty_class_empty_target_and_repeated_corpus():
    with pytest.raises(InputError, match="class happy"):
        merge_corpora([part("emodb", ALL[:3])], CLASSES)
    with pytest.raises(InputError, match="emodb .*dropped: nothing"):
        merge_corpora([part("emodb", []), part("more", ALL)], CLASSES)
    with pytest.raises(InputError, match="4 x speaker reserved"):
        merge_corpora([part("emodb", ALL, reserved="all")], CLASSES)
    with pytest.raises(InputError, match="listed twice"):
        merge_corpora([part("emodb", ALL), part("emodb", ALL)], CLASSES)


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(st.sampled_from("WNTFA"), st.sampled_from("12"), st.integers(0, 9)), max_size=12
    ),
    st.sampled_from([(), ["1"], "all"]),
)
def test_every_clip_is_kept_or_dropped_once(clips, reserved):
    extra = corpus_manifest(
        *[(f"u{i}", raw, speaker) for i, (raw, speaker, _) in enumerate(clips)],
        ("u98", "W", "1"),
        ("u99", "W", "2"),
    )
    extra.loc[: len(clips) - 1, "sha256"] = [f"h{number}" for _, _, number in clips]
    parts = [part("emodb", ALL), part("more", extra, reserved=reserved)]
    manifest, dropped = merge_corpora(parts, CLASSES)
    kept, gone = list(manifest["utt"]), list(dropped["utt"])
    assert sorted(kept + gone) == sorted(
        ["emodb/" + u for u in "abcd"] + ["more/" + u for u in extra["utt"]]
    )
    assert (dropped["reason"] != "").all()
    assert manifest["sha256"].is_unique


def test_script_reads_the_adapters_labels(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mine = [("u", "wut", "1"), ("v", "sad", "1"), ("w", "?", "2")]
    for name, clips in (("berlin", [*ALL, ("e", "L", "09")]), ("mine", mine)):
        write_tsv(f"{name}/manifest.tsv", corpus_manifest(*clips))
        write_tsv(f"{name}/rejected.tsv", corpus_manifest().assign(reason=""))
    names = ["berlin", "mine"]
    script("merge_corpora").main(
        SimpleNamespace(
            input=SimpleNamespace(
                manifests=[f"{name}/manifest.tsv" for name in names],
                rejected=[f"{name}/rejected.tsv" for name in names],
            ),
            params=SimpleNamespace(
                corpora=names,
                layouts={"berlin": "emodb", "mine": "csv"},
                labels={"mine": {"wut": "anger", "?": None}},
                reserved={"berlin": ["09"]},
                max_rejected_share={name: 0.05 for name in names},
                exact_names=[],
                classes=CLASSES,
            ),
            output=SimpleNamespace(manifest="manifest.tsv", dropped="dropped.tsv"),
            wildcards=SimpleNamespace(split="paper"),
        )
    )
    manifest = read_tsv("manifest.tsv")
    assert manifest["path"].tolist()[:2] == ["berlin/audio/a.flac", "berlin/audio/b.flac"]
    assert dict(zip(manifest["utt"], manifest["label"], strict=True)) == {
        "berlin/a": "anger",
        "berlin/b": "neutral",
        "berlin/c": "sad",
        "berlin/d": "happy",
        "mine/u": "anger",
        "mine/v": "sad",
    }
    assert reasons(read_tsv("dropped.tsv")) == {
        "berlin/e": "label L is not used",
        "mine/w": "label ? is not used",
    }


SPELLINGS = [
    ("Ren\u00e9", "Rene\u0301"),  # composed and decomposed
    ("Anna", "anna"),
    ("Anna  B", "Anna B"),
    ("\uff21nna", " Anna"),  # full-width letters, as a Japanese keyboard writes them
    ("STRASSE", "Stra\u00dfe"),
]


@pytest.mark.parametrize(("first", "second"), SPELLINGS)
@pytest.mark.parametrize("column", ["speaker", "session"])
def test_two_spellings_of_a_name_are_one_person_or_session(first, second, column, capsys):
    clips = corpus_manifest(*ALL)
    clips[column] = [first, *[second] * (len(clips) - 1)]
    manifest, _ = merge_corpora([part("emodb", clips)], CLASSES)
    assert set(manifest[column]) == {f"emodb/{first}"}
    notice = capsys.readouterr().err
    assert "emodb" in notice and column in notice and repr(second) in notice
    manifest, _ = merge_corpora([part("emodb", clips, exact_names=True)], CLASSES)
    assert manifest[column].nunique() == 2 and not capsys.readouterr().err


def test_a_reserved_speaker_is_reserved_in_every_spelling():
    clips = corpus_manifest(*ALL)
    clips["speaker"] = ["Anna", "anna", "Bob", "bob"][: len(clips)]
    wider = pd.concat([clips, clips.assign(utt=clips["utt"] + "2", speaker="Cleo",
                                           sha256=clips["sha256"] + "2")])  # fmt: skip
    _, dropped = merge_corpora([part("emodb", wider, reserved=["anna"])], CLASSES)
    held = dropped[dropped["reason"].str.contains("reserved")]
    assert sorted(held["utt"]) == sorted(f"emodb/{utt}" for utt in clips["utt"][:2])


@pytest.mark.parametrize("raw", [True, 2, "02"])
def test_a_label_that_yaml_reads_as_something_else_is_to_be_quoted(raw):
    with pytest.raises(InputError, match=f"emodb.labels.*{raw}.*quote"):
        merge_corpora([part("emodb", ALL, labels={raw: "anger"})], CLASSES)
