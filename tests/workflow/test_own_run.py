"""A run that asks people: its config, where its DAG ends at every stop, and its table."""

import copy
import json
import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
import yaml
from snakemake.cli import parse_config
from workflow_runs import REPO, TINY, planned_jobs, snakemake, write_config

from after_ser.config.resolve import resolve
from after_ser.core.errors import InputError
from after_ser.judge.grid import cells
from after_ser.judge.tables.rounds import rounds
from after_ser.studies.annotation import command

TINY_OWN = REPO / "tests/config/own.yaml"


def tiny_own():
    return yaml.safe_load(TINY_OWN.read_text(encoding="utf-8"))


def changed(path, value):
    config = tiny_own()
    where = config
    for key in path[:-1]:
        where = where[key]
    where[path[-1]] = value
    return config


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["seeds"], [0, 1], "one arm and one seed"),
        (["folds"], [1, 2], "folds: \\[1\\]"),
        (["arms", "after", "split"], "paper", "expected split own"),
        (["arms", "after", "schedule"], "oneshot", "strategy random|schedule iterative"),
        (["datasets", "own", "folds", "by"], "speaker", "expected none"),
        (["datasets", "own", "balance"], {"method": "cap"}, "no balancing"),
        (["tables", "table1"], {"dataset": "own"}, "only rounds"),
        (
            ["protocols", "people", "oracle", "label_noise"],
            0.1,
            "label_noise",
        ),
        (["classes"], ["sad", "Skipped"], "Skipped is also"),
        (["classes"], ["sad", "joy", "Sad"], "Sad is also .* sad"),
        (["protocols", "people", "oracle", "per_clip"], 0, "0; expected 1 or more"),
        (
            ["protocols", "people", "oracle"],
            {"kind": "simulated", "per_clip": 2},
            "per_clip is of kind human",
        ),
    ],
)
def test_what_people_cannot_be_asked_is_refused_on_one_line(path, value, message):
    resolve(tiny_own())
    with pytest.raises(InputError, match=message) as caught:
        resolve(changed(path, value))
    assert "\n" not in str(caught.value)


def test_a_budget_that_is_added_is_one_more_round():
    """As docs/own.md says of config/own.yaml; nothing else has to be changed."""
    config = yaml.safe_load((REPO / "config/own.yaml").read_text(encoding="utf-8"))
    before = [cell.round for cell in cells(resolve(copy.deepcopy(config)))]
    config["budget"].append(0.3)
    after = resolve(config)
    assert [cell.round for cell in cells(after)] == [*before, len(before)]
    assert after["tables"]["rounds"]["budgets"] == config["budget"]


def test_a_second_arm_would_ask_twice_and_another_run_has_no_such_fold():
    config = tiny_own()
    config["arms"]["other"] = {**config["arms"]["after"], "strategy": "margin"}
    with pytest.raises(InputError, match="asked once"):
        resolve(config)
    config["arms"]["other"]["split"] = "paper"
    with pytest.raises(InputError, match="arms.other"):
        resolve(config)


def test_the_simulated_oracle_s_params_are_as_they_were():
    """New keys with a default would run every finished initial set and query again."""
    oracle = copy.deepcopy(tiny_own())
    oracle["protocols"]["people"]["oracle"] = {}
    found = resolve(oracle)["protocols"]["people"]["oracle"]
    expected = {"kind", "label_noise", "annotators", "aggregate"}
    assert set(found) == expected


def publish(folder, asked, utts, answered=()):
    place = folder / "annotations/tiny-own" / asked
    (place / "answers").mkdir(parents=True)
    rows = [f"{utt}\t{rank}\t0" for rank, utt in enumerate(utts, 1)]
    (place / "query.tsv").write_text("\n".join(["utt\trank\tscore", *rows]) + "\n")
    said = "".join(f"{utt},anger\n" for utt in answered)
    (place / "answers/a.csv").write_text("utt,label\n" + said)


