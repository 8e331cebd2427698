"""docs/config.md and config/schema.json say what the config's models say."""

import json

import pytest
import yaml
from jsonschema import Draft202012Validator
from workflow_runs import REPO, TINY

from after_ser.config import docs as config_docs
from after_ser.config.models import ENTRIES, WHOLE, Run
from after_ser.core.errors import InputError
from after_ser.judge.registry import SECTIONS
from tests.config.test_config import PRESETS


def fields(one, seen=()):
    """Every (name, field) of a model and of those inside it."""
    for name, field in one.model_fields.items():
        yield name, field
        for inner in config_docs._models_in(field.annotation):
            if inner not in seen:
                yield from fields(inner, (*seen, inner))


def all_fields():
    models = [Run, *map(config_docs.model, {**ENTRIES, **WHOLE}.values())]
    models += [report.config for section in SECTIONS.values() for report in section.values()]
    return [pair for one in models for pair in fields(one)]


def test_every_key_has_a_meaning_and_is_in_the_page():
    text = (REPO / "docs/config.md").read_text(encoding="utf-8")
    found = all_fields()
    assert len(found) > 150
    assert [name for name, field in found if not field.description] == []
    # a row of table3 is described where `rows` is
    assert [name for name, _ in found if f"`{name}`" not in text] == []


@pytest.mark.parametrize("name", ["PAGE", "SCHEMA"])
def test_a_stale_page_is_named(name, tmp_path, monkeypatch):
    config_docs.write(check=True)
    for file, text in (("PAGE", "new"), ("SCHEMA", config_docs.SCHEMA.read_text(encoding="utf-8"))):
        (tmp_path / file).write_text("old" if file == name else text, encoding="utf-8")
        monkeypatch.setattr(config_docs, file, tmp_path / file)
    monkeypatch.setattr(config_docs, "page", lambda: "new")
    with pytest.raises(InputError, match=f"{name}: "):
        config_docs.write(check=True)


def test_the_schema_takes_every_preset_and_refuses_what_is_misspelled():
    schema = json.loads((REPO / "config/schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    check = Draft202012Validator(schema)
    for path in (*PRESETS, TINY):
        assert check.is_valid(yaml.safe_load(path.read_text(encoding="utf-8"))), path
    for wrong in (
        {"sed": [1]},
        {"tapt": {"tapt": {"step": 3}}},
        {"tables": {"table4-x": {"dataset": 3}}},
        {"tables": {"claims-x": {"dataset": "a"}}},
        {"corpora": {"a": {"root": None}}},
    ):
        assert not check.is_valid({"run": "a", "corpora": {}} | wrong), wrong
