"""What jobs ask a cluster for: more for more work, and never a GPU that they have no use for."""

import copy
import math
from pathlib import Path

import pytest
import yaml

from after_ser.config.resolve import resolve
from after_ser.core.errors import InputError
from after_ser.model.families.conv_encoder import BASE, LARGE
from after_ser.tools.cluster.nodes import Nodes
from after_ser.tools.cluster.requests import Request, Requests
from after_ser.tools.cluster.rules import RULES, Gpus
from after_ser.tools.cluster.work import Speech, shape_of, speech_in, speech_of

ROOT = Path(__file__).parents[2]
WILDCARDS = {
    "corpus": "iemocap",
    "dataset": "merged",
    "backbone": "wav2vec2-base",
    "start": "tapt",
    "protocol": "paper",
    "strategy": "bald",
    "round": "9",
    "baseline": "glam",
    "sources": "iemocap+masc",
}


def paper(**changes):
    text = (ROOT / "config/paper.yaml").read_text(encoding="utf-8")
    return resolve({**yaml.safe_load(text), **changes})


def fewshot():
    text = (ROOT / "config/fewshot.yaml").read_text(encoding="utf-8")
    return resolve(yaml.safe_load(text))


def asked(rule, config=None, **wildcards):
    return Requests(config or paper()).request(rule, {**WILDCARDS, **wildcards})


def changed(path, value, config=None):
    config = copy.deepcopy(config or paper())
    *parents, last = path.split("/")
    node = config
    for key in parents:
        node = node[key]
    node[last] = value
    return config


def test_wav2vec2_base_has_the_size_that_was_published():
    assert BASE.parameters == pytest.approx(94.4e6, rel=0.06)  # counted in transformers
    assert LARGE.parameters == pytest.approx(315e6, rel=0.06)
    assert pytest.approx(50) == BASE.frames_per_second
    assert BASE.cnn_flops == pytest.approx(4.9e9, rel=0.05)
    assert BASE.transformer_flops == pytest.approx(8.5e9, rel=0.05)
    assert shape_of({"hub": "facebook/wav2vec2-base"}) == BASE
    assert shape_of({"folder": "models/xls-r-300m"}) == LARGE


def test_speech_is_known_by_release_by_hours_and_by_clips():
    config = paper()
    assert speech_of(config, "iemocap") == Speech(10_100, 12.5 * 3600)
    assert speech_of(changed("corpora/iemocap/hours", 2), "iemocap").seconds == 7200
    synthetic = changed("corpora/iemocap", {"synthetic": {"clips": 50}})
    assert speech_of(synthetic, "iemocap").clips == 50
    # 15,400 train clips were counted, and test and val come on top (docs/benchmarks.md)
    assert 15_400 < speech_in(config, "merged").clips < 2 * 15_400
    assert speech_in(config, "merged-injected").clips > speech_in(config, "merged").clips


@pytest.mark.parametrize(
    ("rule", "path", "value", "more"),
    [
        ("tapt", "tapt/tapt/steps", 40_000, "minutes"),
        ("tapt", "tapt/tapt/seconds_per_step", 500, "minutes"),
        ("tapt", "backbones/wav2vec2-base/hub", "facebook/wav2vec2-large", "minutes"),
        ("tapt", "backbones/wav2vec2-base/hub", "facebook/wav2vec2-large", "mem_mb"),
        ("fit_round", "protocols/paper/patience", 40, "minutes"),
        ("fit_round", "corpora/cremad/hours", 60, "minutes"),
        ("fit_round", "corpora/cremad/hours", 60, "mem_mb"),
        ("fit_round", "backbones/wav2vec2-base/hub", "facebook/wav2vec2-large", "minutes"),
        ("pretrained_latents", "corpora/cremad/hours", 600, "mem_mb"),
        ("pretrained_surprisal", "strategies/alps", {"maskings": 400}, "minutes"),
        ("acquire_with_features", "strategies/bald", {"passes": 100}, "minutes"),
        ("robustness", "tables/robustness/conditions/white", list(range(30)), "minutes"),
        ("initial_set", "corpora/cremad/hours", 600, "minutes"),
        ("convert_corpus", "corpora/iemocap/hours", 100, "minutes"),
        ("fit_baseline", "baselines/glam/epochs", 500, "minutes"),
        ("ptapt_states", "tapt/p-tapt/first_stage/steps", 20_000, "minutes"),
        ("ptapt_clusters", "tapt/p-tapt/first_stage/clusters", [64, 100_000], "minutes"),
    ],
)
def test_more_work_asks_for_more(rule, path, value, more):
    start = "p-tapt" if rule.startswith("ptapt") else "tapt"
    before, after = asked(rule, start=start), asked(rule, changed(path, value), start=start)
    assert getattr(after, more) > getattr(before, more)


