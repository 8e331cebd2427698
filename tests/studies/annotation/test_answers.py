"""What people hand in: read whole, counted once, and nothing dropped without a word."""

import json
from pathlib import Path

import krippendorff
import numpy as np
import pytest

from after_ser.core.errors import InputError
from after_ser.studies.annotation.answers import read_answered
from after_ser.studies.annotation.label_studio import interface_text, read_export, tasks_text
from after_ser.studies.annotation.labelled import agreement
from after_ser.studies.annotation.queue import QueuedClip
from after_ser.studies.annotation.queue_csv import COLUMNS, queue_text, read_rows
from after_ser.studies.annotation.resolve import resolve_answers

CLASSES = ["anger", "neutral", "sad"]
HEAD = ",".join(COLUMNS) + "\n"


@pytest.fixture
def asked(tmp_path):
    """The folder of a published query of clips a to d."""
    folder = tmp_path / "run/round1"
    (folder / "answers").mkdir(parents=True)
    rows = "".join(f"{utt}\t{rank}\t0\n" for rank, utt in enumerate("abcd", 1))
    (folder / "query.tsv").write_text("utt\trank\tscore\n" + rows)
    return folder


def hand_in(folder: Path, name: str, *rows: str, head: str = "utt,label,status,annotator") -> Path:
    path = folder / "answers" / name
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return path


def read(folder):
    return read_answered(folder.parent, CLASSES)


def state(folder, **oracle):
    return resolve_answers("abcd", read(folder).by_clip, oracle)


def problems(folder):
    return [(one.kind, one.utt) for one in read(folder).problems]


def test_an_empty_queue_is_read_back_as_no_answer(asked):
    clips = [QueuedClip(1, "a", Path("x/a b.flac"), 1.0), QueuedClip(2, 'b,"c', Path("x/b"), 2.0)]
    (asked / "queue.csv").write_text(queue_text(clips, Path("y/z")))
    rows = [row for _, row in read_rows(asked / "queue.csv")]
    assert [row["utt"] for row in rows] == ["a", 'b,"c']
    assert rows[0]["audio"] == "../../x/a b.flac" and set(rows[0]) == set(COLUMNS)
    assert not read(asked).by_clip and not read(asked).problems
    assert state(asked).missing == list("abcd")


def test_answers_come_from_every_file_and_from_the_queue_itself(asked):
    (asked / "queue.csv").write_text(HEAD + "1,a,x,anger,,,\n2,b,x,,,,\n")
    hand_in(asked, "german excel.csv", "b;SAD ;;", head="\ufeffutt;label;status;annotator")
    hand_in(asked, "c.tsv", "c\t\tskipped\t", head="UTT\tLabel\tStatus\tannotator")
    hand_in(asked, "d.csv", "d,,unusable,")
    found = state(asked)
    assert found.labels == {"a": "anger", "b": "sad"}
    assert found.out == {"c": "skipped", "d": "unusable"}
    assert found.complete and not read(asked).problems


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ("a,furious,,", "unknown label"),
        ("a,anger,done,", "unknown status"),
        ("a,anger,skipped,", "contradiction"),
        ("a,,labelled,", "unknown label"),
        (",anger,,", "row"),
    ],
)
def test_a_row_that_means_nothing_is_reported_and_its_clip_is_still_asked_for(asked, row, kind):
    hand_in(asked, "x.csv", row)
    assert [name for name, _ in problems(asked)] == [kind]
    assert "a" in state(asked).missing


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("latin.csv", "utt,label\nä,anger\n".encode("latin-1")),
        ("binary.csv", b"utt,label\n\0,anger\n"),
        ("other.csv", b"name,emotion\na,anger\n"),
        ("twice.csv", b"utt,label,label\na,anger,sad\n"),
        ("wide.csv", b"utt,label\na,anger,sad\n"),
        ("quote.csv", b'utt,label\n"a,anger\n'),
        ("tasks.json", b'{"a": "anger"}'),
        ("half.json", b'[{"data": {"utt": "a"}, "annot'),
        ("sheet.xlsx", b"PK"),
    ],
)
def test_a_file_that_cannot_be_read_is_reported_and_does_not_stop_the_others(asked, name, content):
    (asked / "answers" / name).write_bytes(content)
    hand_in(asked, "good.csv", "b,sad,,")
    assert [one.kind for one in read(asked).problems] == ["file"]
    assert name in read(asked).problems[0].where
    assert state(asked).labels == {"b": "sad"}