@pytest.mark.slow
def test_the_plan_ends_at_the_first_question_without_an_answer(tmp_path):
    """Dry runs in which people have come further and further; no data is needed."""

    def plan():
        run = snakemake(tmp_path, TINY_OWN, "-n")
        assert run.status == 0, run.output[-3000:]
        return planned_jobs(run.output), run.output

    jobs, _ = plan()
    assert jobs["publish_query"] == 1 and jobs["val_query"] == 1
    assert jobs["tapt"] == 1 and jobs["tapt_latents"] == 1  # meanwhile
    waiting = {"fit_round0", "ask_initial_set", "read_val_answers", "rounds", "inside"}
    assert not waiting & set(jobs)
    publish(tmp_path, "val", ["a", "b"], ["a"])
    jobs, output = plan()
    assert jobs["publish_query"] == 1 and "ask_initial_set" not in jobs
    assert "1 of 2 clips of val" in output
    publish(tmp_path / "more", "val", ["b"], ["b"])
    for name in ("val",):
        source = tmp_path / "more/annotations/tiny-own" / name / "answers/a.csv"
        source.rename(tmp_path / "annotations/tiny-own" / name / "answers/b.csv")
    publish(tmp_path, "round0", ["c"], ["c"])
    jobs, _ = plan()
    assert jobs["publish_query"] == 3 and jobs["read_val_answers"] == 1
    assert jobs["fit_round0"] == 1 and jobs["ask"] == 1 and jobs["rounds"] == 1
    assert jobs["inside"] == 1
    assert "fit_round" not in jobs
    publish(tmp_path, "round1", ["d"], ["d"])
    publish(tmp_path, "round2", ["e"], ["e"])
    jobs, output = plan()
    assert (jobs["fit_round"], jobs["ask"], jobs["publish_query"]) == (2, 2, 4)
    assert "every question is answered" in output


@pytest.mark.slow
def test_features_are_asked_for_by_a_rule_of_their_own(tmp_path):
    config = changed(["arms", "after", "strategy"], "badge")
    publish(tmp_path, "val", ["a"], ["a"])
    publish(tmp_path, "round0", ["c"], ["c"])
    run = snakemake(tmp_path, write_config(tmp_path / "config.yaml", config), "-n")
    assert planned_jobs(run.output)["ask_with_features"] == 1


def metrics(folder, index, hits):
    confusion = [[hits, 10 - hits, 0, 0], [0, 5, 0, 0], [0] * 4, [0, 0, 5, 0]]
    recall = {"anger": hits / 10, "neutral": 1.0, "sad": None, "happy": 0.0}
    val = {"ua": (hits / 10 + 1) / 3, "wa": (hits + 5) / 20, "n": 20, "recall": recall}
    found = {"round": index, "budget": 0.1 * (index + 1), "labelled": 4, "val_labels": 20}
    path = folder / f"metrics{index}.json"
    path.write_text(json.dumps({**found, "val": {**val, "confusion": confusion}}))
    return path


def said(folder, asked, **more):
    own = {"asked": asked, "given": 0, "skipped": 0, "unusable": 0,
           "agreement": {"alpha": None, "clips": 0, "annotators": 1, "note": ""}}  # fmt: skip
    path = folder / f"{asked}.json"
    path.write_text(json.dumps({**own, **more}))
    return path


@pytest.mark.parametrize(
    ("speakers", "text"),
    [
        (["", ""], "No speakers are known"),
        (["s/a", "s/b"], "No speaker of val"),
        (["s/a", "s/b", ""], "of 1 clips there"),
    ],
)
def test_the_table_says_what_scores_of_val_are_worth(tmp_path, speakers, text):
    config = resolve(tiny_own())
    alpha = {"alpha": 0.5, "clips": 3, "annotators": 2, "note": ""}
    table = rounds(
        config,
        [metrics(tmp_path, 1, 9), metrics(tmp_path, 0, 5)],
        [said(tmp_path, "val", given=2), said(tmp_path, "round0", skipped=1, agreement=alpha),
         said(tmp_path, "round1", unusable=2)],
        pd.DataFrame({"utt": range(len(speakers)), "speaker": speakers}),
    )  # fmt: skip
    shown = table.shown("md")
    assert text in shown and "There are no test labels" in shown and "20 labelled val" in shown
    assert "no clip of sad" in shown
    assert "0.500, 2 annotators, 3 clips" in shown
    assert "1 clips were skipped and 2" in shown and "2 labels were brought" in shown
    rows = table.cells.set_index(["row", "metric"])
    first = rows.loc[("round 0 (10 %)", "UA")]
    assert first["mean"] == pytest.approx(50) and first["ci_low"] < 50 < first["ci_high"]
    last = rows.loc[("round 1 (20 %)", "WA")]
    # Wilson's interval of 14 of 20
    assert (last["ci_low"], last["ci_high"]) == pytest.approx((48.1, 85.5), abs=0.1)
    assert rows.loc[("round 1 (20 %)", "left out"), "mean"] == 2
    assert "| 2 |" in shown and "| 2.0 |" not in shown, "clips are counted whole"


