"""Where a run stands, what it publishes, and that nothing typed is ever lost."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from after_ser.core.errors import InputError
from after_ser.run.atomic import read_tsv, write_tsv
from after_ser.select.oracle import answer
from after_ser.studies.annotation import page
from after_ser.studies.annotation.ending import Ending
from after_ser.studies.annotation.labelled import answered_round, answered_val, read_published
from after_ser.studies.annotation.publish import publish, write_lists
from after_ser.studies.annotation.queue_csv import read_query, read_rows
from after_ser.studies.annotation.state import read_state, waiting_line

CLASSES = ["anger", "neutral", "sad"]
UTTS = list("abcdef")


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "audio").mkdir()
    for utt in UTTS:
        (tmp_path / f"audio/{utt}.flac").write_bytes(b"fLaC")
    return tmp_path


def manifest(**labels):
    return pd.DataFrame(
        {
            "utt": UTTS,
            "path": [f"audio/{utt}.flac" for utt in UTTS],
            "duration_s": "1.0",
            "speaker": list("xxyyzz"),
            "label": [labels.get(utt, "") for utt in UTTS],
        }
    )


def ask(asked, utts, **more):
    query = pd.DataFrame({"utt": utts, "rank": range(1, len(utts) + 1), "score": "0.5"}, dtype=str)
    return publish(query, manifest(), run="mine", asked=asked, classes=CLASSES, **more)


def hand_in(asked, name="x.csv", **said):
    rows = [
        f"{utt},,{what}" if what in ("skipped", "unusable") else f"{utt},{what},"
        for utt, what in said.items()
    ]
    path = f"annotations/mine/{asked}/answers/{name}"
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(["utt,label,status", *rows]) + "\n")


def state(rounds=2, **oracle):
    return read_state("mine", rounds, CLASSES, oracle)


def test_a_run_asks_for_val_then_for_one_round_after_the_other(checkout):
    assert (state().next, state().published, waiting_line(state())) == ("val", False, "")
    ask("val", ["a", "b"])
    assert (state().next, state().published, state().done) == ("val", True, [])
    line = waiting_line(state())
    assert line.startswith("mine: 2 of 2 clips of val ")
    assert "annotations/mine/val/page.html" in line and "annotations/mine/val/queue.csv" in line
    hand_in("val", a="anger")
    assert "1 of 2 clips" in waiting_line(state())
    hand_in("val", "y.csv", b="sad")
    assert (state().next, state().published, state().done) == ("round0", False, ["val"])
    ask("round0", ["c"])
    hand_in("round0", c="skipped")
    assert (state().next, state().done) == ("round1", ["val", "round0"])
    assert state(rounds=1).next is None
    assert waiting_line(state(rounds=1)) == "mine: every question is answered"
    Path("first.html").touch()
    line = waiting_line(state(rounds=1), ["first.html", "second.html"])
    assert "first.html" in line and "second.html" not in line
    assert state().digest("round0") and state().digest("round1") == ""


def test_a_published_query_stays_and_so_does_what_was_typed(checkout):
    folder = ask("val", ["a", "b"])
    queue = folder / "queue.csv"
    queue.write_text(queue.read_text().replace("a.flac,,,,", "a.flac,anger,,me,loud"))
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert len(before) == 5
    ask("val", ["a", "b"])
    ask("val", ["a", "b"], known={"a"})  # another page would not find what the browser keeps
    assert {path: path.read_bytes() for path in before} == before
    with pytest.raises(RuntimeError, match="published with other clips"):
        ask("val", ["b", "c"])
    (folder / "page.html").unlink()
    ask("val", ["a", "b"])
    assert {path: path.read_bytes() for path in before} == before
    (folder / "query.tsv").write_text("utt\trank\tscore\na\t1\t0\na\t2\t0\n")
    with pytest.raises(InputError, match="twice"):
        state()


def test_the_page_has_the_sound_in_it_as_far_as_a_page_holds_it(checkout, monkeypatch):
    text = (ask("val", ["a", "b"]) / "page.html").read_text(encoding="utf-8")
    assert text.count("data:audio/flac;base64,ZkxhQw==") == 2  # fLaC
    monkeypatch.setattr(page, "EMBED_LIMIT", 7)
    text = (ask("round0", ["c", "d"]) / "page.html").read_text(encoding="utf-8")
    assert "base64," not in text and '"../../../audio/c.flac"' in text


def test_what_was_answered_before_it_is_asked_for_is_not_asked_again(checkout):
    folder = ask("val", ["a", "b"], known={"a"})
    assert [row["utt"] for _, row in read_rows(folder / "queue.csv")] == ["b"]
    assert read_query(folder / "query.tsv") == ["a", "b"]
    folder = ask("round0", ["c"], known={"c"})
    assert not (folder / "page.html").exists()  # nothing to show


def test_disputed_clips_are_listed_until_somebody_decides(checkout):
    folder = ask("val", ["a", "b"])
    hand_in("val", a="anger", b="sad")
    hand_in("val", "y.csv", a="sad", b="furious")
    write_lists(state())
    listed = [row for _, row in read_rows(folder / "adjudicate.csv")]
    assert [(row["rank"], row["utt"]) for row in listed] == [("1", "a")]
    assert "anger and sad" in listed[0]["comment"]
    assert listed[0]["audio"] == "../../../audio/a.flac"
    found = read_tsv(folder / "problems.tsv")
    assert list(found["kind"]) == ["unknown label", "disputed"]
    line = waiting_line(state())
    assert "differ on 1 " in line and "annotations/mine/val/adjudicate.csv" in line
    assert "1 rows or files" in line
    # what somebody has begun to fill in stays; the next list lies beside it
    text = (folder / "adjudicate.csv").read_text().replace("a.flac,,", "a.flac,anger,")
    (folder / "adjudicate.csv").write_text(text)
    hand_in("val", "z.csv", b="neutral")
    write_lists(state())
    assert (folder / "adjudicate.csv").read_text() == text
    assert [row["utt"] for _, row in read_rows(folder / "adjudicate-2.csv")] == ["b"]
    assert "adjudicate-2.csv" in waiting_line(state())
    assert state().resolved["val"].labels == {"a": "anger"}


def test_a_list_of_disputed_clips_is_never_written_again(checkout):
    """A person's remark is in no column that counts, and stays all the same."""
    folder = ask("val", ["a", "b"])
    hand_in("val", a="anger", b="sad")
    hand_in("val", "y.csv", a="sad")
    write_lists(state())
    text = (folder / "adjudicate.csv").read_text().rstrip("\n") + " - ask Ada\n"
    (folder / "adjudicate.csv").write_text(text)
    write_lists(state())
    assert not (folder / "adjudicate-2.csv").exists()  # the same clips are open
    hand_in("val", "z.csv", b="neutral")
    (folder / "queue.csv").rename(folder / "answers/queue.csv")
    write_lists(state())
    assert (folder / "adjudicate.csv").read_text() == text
    assert [row["utt"] for _, row in read_rows(folder / "adjudicate-2.csv")] == ["a", "b"]