def test_copies_count_once_and_clips_nobody_asked_for_wait(asked):
    hand_in(asked, "1.csv", "a,anger,,anna", "e,sad,,anna")
    hand_in(asked, "2.csv", "a,anger,,anna")
    assert problems(asked) == [("duplicate", "a"), ("not asked for", "e")]
    assert len(read(asked).by_clip["a"]) == 1
    assert state(asked).labels == {"a": "anger"}
    # asked for later, it needs no new answer
    assert resolve_answers(["e"], read(asked).by_clip, {}).labels == {"e": "sad"}


def test_one_annotator_who_says_two_things_waits_for_a_decision(asked):
    hand_in(asked, "1.csv", "a,anger,,", "b,,skipped,")
    hand_in(asked, "2.csv", "a,sad,,", "b,sad,,")
    found = state(asked)
    assert list(found.disputed) == ["a"] and "anger and sad" in found.disputed["a"]
    assert found.labels == {"b": "sad"}  # who comes back to a skipped clip has not contradicted
    hand_in(asked, "adjudicate-me.csv", "a,neutral,,head")
    assert state(asked).labels == {"a": "neutral", "b": "sad"} and not state(asked).disputed
    hand_in(asked, "adjudicate-too.csv", "a,sad,,head")
    assert "decided twice" in state(asked).disputed["a"]


def test_several_annotators_by_majority_or_by_decision(asked):
    hand_in(
        asked, "anna.csv", "a,anger,,anna", "b,sad,,anna", "c,,skipped,anna", "d,,unusable,anna"
    )
    hand_in(asked, "ben.csv", "a,anger,,ben", "b,neutral,,ben", "c,sad,,ben", "d,,unusable,ben")
    hand_in(asked, "cleo.csv", "a,sad,,cleo", "c,,skipped,cleo", "d,sad,,cleo")
    found = state(asked)
    assert found.labels == {"a": "anger", "c": "sad"} and found.out == {"d": "unusable"}
    assert list(found.disputed) == ["b"]
    assert found.votes["a"] == "anger:2,sad:1"
    strict = state(asked, disagreement="adjudicate")
    assert strict.labels == {"c": "sad"} and list(strict.disputed) == ["a", "b", "d"]
    assert state(asked, per_clip=3).missing == ["b"]


def test_the_digest_changes_with_a_label_and_with_nothing_else(asked):
    hand_in(asked, "1.csv", "a,anger,,", "b,sad,,", "c,sad,,", "d,sad,,")
    first = state(asked).digest
    hand_in(asked, "2.csv", "a,anger,,")
    assert state(asked).digest == first
    hand_in(asked, "adjudicate.csv", "d,,unusable,")
    assert state(asked).digest != first


