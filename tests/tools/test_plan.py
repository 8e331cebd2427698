"""`make plan`: what is counted, how long it takes in all, and what is compared after a run."""

import argparse
import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from workflow_runs import REPO, TINY, tiny

from after_ser.config.resolve import resolve
from after_ser.core.errors import InputError
from after_ser.model.families.conv_encoder import BASE, LARGE
from after_ser.model.families.hubert import Hubert
from after_ser.model.families.wav2vec2 import architecture_of
from after_ser.model.families.whisper import Whisper
from after_ser.model.registry import family_named
from after_ser.tools.cluster.requests import Requests
from after_ser.tools.cluster.rules import RULES, SAME_WORK
from after_ser.tools.cluster.work import Job, shape_of
from after_ser.tools.plan import command
from after_ser.tools.plan.calibration import Speeds, calibrate, what_is_measured
from after_ser.tools.plan.jobs import PlannedJob, planned_jobs
from after_ser.tools.plan.schedule import Cost, cost_of, wall_seconds
from after_ser.tools.plan.table import finished_jobs, rows_of, text_of

SPEEDS = Speeds("a CPU", False, 1, 1e9, 2e9, 4e9, 8e9, 2.0, 5.0, 0.5)
WILDCARDS = {
    "dataset": "merged",
    "backbone": "wav2vec2-base",
    "start": "tapt",
    "protocol": "paper",
    "strategy": "entropy",
    "round": "4",
    "corpus": "iemocap",
}


def paper():
    text = (REPO / "config/paper.yaml").read_text(encoding="utf-8")
    return resolve(yaml.safe_load(text))


def test_a_step_on_four_gpus_takes_a_quarter_of_the_time():
    speeds, config = replace(SPEEDS, gpu=True), paper()
    one = cost_of(Requests(config), speeds, "tapt", WILDCARDS)
    four = cost_of(Requests({**config, "gpus_per_pretraining": 4}), speeds, "tapt", WILDCARDS)
    assert (one.gpus, four.gpus) == (1, 4)
    start_s = speeds.start_transformers_s
    assert four.seconds - start_s == pytest.approx((one.seconds - start_s) / 4)


def job(number, *after):
    return PlannedJob(number, "fit_round", {}, after)


def test_jobs_wait_for_each_other_for_cores_and_for_gpus():
    chain = [job(0), job(1, 0), job(2, 1)]
    one = Cost(10.0, 1, 0, 0.0)
    assert wall_seconds(chain, [one] * 3, cores=8, gpus=0) == 30
    apart = [job(0), job(1), job(2), job(3)]
    assert wall_seconds(apart, [one] * 4, cores=2, gpus=0) == 20
    assert wall_seconds(apart, [one] * 4, cores=4, gpus=0) == 10
    on_gpu = Cost(10.0, 1, 1, 0.0)
    assert wall_seconds(apart, [on_gpu] * 4, cores=8, gpus=1) == 40
    # a job that the GPU has no room for does not keep one off the CPU
    assert wall_seconds(apart, [on_gpu, on_gpu, one, one], cores=2, gpus=1) == 20
    greedy = Cost(10.0, 64, 4, 0.0)
    assert wall_seconds(apart, [greedy] * 4, cores=2, gpus=1) == 40, "gets what there is"


def test_a_cost_is_the_requests_work_at_the_measured_speed_without_their_margin():
    requests = Requests(paper())
    tapt = cost_of(requests, SPEEDS, "tapt", WILDCARDS)
    flops = 3 * (BASE.cnn_flops + BASE.transformer_flops) * 20_000 * 250
    assert tapt.seconds == pytest.approx(flops / SPEEDS.tapt + SPEEDS.start_transformers_s)
    assert tapt.disk == pytest.approx(4 * BASE.parameters, rel=0.05)
    fit = cost_of(requests, SPEEDS, "fit_round", WILDCARDS)
    work = requests.work("fit_round", WILDCARDS)
    assert 0 < work.forward < work.flops
    trained = (work.flops - work.forward) / SPEEDS.fit
    expected = trained + work.forward / SPEEDS.score + SPEEDS.start_s
    assert fit.seconds == pytest.approx(expected)
    faster = Speeds(**{**SPEEDS.__dict__, "score": 8e9})
    assert cost_of(requests, faster, "fit_round", WILDCARDS).seconds < fit.seconds
    table = cost_of(requests, SPEEDS, "table2", {})
    assert (table.seconds, table.cpus, table.gpus) == (SPEEDS.start_tables_s, 1, 0)
    assert cost_of(requests, SPEEDS, "fit_round0", WILDCARDS).seconds == fit.seconds
    start = {**SPEEDS.__dict__, "start_transformers_s": SPEEDS.start_transformers_s + 7}
    for rule in ("tapt", "tapt_latents", "pretrained_surprisal", "tapt_surprisal"):
        late, soon = (cost_of(requests, one, rule, WILDCARDS) for one in (Speeds(**start), SPEEDS))
        assert late.seconds - soon.seconds == pytest.approx(7), f"{rule} imports transformers"
    asked = requests.request("tapt", WILDCARDS)
    assert asked.gpus == 1 and tapt.gpus == 0, "no GPU was measured"
    on_gpu = Speeds(**{**SPEEDS.__dict__, "gpu": True})
    assert cost_of(requests, on_gpu, "tapt", WILDCARDS).gpus == 1


