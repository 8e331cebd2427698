"""Where each rule runs: what is heavy asks a cluster, what is local reads and writes tables."""

import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
import yaml
from workflow_runs import TINY, planned_jobs, snakemake

from after_ser.judge.registry import FIGURES, TABLES
from after_ser.tools.cluster.rules import LOCAL_RULES
from after_ser.tools.cluster.rules import RULES as SUBMITTED

ROOT = Path(__file__).parents[2]
#: The rules that run where Snakemake runs, on a login node. Think before adding one: it may read
#: and write tables, but open no audio, no latents, and train nothing.
CHEAP = {
    *("all", "save_config", "save_settings", "acquire", "oneshot_subset", "fewshot_draws"),
    *("gather_scores", "gather_baselines", "confusion", "progress", "pretraining_figure"),
    *("val_query", "publish_query", "read_val_answers", "read_answers"),
    *(report.rule for report in (*TABLES.values(), *FIGURES.values())),
}
#: Fetches a checkpoint: nodes often have no network.
FETCHES = {"materialise_backbone", "download"}
HEAVY_INPUTS = ("audio", "latents", "safetensors", "surprisal", "embeddings", "release")


def rules():
    """Name of every rule -> its text; `use rule` inherits what it does not say."""
    found = {}
    for file in [ROOT / "Snakefile", *sorted((ROOT / "rules").rglob("*.smk"))]:
        text = file.read_text(encoding="utf-8")
        for block in re.split(r"\n(?=rule |use rule |    rule:)", text):
            if match := re.match(r"(?:rule|use rule \w+ as) (\w+)", block):
                found[match[1]] = block
            elif block.startswith("    rule:"):  # one of a loop's, made for each entry
                entries = TABLES if "table.rule" in block else FIGURES
                found |= {entry.rule: dedent(block) for entry in entries.values()}
    return found


RULES = rules()


def section(text, name):
    match = re.search(rf"^    {name}:\n((?:        .*\n|\n)*)", text, re.MULTILINE)
    return match[1] if match else ""


def test_local_rules_are_those_of_the_list():
    assert {name for name, text in RULES.items() if "localrule: True" in text} == CHEAP | FETCHES


def test_every_other_rule_asks_for_what_it_needs():
    for name, text in RULES.items():
        if name in CHEAP | FETCHES or text.startswith("use rule"):
            assert "REQUESTS" not in text
            continue
        assert f'**REQUESTS.of("{name}"),' in section(text, "resources"), name
    assert set(SUBMITTED) <= set(RULES)
    assert set(LOCAL_RULES) <= CHEAP | FETCHES


@pytest.mark.parametrize(
    ("config", "study", "others"),
    [
        ("tiny", {"fit_round", "fit_baseline"}, {"ask", "ptapt", "fewshot_adapt", "robustness"}),
        ("fewshot", {"fewshot_adapt"}, {"ask", "ptapt", "robustness", "fit_baseline", "inside"}),
        ("own", {"ask", "publish_query"}, {"ptapt", "fewshot_adapt", "inject_outliers"}),
    ],
)
def test_the_rules_of_a_study_are_there_where_the_config_has_it(config, study, others, tmp_path):
    run = snakemake(tmp_path, ROOT / f"tests/config/{config}.yaml", "--list-rules")
    assert run.status == 0, run.output
    rules = set(run.output.split())
    assert study <= rules and not others & rules


def test_no_rule_retries_by_itself():
    assert [name for name, text in RULES.items() if re.search(r"^    retries:", text, re.M)] == []


def test_requests_are_checked_in_the_only_hook_there_is():
    """Of several `onstart` Snakemake would run the last."""
    files = [ROOT / "Snakefile", *(ROOT / "rules").rglob("*.smk")]
    hooks = [
        match[1]
        for file in files
        for match in re.finditer(r"^onstart:\n((?:    .*\n|\n)*)", file.read_text("utf-8"), re.M)
    ]
    assert len(hooks) == 1 and "before_submission(" in hooks[0]


def test_local_rules_are_given_nothing_heavy():
    for name in CHEAP:
        given = section(RULES[name], "input")
        assert not [word for word in HEAVY_INPUTS if word in given], name


def test_scripts_of_local_rules_import_neither_models_nor_audio():
    scripts = {
        match[1]
        for name in CHEAP
        if (match := re.search(r"workflow/scripts/(\w+)\.py", RULES[name]))
    }
    assert len(scripts) > 10 and "report" in scripts
    code = (
        "import importlib, sys; sys.path.insert(0, sys.argv[1])\n"
        "for name in sys.argv[2:]: importlib.import_module(name)\n"
        "print([m for m in ('torch', 'transformers', 'soundfile', 'torchaudio')"
        " if m in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(ROOT / "workflow/scripts"), *sorted(scripts)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_the_profile_leaves_no_option_to_the_default_profile_but_equal_ones():
    """profiles/default wins wherever both have an option."""
    profile = yaml.safe_load((ROOT / "slurm/profile.yaml").read_text(encoding="utf-8"))
    default = yaml.safe_load((ROOT / "profiles/default/profile.yaml").read_text(encoding="utf-8"))
    for key in set(profile) & set(default):
        assert profile[key] == default[key], key
    assert profile["retries"] > 0 and profile["slurm-requeue"] is True
    assert not [key for key in profile if "array" in key]


@pytest.fixture
def checkout(tmp_path):
    """A folder with the profile, as a checkout has it."""
    (tmp_path / "slurm").symlink_to(ROOT / "slurm")
    (tmp_path / "config").symlink_to(ROOT / "config")
    return tmp_path


def plan(checkout, *arguments):
    pytest.importorskip("snakemake_executor_plugin_slurm")
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--profile", "slurm", *arguments, "--dry-run"]
    run = subprocess.run(command, cwd=checkout, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]
    return run.stdout + run.stderr


def test_the_profile_plans_the_paper(checkout):
    output = plan(checkout, "results/paper/config.yaml")
    assert "config/paper.yaml" in output and "results/paper/config.yaml" in output


@pytest.mark.slow
def test_another_config_replaces_the_paper_s(checkout):
    output = plan(checkout, "--configfile", str(TINY))
    assert "paper.yaml" not in output and "results/paper" not in output
    assert planned_jobs(output)["tapt"] == 2