def test_what_could_not_be_used_is_told_also_when_nothing_else_is_open(checkout):
    folder = ask("val", ["a", "b"])
    hand_in("val", a="anger", b="sad")
    hand_in("val", "late.csv", a="furious")
    write_lists(state())
    assert list(read_tsv(folder / "problems.tsv")["kind"]) == ["unknown label"]
    line = waiting_line(state())
    assert "1 rows or files" in line and str(folder / "problems.tsv") in line
    ask("round0", ["c"])
    hand_in("round0", c="sad")
    line = waiting_line(state(rounds=1))
    assert "every question is answered" in line and "1 rows or files" in line
    write_lists(state(rounds=1))
    assert list(read_tsv("annotations/mine/round0/problems.tsv")["kind"]) == ["unknown label"]


def test_answers_of_clips_that_nobody_asked_for_are_in_the_line(checkout):
    ask("val", ["a", "b"])
    hand_in("val", A="anger", B="sad")
    line = waiting_line(state())
    assert "2 of 2 clips" in line and "2 clips were answered that" in line


def test_true_answers_are_labelled_as_by_the_simulated_oracle(checkout):
    """labelled.tsv to the byte, over two rounds."""
    truth = dict(zip(UTTS, ["anger", "sad", "neutral", "sad", "anger", "sad"], strict=True))
    first = pd.DataFrame({"utt": ["c", "a"], "rank": ["1", "2"], "score": ["-0.1", "-0.2"]})
    second = pd.DataFrame({"utt": ["f"], "rank": ["1"], "score": ["0.69314718"]})
    known = answer(first, None, truth, 0)
    write_tsv("simulated.tsv", answer(second, known, truth, 1))
    write_tsv("manifest.tsv", manifest())
    ask("round0", ["c", "a"])
    hand_in("round0", a="anger", c="neutral")
    ask("round1", ["f"])
    hand_in("round1", f="sad")
    published = [read_published("mine", f"round{index}", CLASSES, {}) for index in (0, 1)]
    mine, said = answered_round(published[0], first, train=set(UTTS), manifest="manifest.tsv")
    mine, said = answered_round(published[1], second, known=mine, before=said)
    write_tsv("people.tsv", mine)
    with open("simulated.tsv", "rb") as theirs, open("people.tsv", "rb") as ours:
        assert ours.read() == theirs.read()
    assert (said["given"], said["labelled"], said["left_out"]) == (0, 3, {})