@pytest.mark.parametrize("audio", ["speech", "o'clock \"$(touch pwned)", "a: [b] # c", "ü 😀"])
def test_make_own_goes_on_until_a_person_is_needed(tmp_path, monkeypatch, audio):
    """Whatever the folder is called; what was answered before it was asked stops nothing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").symlink_to(REPO / "config")
    (tmp_path / audio).mkdir()
    calls = []
    asked = [("val", ["a"], ["a"]), ("round0", ["c"], ["c"]), ("round1", ["d"], [])]

    def run(command):
        publish(tmp_path, *asked[len(calls)])
        calls.append(command[1:])
        return 0

    monkeypatch.setattr(command, "patient_run", run)
    found = command.ask_people(TINY_OWN, audio, ["--cores", "1"])
    assert len(calls) == 3 and found[0] == "tiny-own"
    assert "1 of 1 clips of round1" in found[2]
    given = calls[0][calls[0].index("--config") + 1 :]
    assert parse_config(given) == {"corpora_root": str(tmp_path / audio)}
    assert calls[0][:6] == ["-m", "snakemake", "--configfile", str(TINY_OWN), "--cores", "1"]


def test_ctrl_c_waits_until_snakemake_has_tidied_up(tmp_path):
    child = (
        "import pathlib, sys, time\n"
        "pathlib.Path('started').touch()\n"
        "try: time.sleep(60)\n"
        "except KeyboardInterrupt: time.sleep(1); pathlib.Path('tidy').touch(); sys.exit(3)\n"
    )
    code = (
        "import signal, sys\nfrom after_ser.studies.annotation.command import patient_run\n"
        # what runs in the background may have been told to ignore it
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"sys.exit(patient_run([sys.executable, '-c', {child!r}]))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, start_new_session=True)
    try:
        until = time.monotonic() + 60
        while not (tmp_path / "started").exists() and time.monotonic() < until:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) == 3 and (tmp_path / "tidy").exists()
    finally:
        process.kill()


def test_make_own_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").symlink_to(REPO / "config")
    with pytest.raises(InputError, match="AUDIO=: no such folder"):
        command.ask_people(TINY_OWN, "", [])
    with pytest.raises(InputError, match="oracle"):
        command.ask_people(TINY, ".", [])
    with pytest.raises(InputError, match="expected a config file"):
        command.ask_people(tmp_path / "none.yaml", ".", [])
    for text in ("", "run: [own", "run: own\nrun", "- own", b"run: \xff"):
        (tmp_path / "bad.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(InputError, match="bad.yaml: no ") as caught:
            command.ask_people(tmp_path / "bad.yaml", ".", [])
        assert "\n" not in str(caught.value)


def test_the_trial_asks_what_own_asks():
    """Only the backbone, what is learnt with it, and the speech it is made from are smaller."""
    own, trial = (
        resolve(yaml.safe_load((REPO / f"config/{name}.yaml").read_text(encoding="utf-8")))
        for name in ("own", "own-trial")
    )
    assert trial["corpora"].pop("synthetic-pretraining")
    same = set(own) - {"run", "note", "gpus_per_job", "threads", "backbone", "backbones", "tapt"}
    for learnt in ("learning_rate", "batch_size", "max_epochs", "max_steps", "patience"):
        for config in (own, trial):
            config["protocols"]["people"].pop(learnt, None)
    assert {key: own[key] for key in same} == {key: trial.get(key) for key in same}