def test_p_tapt_does_not_pay_for_a_backward_of_the_cnn():
    """It leaves the CNN as it is: forward once, where TAPT has three times as much."""
    config = paper()
    config["tapt"]["p-tapt"] = {**config["tapt"]["tapt"], "objective": "p-tapt"}
    requests = Requests(config)
    tapt, pseudo = (
        requests.work("tapt", {**WILDCARDS, "start": start}).flops for start in ("tapt", "p-tapt")
    )
    seconds = 20_000 * 250
    assert tapt - pseudo == pytest.approx(2 * BASE.cnn_flops * seconds)


def test_rules_that_repeat_another_one_are_known():
    found = {}
    for file in (REPO / "rules").rglob("*.smk"):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith("use rule "):
                words = line.split()
                found[words[4]] = words[2]
    asked = {rule: base for rule, base in found.items() if base in RULES}
    assert asked == SAME_WORK and len(found) > len(asked)  # the others are local


def test_architectures_have_the_size_of_the_backbone():
    for shape in (BASE, LARGE):
        assert shape_of({"scratch": architecture_of(shape)}) == shape
    own = tiny()["backbones"]["toy"]
    assert family_named(own).architecture(own) == own["scratch"]


def test_the_plan_of_tiny_is_snakemakes(tmp_path, monkeypatch, capfd):
    """Once through everything but the minute of calibration; then finished jobs beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "calibrate", lambda config: SPEEDS)
    given = argparse.Namespace(configfile=TINY, gpus=None, cores=2, calibrate=False)
    text = command.plan(given, REPO / "Snakefile")
    record = json.loads(Path("results/tiny/plan.json").read_text(encoding="utf-8"))
    rows = {row["rule"]: row for row in record["rules"]}
    # 2 folds: rounds 1 and 2 of AFTER and of the random rounds, 3 budgets of the one-shot arm
    assert rows["fit_round0"]["jobs"] == 4 and rows["tapt"]["jobs"] == 2
    assert rows["fit_round"]["jobs"] == record_of_fits(text) > 4
    assert record["wall_s"] > max(row["seconds"] / row["jobs"] for row in rows.values())
    assert "took / planned" not in text and not (tmp_path / "results/tiny/paper").exists()
    monkeypatch.setattr(command, "calibrate", lambda config: pytest.fail("measured before"))
    folder = Path("results/tiny/paper/tapt/toy/tapt/merged/fold1/seed0")
    folder.mkdir(parents=True)
    (folder / "timing.json").write_text(json.dumps({"wall_s": 3.0}))
    write_record(folder / "model.safetensors", 11.0, 14.0)
    write_record(folder / "timing.json", 10.0, 12.0)
    write_record(Path("results/other/tapt/fold1/seed0/timing.json"), 10.0, 99.0)
    again = command.plan(given, REPO / "Snakefile")
    line = next(line for line in again.splitlines() if line.startswith("tapt "))
    planned = rows["tapt"]["seconds"] / 2
    assert line.split()[-6:] == ["1", "4.0", "s", "3.0", "s", f"{4.0 / planned:.2f}"]
    assert "Traceback" not in capfd.readouterr().err
    # what another machine measured says nothing of this one
    kept = Path("results/tiny/plan.json")
    record = json.loads(kept.read_text(encoding="utf-8"))
    assert set(record["machine"]) == {"cpu", "cores", "gpus"}
    kept.write_text(json.dumps(record | {"machine": {**record["machine"], "cpu": "another"}}))
    monkeypatch.setattr(command, "calibrate", lambda config: replace(SPEEDS, tapt=5e8))
    slower = command.plan(given, REPO / "Snakefile")
    assert "TAPT 0.5" in slower
    # no GPU here, some asked for: assumed, said, and not kept as if measured
    given.gpus = 2
    assert "assumed, TFLOP/s" in command.plan(given, REPO / "Snakefile")
    assert json.loads(Path("results/tiny/plan.json").read_text())["gpus"] == 0


def write_record(output, begun, ended):
    """Write what Snakemake keeps of an output."""
    path = Path(".snakemake/metadata", base64.urlsafe_b64encode(str(output).encode()).decode())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"starttime": begun, "endtime": ended}))


def record_of_fits(text):
    line = next(line for line in text.splitlines() if line.startswith("fit_round "))
    return int(line.split()[1])


def test_finished_jobs_are_counted_once_and_breaks_are_left_out():
    """Two that ran side by side, a break, a third; the last one is not finished."""
    spans = [(100.0, 110.0), (105.0, 112.0), (1000.0, 1001.0), None]
    jobs = [
        PlannedJob(number, "fit" if number < 2 else "table2", {}, (), ran, 2.0)
        for number, ran in enumerate(spans)
    ]
    actual, running_s = finished_jobs(jobs)
    assert (actual["fit"].jobs, actual["fit"].seconds, actual["fit"].step_seconds) == (2, 17.0, 4.0)
    assert actual["table2"].jobs == 1 and running_s == 13.0


def test_the_table_says_how_far_the_plan_was_off():
    jobs, cost = [job(0), job(1)], Cost(30.0, 2, 1, 5e8)
    rows = rows_of(jobs, [cost, cost])
    assert (rows[0].gpu_seconds, rows[0].cpu_seconds, rows[0].disk) == (60, 120, 1e9)
    assert rows_of(jobs, [cost, cost], jobs_per_gpu=4)[0].gpu_seconds == 15, "a GPU is shared"
    text = text_of(rows, 7200.0, {}, 0.0)
    assert "2.0 h" in text and "1.0 GB" in text


def test_what_cannot_be_planned_is_said_in_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="no file") as caught:
        planned_jobs(REPO / "Snakefile", tmp_path / "none.yaml")
    assert "\n" not in str(caught.value)
    bad = tmp_path / "bad.yaml"
    bad.write_text("run: x\n")
    with pytest.raises(InputError, match="^plan: ") as caught:
        planned_jobs(REPO / "Snakefile", bad)
    assert "\n" not in str(caught.value)
    given = argparse.Namespace(configfile=TINY, gpus=-1, cores=None, calibrate=False)
    with pytest.raises(InputError, match="gpus -1"):
        command.plan(given)


@pytest.mark.slow
def test_a_calibration_measures_every_kind_of_work():
    config = resolve(tiny())
    speeds = calibrate(config, budget_s=0.2)
    assert min(speeds.tapt, speeds.fit, speeds.score, speeds.cnn) > 1e4
    assert speeds.start_transformers_s > speeds.start_tables_s and not speeds.gpu
    assert what_is_measured(config)["architecture"]["hidden_size"] == 16


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "hub", "refused"),
    [
        (Hubert, "facebook/hubert-base-ls960", "hubert .* no quantiser"),
        (Whisper, "openai/whisper-base", "whisper .* no mask embedding"),
    ],
)
def test_a_backbone_without_a_quantiser_is_planned_and_measured(monkeypatch, kind, hub, refused):
    small = replace(kind().shape({"hub": hub}), hidden=64, layers=2, intermediate=64)
    small = replace(small, conv_dim=(*(16 for _ in small.conv_dim[1:]), 64))
    monkeypatch.setattr(kind, "sizes", {"base": small})
    config = tiny()
    config["backbone"] = "hub"
    config["backbones"]["hub"] = {"hub": hub, "revision": "d" * 40}
    with pytest.raises(InputError, match=f"arms.after: start tapt: .* {refused}"):
        resolve(config)
    config["tapt"] = {}
    for arm in config["arms"].values():
        arm["start"] = "pretrained"
    config = resolve(config)
    assert Job(config, {"backbone": "hub"}).shape.transformer_flops == small.transformer_flops
    measured = what_is_measured(config)
    assert measured["architecture"]["model_type"] == kind.model_type
    assert measured["cnn_flops"] == small.cnn_flops
    speeds = calibrate(config, budget_s=0.2)
    assert min(speeds.tapt, speeds.fit, speeds.score, speeds.cnn) > 1e4
