"""The loop of a run that asks people, by the workflow's own scripts in one process.

`make test-own` runs the same with Snakemake, on EmoDB or synthetic speech.
"""

import csv
from types import SimpleNamespace

import pandas as pd
import pytest
from finetune_clips import CLASSES, SETTINGS, random_clips, write_latents, write_start
from snakemake.iocontainers import Namedlist
from workflow_runs import script

from after_ser.run.atomic import read_json, read_tsv, write_json, write_tsv
from after_ser.select.budget import labelled_count
from after_ser.studies.annotation.places import folder_of
from after_ser.studies.annotation.state import read_state

FRACTIONS = [0.2, 0.4, 0.6]
COMPARED = ("labelled.tsv", "metrics.json", "predictions.tsv", "pool.tsv", "history.tsv")
WHO = {"dataset": "own", "fold": "1", "init": "kmeans", "seed": "0", "start": "pretrained",
       "split": "own", "strategy": "entropy", "protocol": "people"}  # fmt: skip


MAINS = {}


def job(name, given, out, params, **wildcards):
    """Run one script as Snakemake would, with its files, params and wildcards."""
    main = MAINS.setdefault(name, script(name).main)
    lists = {
        "input": {key: str(value) for key, value in given.items()},
        "output": {key: str(value) for key, value in out.items()},
        "params": params,
        "wildcards": {**WHO, **wildcards},
    }
    main(SimpleNamespace(**{key: Namedlist(fromdict=value) for key, value in lists.items()}))