def test_labels_brought_along_are_on_top_and_who_is_left_out_stays_out(checkout):
    write_tsv("manifest.tsv", manifest(d="sad", b="anger"))
    first = pd.DataFrame({"utt": ["c", "a", "e"], "rank": list("123"), "score": ["0"] * 3})
    ask("round0", ["c", "a", "e"])
    hand_in("round0", a="anger", c="unusable", e="skipped")
    published = read_published("mine", "round0", CLASSES, {})
    labelled, said = answered_round(
        published, first, train={"a", "c", "d", "e"}, manifest="manifest.tsv"
    )
    assert list(zip(labelled["utt"], labelled["label"], labelled["rank"], strict=True)) == [
        ("d", "sad", "0"),
        ("a", "anger", "2"),
    ]
    assert said["left_out"] == {"c": "unusable", "e": "skipped"}
    assert (said["given"], said["answered"], said["skipped"], said["unusable"]) == (1, 1, 1, 1)
    ask("round1", ["f"])
    with pytest.raises(InputError, match="1 clips have no answer"):
        read_published("mine", "round1", CLASSES, {})
    with pytest.raises(InputError, match="other clips"):
        answered_round(published, first.iloc[:1], train=set(), manifest="manifest.tsv")


def test_val_keeps_labelled_clips_and_hides_train_s_labels(checkout):
    fold = pd.DataFrame({"utt": UTTS, "split": ["val"] * 3 + ["train"] * 3})
    ask("val", ["a", "b"])
    hand_in("val", a="sad", b="unusable")
    published = read_published("mine", "val", CLASSES, {})
    kept, known, said = answered_val(published, fold, manifest(c="anger", d="neutral"))
    assert list(kept["utt"]) == ["a", "c", "d", "e", "f"]
    assert list(known["label"]) == ["sad", "", "anger", "", "", ""]
    assert (said["given"], said["labelled"], said["left_out"]) == (1, 2, {"b": "unusable"})
    hand_in("val", a="skipped", b="unusable")
    with pytest.raises(InputError, match="val: no clip"):
        answered_val(read_published("mine", "val", CLASSES, {}), fold, manifest())


def test_a_label_that_comes_after_the_question_does_not_ask_twice(checkout):
    """labels.csv was filled in later, and results/ was deleted: the answers count."""
    ask("val", ["a"])
    hand_in("val", a="sad")
    fold = pd.DataFrame({"utt": UTTS, "split": ["val"] * 2 + ["train"] * 4})
    later = manifest(a="anger", b="neutral", c="anger", d="anger", e="sad")
    val = read_published("mine", "val", CLASSES, {})
    _, known, said = answered_val(val, fold, later)
    assert list(known["label"][:2]) == ["sad", "neutral"] and said["given"] == 1
    write_tsv("manifest.tsv", later)
    queries = {}
    for index, utt in enumerate("cd"):
        ask(f"round{index}", [utt])
        hand_in(f"round{index}", **{utt: "neutral"})
        queries[index] = pd.DataFrame({"utt": [utt], "rank": ["1"], "score": ["0"]})
    first, second = (read_published("mine", f"round{index}", CLASSES, {}) for index in (0, 1))
    known, said = answered_round(first, queries[0], train=set("cdef"), manifest="manifest.tsv")
    assert list(zip(known["utt"], known["label"], strict=True)) == [("e", "sad"), ("c", "neutral")]
    assert said["given"] == 1
    known, _ = answered_round(second, queries[1], known=known, before=said)
    assert list(known["label"]) == ["sad", "neutral", "neutral"]


@pytest.mark.parametrize(
    ("events", "spoken"),
    [((), True), (("started",), False), (("started", "succeeded"), True)],
)
def test_the_line_comes_where_the_run_went_well(checkout, capsys, events, spoken):
    ask("val", ["a", "b"])
    ending = Ending(state, (), dry=True)
    for event in events:
        getattr(ending, event)()
    ending._say()
    assert ("give the same command again" in capsys.readouterr().err) is spoken
    ending.started()  # pytest's own end says nothing


def test_the_snakefile_s_part_imports_nothing_heavy():
    code = (
        "import sys, after_ser.studies.annotation.state, after_ser.studies.annotation.ending, "
        "after_ser.core.people\n"
        "print([m for m in ('pandas', 'numpy', 'torch', 'krippendorff') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