def test_label_studio_tasks_and_export(asked):
    clips = [QueuedClip(1, "a", Path("results/audio/ä b.flac"), 1.5)]
    tasks = json.loads(tasks_text(clips))
    assert tasks == [
        {
            "data": {
                "audio": "/data/local-files/?d=results/audio/%C3%A4%20b.flac",
                "utt": "a",
                "rank": 1,
                "seconds": 1.5,
            }
        }
    ]
    assert '<Choice value="anger"/>' in interface_text(CLASSES)

    def annotated(utt, *annotations):
        return {"data": {"utt": utt}, "annotations": list(annotations)}

    def chose(*choices, by=1):
        value = {"from_name": "emotion", "type": "choices", "value": {"choices": list(choices)}}
        return {"completed_by": by, "was_cancelled": False, "result": [value]}

    export = [
        annotated("a", chose("anger"), chose("sad", by={"email": "b@x", "id": 2})),
        annotated("b", {"was_cancelled": True, "completed_by": 1, "result": []}),
        annotated("c", chose("unusable")),
        annotated("d", chose("anger", "sad")),
        annotated("e"),
        {"utt": "f", "emotion": "sad", "annotator": 3, "audio": "x"},
    ]
    path = asked / "answers/export.json"
    path.write_text(json.dumps(export))
    rows = [row for _, row in read_export(path)]
    assert rows == [
        {"utt": "a", "label": "anger", "status": "labelled", "annotator": "label-studio:1"},
        {"utt": "a", "label": "sad", "status": "labelled", "annotator": "label-studio:b@x"},
        {"utt": "b", "label": "", "status": "skipped", "annotator": "label-studio:1"},
        {"utt": "c", "label": "", "status": "unusable", "annotator": "label-studio:1"},
        {"utt": "d", "label": "anger + sad", "status": "labelled", "annotator": "label-studio:1"},
        {"utt": "f", "label": "sad", "status": "labelled", "annotator": "label-studio:3"},
    ]
    assert ("unknown label", "d") in problems(asked)
    assert list(state(asked).disputed) == ["a"] and state(asked).out["c"] == "unusable"
    with pytest.raises(InputError, match="no utt"):
        path.write_text('[{"id": 1}]')
        read_export(path)


def test_agreement_is_krippendorff_s_alpha_of_those_who_labelled(asked):
    anna = ["anger", "anger", "sad", "neutral"]
    ben = ["anger", "sad", "sad", "neutral"]
    hand_in(asked, "anna.csv", *(f"{u},{x},,anna" for u, x in zip("abcd", anna, strict=True)))
    hand_in(asked, "ben.csv", *(f"{u},{x},,ben" for u, x in zip("abcd", ben, strict=True)))
    hand_in(asked, "adjudicate.csv", "b,neutral,,head")  # decides, and annotates nothing
    found = agreement("abcd", read(asked).by_clip, CLASSES)
    data = np.array([[CLASSES.index(x) for x in row] for row in (anna, ben)], dtype=float)
    expected = krippendorff.alpha(data, level_of_measurement="nominal")
    # by hand: observed disagreement 1/4, expected 1 - (3*2 + 3*2 + 2*1) / (8 * 7)
    assert expected == pytest.approx(1 - (1 / 4) / (1 - 14 / 56))
    assert found["alpha"] == pytest.approx(expected, abs=1e-6)
    assert (found["annotators"], found["clips"], found["labels"]) == (2, 4, 8)


def test_agreement_that_cannot_be_had_says_why(asked):
    assert agreement("abcd", {}, CLASSES)["note"].endswith("two annotators")
    hand_in(asked, "x.csv", "a,sad,,anna", "a,sad,,ben", "b,,skipped,ben")
    found = agreement("abcd", read(asked).by_clip, CLASSES)
    assert found["alpha"] is None and "only one class" in found["note"]


@pytest.mark.parametrize("utt", [" a", "a ", "b  c", "ü é"])
def test_a_clip_with_blanks_in_its_name_is_found_again(tmp_path, utt):
    """As it is, as a spreadsheet or a person writes it, and as Label Studio gives it back."""
    ways = {
        "as it is.csv": f'utt,label\n"{utt}",sad\n',
        "typed.csv": f"utt,label\n {' '.join(utt.split())} , SAD\n",
        "export.json": json.dumps([{"utt": utt, "emotion": "sad", "annotator": 1}]),
        "full.json": json.dumps([{"data": {"utt": utt}, "annotations": [
            {"result": [{"from_name": "emotion", "value": {"choices": ["sad"]}}]}]}]),
    }  # fmt: skip
    for number, (name, text) in enumerate(ways.items()):
        folder = tmp_path / f"{number}/round1"
        (folder / "answers").mkdir(parents=True)
        (folder / "query.tsv").write_text(f"utt\trank\tscore\n{utt}\t1\t0\n")
        (folder / "answers" / name).write_text(text, encoding="utf-8")
        found = read_answered(folder.parent, CLASSES)
        assert [one.value for one in found.by_clip.get(utt, ())] == ["sad"], name
        assert not found.problems, name


