"""Every rule, as Snakemake has it after inheritance: its script exists, its names are defined.

A dry run shows neither: scripts are looked for, and functions of wildcards called, when a job is.
"""

import ast
import builtins
import dis
import inspect
import os
import sys
from functools import cache
from pathlib import Path
from unittest import mock

import pytest
from snakemake.api import SnakemakeApi
from snakemake.iocontainers import Wildcards
from snakemake.parser import parse
from snakemake.settings.enums import Quietness
from snakemake.settings.types import (
    ConfigSettings,
    OutputSettings,
    ResourceSettings,
    WorkflowSettings,
)
from snakemake.sourcecache import infer_source_file
from snakemake_interface_executor_plugins.settings import ExecMode
from workflow_runs import REPO

#: Together they include every file of rules; each alone leaves some out that others may lean on.
CONFIGS = [
    REPO / "config" / name for name in ("config.yaml", "demo-full.yaml", "fewshot.yaml", "own.yaml")
] + [REPO / "tests/config" / name for name in ("tiny.yaml", "fewshot.yaml", "own.yaml")]
SECTIONS = ("input", "output", "params")


@pytest.fixture(scope="module")
def parsed(tmp_path_factory):
    """A function from a config to the workflow that Snakemake makes of the Snakefile with it."""

    @cache
    def workflow(config):
        # as in a job, so that no owner of the folder is recorded
        settings = WorkflowSettings(exec_mode=ExecMode.SUBPROCESS)
        with (
            mock.patch.dict(os.environ),
            mock.patch.object(sys, "path", sys.path.copy()),
            SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api,
        ):
            return api.workflow(
                ResourceSettings(cores=1),
                config_settings=ConfigSettings(configfiles=[config]),
                workflow_settings=settings,
                snakefile=REPO / "Snakefile",
                workdir=tmp_path_factory.mktemp("parsed"),
            )._workflow

    return workflow


with_each_config = pytest.mark.parametrize(
    "config", CONFIGS, ids=lambda path: str(path.relative_to(REPO))
)


def script_of(rule):
    """Return the path where Snakemake looks for the rule's script when a job runs."""
    file = infer_source_file(rule.script, rule.basedir)
    return Path(file.get_path_or_uri(secret_free=True)).resolve()


def undefined(code, names):
    """Yield (line, name) of what `code` or a function in it reads and `names` does not have."""
    steps, previous = list(dis.get_instructions(code)), None
    # an exception's name is gone after its `except`
    names = names | {step.argval: None for step in steps if step.opname == "STORE_NAME"} | names
    for step in steps:
        line = step.positions.lineno
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME") and step.argval not in names:
            yield line, step.argval
        elif step.opname in ("LOAD_ATTR", "LOAD_METHOD") and previous is not None:
            module = names.get(previous.argval)
            if inspect.ismodule(module) and not hasattr(module, step.argval):
                yield line, f"{previous.argval}.{step.argval}"
        previous = step if step.opname in ("LOAD_GLOBAL", "LOAD_NAME") else None
        if inspect.iscode(step.argval):
            yield from undefined(step.argval, names)


def read_names(script):
    """Return (section, name) of what a script reads as snakemake.section.name, or by an alias."""
    tree = ast.parse(script.read_text(encoding="utf-8"))

    def section_of(node):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "snakemake":
            return node.attr
        return None

    aliases = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            target, value = node.targets[0], node.value
            several = isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
            pairs = zip(target.elts, value.elts, strict=True) if several else [(target, value)]
            aliases |= {ast.unparse(name): section_of(each) for name, each in pairs}
    return {
        (section, node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and (section := section_of(node.value) or aliases.get(ast.unparse(node.value))) in SECTIONS
        and not hasattr(dict, node.attr)
    }


@with_each_config
def test_each_rule_has_a_script_that_exists(config, parsed):
    scripts = {rule.name: script_of(rule) for rule in parsed(config).rules if rule.script}
    assert {name: path for name, path in scripts.items() if not path.is_file()} == {}
    assert [rule.name for rule in parsed(config).rules if not rule.script] == ["all"]


@with_each_config
def test_rules_use_only_names_that_are_defined(config, parsed):
    workflow, found = parsed(config), []
    names = vars(builtins) | workflow.globals
    for file in workflow.included:
        lines = {}
        code, _ = parse(file, workflow, linemap=lines)
        path = file.get_path_or_uri(secret_free=True)
        for line, name in undefined(compile(code, path, "exec"), names):
            found.append(f"{path}:{lines.get(line, line)}: {name}")
    assert not found, "\n".join(found)


def test_the_configs_have_every_file_of_rules_and_every_script(parsed):
    workflows = [parsed(config) for config in CONFIGS]
    included = {Path(file) for one in workflows for file in one.linemaps}
    assert included == {REPO / "Snakefile", *(REPO / "rules").rglob("*.smk")}
    scripts = {script_of(rule) for one in workflows for rule in one.rules if rule.script}
    assert scripts == set((REPO / "workflow/scripts").glob("*.py"))


def test_a_script_reads_only_what_a_rule_gives_it(parsed):
    given = {}
    for rule in (rule for config in CONFIGS for rule in parsed(config).rules if rule.script):
        names = given.setdefault(script_of(rule), set())
        names |= {(part, name) for part in SECTIONS for name in dict(getattr(rule, part).items())}
    unknown = {path.name: read_names(path) - names for path, names in given.items()}
    assert {name: names for name, names in unknown.items() if names} == {}


def test_the_progress_page_is_given_answers_as_a_list(parsed):
    """Snakemake gives a script a text where a function returns one path, and not a list of one."""
    config = REPO / "tests/config/own.yaml"
    rule = next(rule for rule in parsed(config).rules if rule.name == "progress")
    names = {
        "split": "own",
        "protocol": "people",
        "backbone": "toy",
        "start": "tapt",
        "dataset": "own",
        "fold": "1",
        "init": "kmeans",
        "seed": "0",
        "place": "entropy/round1",
    }
    given, *_ = rule.expand_input(Wildcards(fromdict=names))
    assert [Path(path).name for path in given.answers] == ["answers.json"]
    assert [Path(path).name for path in given.metrics] == ["metrics.json"] * 2