class Loop:
    """One run in a folder: by the simulated oracle, or by people who are `answer`ed for."""

    def __init__(self, folder, people, answer=None):
        self.folder, self.people, self.answer = folder, people, answer
        self.oracle = {"kind": "human"} if people else {"kind": "simulated"}
        clips = random_clips(40)
        self.truth = {utt: CLASSES[index % 4] for index, utt in enumerate(clips.utts)}
        write_latents(folder / "latents", clips)
        write_start(folder / "start")
        (folder / "audio").mkdir()
        for index in range(40):
            (folder / f"audio/{index}.flac").write_bytes(b"fLaC")
        rows = {
            "utt": clips.utts,
            "corpus": "toy",
            "path": [f"audio/{index}.flac" for index in range(40)],
            "speaker": [f"toy/{index // 8}" for index in range(40)],
            "session": "",
            "text_id": "",
            "label": "" if people else list(self.truth.values()),
            "duration_s": "1.0",
            "sha256": [str(index) for index in range(40)],
        }
        write_tsv(folder / "manifest.tsv", pd.DataFrame(rows))
        self.given = {"fold": "fold1.tsv", "manifest": "manifest.tsv"}

    def common(self, **more):
        return {"classes": CLASSES, "oracle": self.oracle, "run": "mine", **more}

    def publish(self, asked, query):
        job("publish_query", {"query": query, "manifest": "manifest.tsv"},
            {"published": f"{asked}.json"}, self.common(), asked=asked)  # fmt: skip

    def ask(self, asked, query):
        """Publish a query; in the people's place, answer."""
        self.publish(asked, query)
        folder = folder_of("mine", asked)
        with (folder / "queue.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            said = self.answer(asked, row, self.truth[row["utt"]])
            row["status" if said in ("skipped", "unusable") else "label"] = said
        with (folder / "answers/filled.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)

    def run(self):
        settings = {"folds": {"by": "none"}, "val": {"share": 0.2}, "balance": {"method": "none"}}
        job("make_fold", {"manifest": "manifest.tsv"},
            {"fold": "fold1.tsv", "balance": "fold1.balance.tsv"},
            {"settings": settings, "dataset": "own", "target": "toy",
             "classes": CLASSES})  # fmt: skip
        write_json("settings.json", {})
        if self.people:
            self.val()
        for index, fraction in enumerate(FRACTIONS):
            self.label(index, fraction)
            self.fit(index, fraction)

    def val(self):
        job("val_query", self.given, {"query": "val.tsv"}, {"frozen": frozen("val")})
        self.ask("val", "val.tsv")
        out = {"fold": "answered.tsv", "manifest": "answered.manifest.tsv", "answers": "val.said"}
        job("read_val_answers", {**self.given, "query": "val.tsv"}, out, self.common())
        assert set(read_json("val.said")["left_out"].values()) <= {"skipped", "unusable"}

    def label(self, index, fraction):
        here, before = f"round{index}", f"round{index - 1}"
        query = f"{here}/query.tsv" if index else "initial.tsv"
        out = {"initial" if index == 0 else "query": query, "timing": f"{here}/query_timing.json"}
        if not self.people:
            out["labelled"] = f"{here}/labelled.tsv"
        known = {"labelled": f"{before}/labelled.tsv", "pool": f"{before}/pool.tsv",
                 "settings": "settings.json"}  # fmt: skip
        if self.people:
            known["answers"] = f"{before}/answers.json"
        params = self.common(fraction=fraction, settings={"k_min": 2, "k_max": 5}, options={},
                             frozen=frozen(here), asked=here)  # fmt: skip
        if index == 0:
            job("initial_set", {**self.given, "latents": "latents/latents.npy"}, out, params)
        else:
            job("acquire", {**self.given, **known}, out, params, round=str(index))
        if not self.people:
            return
        self.ask(here, query)
        given = {**self.given, "query": query}
        if index:
            given |= {"known": known["labelled"], "known_answers": known["answers"]}
        out = {"labelled": f"{here}/labelled.tsv", "answers": f"{here}/answers.json"}
        job("read_answers", given, out, params, round=str(index))

    def fit(self, index, fraction):
        here = f"round{index}"
        given = {"fold": "answered.tsv", "manifest": "answered.manifest.tsv"}
        given = given if self.people else self.given
        given = {**given, "labelled": f"{here}/labelled.tsv", "latents": "latents/latents.npy",
                 "start": "start/model.safetensors"}  # fmt: skip
        params = {"step": ["entropy" if index else "", index], "classes": CLASSES,
                  "settings": {**SETTINGS, "warm_start": False}, "fraction": fraction,
                  "device": "cpu", "threads": 1}  # fmt: skip
        out = {"metrics": f"{here}/metrics.json", "timing": f"{here}/timing.json"}
        job("fit_round", given, out, params, round=str(index))


def frozen(asked):
    return str(folder_of("mine", asked) / "query.tsv")


def run(folder, monkeypatch, people, answer=None):
    folder.mkdir()
    monkeypatch.chdir(folder)
    loop = Loop(folder, people, answer)
    loop.run()
    return loop


@pytest.fixture
def told_the_truth(tmp_path, monkeypatch):
    return run(tmp_path / "people", monkeypatch, True, lambda asked, row, truth: truth)


def test_true_answers_reach_the_simulated_oracle_s_result_to_the_byte(
    told_the_truth, tmp_path, monkeypatch
):
    run(tmp_path / "simulated", monkeypatch, False)
    for index in range(len(FRACTIONS)):
        for name in COMPARED:
            ours = (tmp_path / f"people/round{index}" / name).read_bytes()
            assert ours == (tmp_path / f"simulated/round{index}" / name).read_bytes(), name
    assert "test" not in read_json(tmp_path / "people/round2/metrics.json")
    # said again from scratch, nothing is asked anew
    monkeypatch.chdir(told_the_truth.folder)
    asked = {path: path.read_bytes() for path in told_the_truth.folder.rglob("annotations/**/q*")}
    assert len(asked) == 8
    for path in told_the_truth.folder.glob("round*/pool.tsv"):
        path.unlink()
    told_the_truth.run()
    assert {path: path.read_bytes() for path in asked} == asked
    assert read_state("mine", 3, CLASSES, {}).next is None


def test_an_answer_that_is_wrong_is_seen_in_the_result(told_the_truth, tmp_path, monkeypatch):
    """The comparison above can fail: one other answer, and the fits differ."""

    def wrong_once(asked, row, truth):
        return "sad" if (asked, row["rank"]) == ("round0", "1") and truth != "sad" else truth

    other = run(tmp_path / "other", monkeypatch, True, wrong_once)
    ours = (told_the_truth.folder / "round0/history.tsv").read_bytes()
    first = read_tsv(other.folder / "initial.tsv")["utt"].iloc[0]
    assert (ours == (other.folder / "round0/history.tsv").read_bytes()) is (
        other.truth[first] == "sad"
    )


def test_the_next_round_makes_up_for_clips_that_are_left_out(tmp_path, monkeypatch):
    left = {("val", "2"): "unusable", ("round0", "1"): "unusable", ("round0", "2"): "skipped"}

    def picky(asked, row, truth):
        return left.get((asked, row["rank"]), truth)

    loop = run(tmp_path / "run", monkeypatch, True, picky)
    fold = read_tsv("fold1.tsv")
    train = set(fold.loc[fold["split"] == "train", "utt"])
    initial = list(read_tsv("initial.tsv")["utt"])
    sizes = [len(read_tsv(f"round{index}/labelled.tsv")) for index in range(3)]
    assert sizes[0] == len(initial) - 2
    assert sizes[1:] == [labelled_count(share, len(train) - 2) for share in FRACTIONS[1:]]
    for index in (1, 2):
        assert not set(read_tsv(f"round{index}/query.tsv")["utt"]) & set(initial[:2])
    assert read_json("round2/answers.json")["left_out"] == {
        initial[0]: "unusable", initial[1]: "skipped"
    }  # fmt: skip
    answered = read_tsv("answered.tsv")
    assert (fold["split"] == "val").sum() - (answered["split"] == "val").sum() == 1
    assert read_json("round0/metrics.json")["val_labels"] == (answered["split"] == "val").sum()
    # a labelled.tsv that lost a line is noticed
    table = loop.folder / "round2/labelled.tsv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(Exception, match="expected .* as round2/answers.json says"):
        loop.fit(2, FRACTIONS[2])