def test_a_fit_grows_with_what_is_labelled_and_ends_with_its_limits():
    minutes = [asked("fit_round", round=str(index)).minutes for index in range(10)]
    assert minutes == sorted(minutes) and minutes[-1] > 4 * minutes[0]
    short = asked("fit_round", changed("protocols/paper/max_steps", 10)).minutes
    few = asked("fit_round", changed("protocols/paper/max_epochs", 2)).minutes
    assert max(short, few) < minutes[-1] / 2
    last = changed("protocols/paper/restore", "last")  # no early stopping: all 200 epochs
    assert asked("fit_round", last).minutes > 2 * minutes[-1]


@pytest.mark.parametrize("change", [{"device": "cpu"}, {"gpus_per_job": 0}])
def test_without_gpus_nothing_asks_for_one_and_all_is_slower(change):
    without = paper(**change)
    for rule in RULES:
        assert not {"gpu", "gres"} & set(Requests(without).of(rule))
    assert asked("tapt", without).minutes > 100 * asked("tapt").minutes
    assert asked("tapt", without).mem_mb > asked("tapt").mem_mb, "activations are in RAM"


def test_rules_without_a_model_ask_for_no_gpu():
    requests = Requests(paper())
    for rule in RULES:
        assert ("gpu" in requests.of(rule)) == (RULES[rule].gpus is not Gpus.NONE)
    for strategy, gpus in {"alps": 0, "kmeans": 0, "badge": 1, "batchbald": 1}.items():
        assert asked("acquire_with_features", strategy=strategy).gpus == gpus
    assert [asked("fit_baseline", baseline=b).gpus for b in ("egemaps-svm", "glam")] == [0, 1]


def test_the_resources_of_a_rule_are_what_snakemake_calls():
    resources = Requests(paper()).of("fit_round")
    values = {
        key: value({**WILDCARDS, "fold": "1"}, attempt=1) if callable(value) else value
        for key, value in resources.items()
    }
    one = asked("fit_round")
    assert values == {
        "gpu": 1,
        "cpus_per_task": 4,
        "mem_mb": one.mem_mb,
        "runtime": one.minutes,
    }


@pytest.mark.parametrize(("kind", "text"), [("gres", "gpu:1"), ("gres:a100", "gpu:a100:1")])
def test_gres_takes_the_place_of_gpu(kind, text):
    requests = Requests(paper(gpu_request=kind))
    assert "gpu" not in requests.of("fit_round")
    assert requests.of("fit_round")["gres"](WILDCARDS, attempt=1) == text
    clustering = {**WILDCARDS, "strategy": "kmeans"}
    assert requests.of("acquire_with_features")["gres"](clustering, attempt=1) == ""
    assert "gres" not in requests.of("make_fold")


def test_factors_scale_everything():
    scaled = paper(time_factor=2, memory_factor=3)
    for rule in ("tapt", "make_fold", "fit_round"):
        assert asked(rule, scaled).minutes == pytest.approx(2 * asked(rule).minutes, abs=10)
        assert asked(rule, scaled).mem_mb == pytest.approx(3 * asked(rule).mem_mb, abs=400)


