"""The registry of tables and figures: what it names exists, and costs nothing to name."""

import inspect
import subprocess
import sys
from importlib import import_module

import pytest

from after_ser.judge.read import READERS
from after_ser.judge.registry import (
    FIGURES,
    TABLES,
    base_name,
    for_variant,
    may_have,
    of_rule,
)
from after_ser.judge.sources import FILES

ALL = [*TABLES.values(), *FIGURES.values()]


@pytest.mark.parametrize("report", ALL, ids=lambda report: report.rule)
def test_an_entry_names_what_exists(report):
    module, _, name = report.builder.partition(":")
    function = getattr(import_module(module), name)
    assert report.build() is function
    assert set(report.reads) | set(report.unread) <= set(FILES)
    inspect.signature(function).bind("config", *report.reads)
    assert of_rule(report.rule)[1] is report


def test_rules_and_versions_are_of_one_report_each():
    for values in ([report.rule for report in ALL], [report.version for report in ALL]):
        assert len(set(values)) == len(values)
    assert set(READERS) <= set(FILES)


def test_the_snakefile_loads_nothing_heavy_for_it():
    code = (
        "import sys, after_ser.judge.registry, after_ser.judge.sources\n"
        "print([m for m in ('pandas', 'matplotlib', 'torch', 'altair') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_variants_are_named_after_their_table():
    assert base_name("table4-savee") == base_name("table4") == "table4"
    assert may_have("tables", "table4-savee") and not may_have("tables", "claims-savee")
    assert may_have("tables", "claims") and not may_have("tables", "figure2")
    config = {"tables": {"table4": 1, "table4-savee": 2}, "run": "r"}
    assert for_variant(config, "tables", "table4-savee")["tables"]["table4"] == 2
    assert TABLES["table4"].label_of("table4-savee") == "4 Ablation (savee)"