def test_a_person_who_writes_the_name_otherwise_is_no_second_one(asked):
    hand_in(asked, "1.csv", "a,sad,,Ada B", "b,sad,,Ada B", "c,sad,,Ada B")
    hand_in(asked, "2.csv", "a,anger,,ada  b ", "b,sad,,ADA B", "c,anger,,Ben")
    assert state(asked, per_clip=2).missing == ["a", "b", "d"]
    assert state(asked).disputed["a"].startswith("Ada B ")
    assert agreement("abcd", read(asked).by_clip, CLASSES)["annotators"] == 2


def test_two_clips_that_differ_by_a_blank_are_not_mixed_up(asked):
    (asked / "query.tsv").write_text("utt\trank\tscore\nb c\t1\t0\nb  c\t2\t0\n")
    hand_in(asked, "x.csv", "b c,sad,,", "b  c,anger,,", " b c ,neutral,,")
    export = asked / "answers/x.json"
    export.write_text(json.dumps([{"utt": "b  c", "emotion": "anger"}]))
    found = read(asked)
    said = {utt: [one.value for one in answers] for utt, answers in found.by_clip.items()}
    assert said == {"b c": ["sad"], "b  c": ["anger"], " b c ": ["neutral"]}
    assert ("not asked for", " b c ") in problems(asked), "nobody guesses which one is meant"


@pytest.mark.parametrize("place", ["export.csv", "queue (1).csv", "queue.xlsx", "../export.json"])
def test_an_export_that_lies_beside_answers_is_told(asked, place):
    (asked / place).write_text("utt,label\na,sad\n")
    (asked / "problems.tsv").write_text("where\n")
    (asked / "label_studio.json").write_text("[]")
    (asked / ".~lock.queue.csv").write_text("")
    found = read(asked)
    assert not found.by_clip and [one.kind for one in found.problems] == ["file"]
    assert "answers/" in found.problems[0].text


def test_a_folder_among_the_answers_is_told(asked):
    (asked / "answers/anna").mkdir()
    (asked / "answers/anna/a.csv").write_text("utt,label\na,sad\n")
    assert problems(asked) == [("file", "")]


def chosen_in(*controls):
    """An annotation with choices of controls: (name, choice) each."""
    return {
        "result": [
            {"from_name": name, "type": "choices", "value": {"choices": [choice]}}
            for name, choice in controls
        ]
    }


@pytest.mark.parametrize(
    ("task", "label"),
    [
        ({"data": {"utt": "a"}, "annotations": [chosen_in(("choice", "sad"))]}, "sad"),
        ({"data": {"utt": "a"}, "annotations": [chosen_in(("Emotion", "sad"))]}, "sad"),
        (
            {"data": {"utt": "a"}, "annotations": [chosen_in(("tone", "x"), ("emotion", "sad"))]},
            "sad",
        ),
        (
            {"data": {"utt": "a"}, "annotations": [chosen_in(("tone", "x"), ("mood", "sad"))]},
            "tone: x; mood: sad",
        ),
        ({"utt": "a", "id": 3, "audio": "x.wav", "choice": "sad", "annotator": 1}, "sad"),
        ({"utt": "a", "emotion": {"choices": ["sad"]}, "comment": "loud"}, "sad"),
        ({"utt": "a", "tone": "x", "mood": "sad"}, "tone: x; mood: sad"),
    ],
)
def test_a_control_of_another_name_is_read_where_it_is_the_only_one(tmp_path, task, label):
    (tmp_path / "export.json").write_text(json.dumps([task]))
    ((_, row),) = read_export(tmp_path / "export.json")
    assert (row["label"], row["status"]) == (label, "labelled")


def test_several_controls_of_other_names_are_a_problem_and_no_answer(asked):
    task = {"data": {"utt": "a"}, "annotations": [chosen_in(("tone", "x"), ("mood", "sad"))]}
    (asked / "answers").mkdir(exist_ok=True)
    (asked / "answers/export.json").write_text(json.dumps([task]))
    answered = read_answered(asked.parent, CLASSES)
    assert "a" not in answered.by_clip
    assert any("tone: x; mood: sad" in problem.text for problem in answered.problems)