def test_a_retry_asks_for_more_and_stays_within_a_partition():
    one = Request(gpus=1, cpus=4, mem_mb=1000, minutes=100)
    assert one.on_attempt(2) == Request(1, 4, 1500, 200)
    assert one.on_attempt(3) == Request(1, 4, 2250, 400)
    nodes = [
        Nodes("short", minutes=110, mem_mb=64_000, cpus=8, gpus=1),
        Nodes("long", minutes=300, mem_mb=2_000, cpus=8, gpus=1),
        Nodes("cpu", minutes=9_999, mem_mb=64_000, cpus=8, gpus=0),
    ]
    assert one.on_attempt(2, nodes) == Request(1, 4, 1500, 200)
    third = one.on_attempt(3, nodes)
    assert third == Request(1, 4, 2000, 300)
    assert any(kind.fits(1, 4, third.mem_mb, third.minutes) for kind in nodes)
    nowhere = Request(gpus=2, cpus=4, mem_mb=1000, minutes=100)
    assert nowhere.on_attempt(1, nodes) == nowhere, "what fits nowhere must be seen"
    unlimited = [Nodes("any", minutes=math.inf, mem_mb=math.inf)]
    assert one.on_attempt(3, unlimited) == Request(1, 4, 2250, 400)


def test_few_shot_jobs_scale_with_sources_k_and_trials():
    config = fewshot()
    one = asked("fewshot_prefinetune", config, sources="iemocap")
    two = asked("fewshot_prefinetune", config, sources="iemocap+msp-improv")
    assert two.minutes > one.minutes and two.mem_mb > one.mem_mb
    adapt = asked("fewshot_adapt", config)
    assert asked("fewshot_adapt", changed("fewshot/trials", 9, config)).minutes > adapt.minutes
    assert asked("fewshot_latents", config, corpus="esd").gpus == 1


def test_several_gpus_are_asked_for_by_what_trains_on_them_alone():
    config = paper(gpus_per_pretraining=4)
    several, one = asked("tapt", config), asked("tapt")
    assert (one.gpus, several.gpus) == (1, 4) and several.cpus == 4 * one.cpus
    assert one.minutes / 4 <= several.minutes < one.minutes / 3
    assert several.mem_mb == pytest.approx(4 * one.mem_mb, abs=400), "a whole process per GPU"
    requests = Requests(config)
    assert requests.of("tapt")["gpu"] == 4 and requests.cpus("tapt") == 16
    assert requests.of("tapt")["cpus_per_task"] == 16 and requests.of("fit_round")["gpu"] == 1
    assert requests.of("ptapt_states")["gpu"] == 1 and requests.of("pretrain_backbone")["gpu"] == 4
    gres = Requests(paper(gpus_per_pretraining=2, gpu_request="gres:a100"))
    assert gres.of("tapt")["gres"](WILDCARDS, attempt=1) == "gpu:a100:2"
    without = Requests(paper(gpus_per_pretraining=4, gpus_per_job=0))
    assert "gpu" not in without.of("tapt") and without.cpus("tapt") == one.cpus


def test_parts_of_a_step_need_less_memory_where_it_is_ram():
    cpu = paper(device="cpu")
    parts = changed("tapt/tapt/accumulation", 4, cpu)
    assert asked("tapt", parts).mem_mb < asked("tapt", cpu).mem_mb / 2
    assert asked("tapt", parts).minutes == asked("tapt", cpu).minutes


def test_several_gpus_and_one_device_do_not_go_together():
    for device in ("cpu", "cuda:1"):
        with pytest.raises(InputError, match=f"^config: gpus_per_pretraining: 2.*{device}"):
            paper(gpus_per_pretraining=2, device=device)
    assert paper(gpus_per_pretraining=2, device="cuda")["gpus_per_pretraining"] == 2
