"""docs/config.md and config/schema.json from the models of the configuration."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, get_args

import yaml
from jinja2 import StrictUndefined, Template
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic.json_schema import models_json_schema
from pydantic_core import PydanticUndefined

from after_ser.config.library import BASE
from after_ser.config.models import ENTRIES, WHOLE, Run, model
from after_ser.core.errors import InputError
from after_ser.core.settings import Settings
from after_ser.judge.registry import FIGURES, SECTIONS, TABLES

PAGE = BASE.parents[1] / "docs/config.md"
SCHEMA = BASE.with_name("schema.json")


def write(check: bool = False) -> None:
    """Write both files or, to `check`, raise InputError where one is not what would be written."""
    made = json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"
    for path, text in ((PAGE, page()), (SCHEMA, made)):
        if not check:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            raise InputError(
                f"{path}: not what the config's models say; expected the output of "
                "`python -m after_ser config-docs`"
            )


def page() -> str:
    """Return docs/config.md: the prose of docs/config.md.j2 with the tables of keys."""
    text = (PAGE.parent / "config.md.j2").read_text(encoding="utf-8")
    template = Template(text, undefined=StrictUndefined, keep_trailing_newline=True)
    return template.render(keys=_keys, reports=_reports, where=_where)


def schema() -> dict[str, Any]:
    """Return the JSON schema of a config file, for editors; `like` may stand in any entry."""
    sections = {name: model(path) for name, path in {**ENTRIES, **WHOLE}.items()}
    reports = {one.config for section in SECTIONS.values() for one in section.values()}
    models: list[type[BaseModel]] = [Run, *sections.values()]
    models += sorted(reports, key=lambda one: one.__name__)
    refs, found = models_json_schema([(one, "validation") for one in models])
    whole = found["$defs"].pop(Run.__name__)
    properties = whole["properties"]
    for name, one in sections.items():
        ref = refs[one, "validation"]
        properties[name] = {"additionalProperties": ref} if name in ENTRIES else ref
    for name, section in SECTIONS.items():
        properties[name] = {
            "patternProperties": {
                f"^{report.name}{'(-.+)?' if report.variants else ''}$": refs[
                    report.config, "validation"
                ]
                for report in section.values()
            },
            "additionalProperties": False,
        }
    whole["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    whole["$defs"] = {name: _tidy(node) for name, node in found["$defs"].items()}
    return _tidy(whole)


def _tidy(node: dict[str, Any]) -> dict[str, Any]:
    """Drop titles and the null that stands for "absent", and allow `like`, which is filled in
    before the models see an entry.
    """
    for child in (node, *node.get("properties", {}).values()):
        child.pop("title", None)
        if child.pop("unset", None) is not None:
            child.pop("default", None)
    if "properties" in node:
        node["properties"]["like"] = {"type": "string"}
        node.pop("required", None)  # what `like` brings is not written
    return node


def _keys(path: str = "") -> str:
    """Return the table of keys at a place of the config, e.g. "datasets.folds"."""
    section, *names = path.split(".")
    one = model({**ENTRIES, **WHOLE}[section]) if path else Run
    for name in names:
        one = next(_models_in(one.model_fields[name].annotation))
    rows = [_row(name, field) for name, field in one.model_fields.items()]
    return _table(["key", "meaning", "default", "example"], rows)


def _models_in(kind: Any) -> Iterator[type[Settings]]:
    if isinstance(kind, type) and issubclass(kind, Settings):
        yield kind
    for part in get_args(kind):
        yield from _models_in(part)


def _row(name: str, field: FieldInfo) -> list[str]:
    example = field.examples[0] if field.examples else None
    shown = "" if example is None else _code(example)
    return [f"`{name}`", field.description or "", _default(field), shown]


def _default(field: FieldInfo) -> str:
    if isinstance(field.json_schema_extra, dict):
        return str(field.json_schema_extra["unset"])
    if field.default_factory is not None:
        return "`{}`"
    if field.default is PydanticUndefined:
        return "–"
    return _code(field.default) if field.default != "" else "empty"


def _code(value: Any) -> str:
    """Return a value as YAML on one line, as code."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False)
    return f"`{text.removesuffix('...' + chr(10)).strip()}`"


def _table(heading: list[str], rows: Iterable[list[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _shown() -> list[tuple[str, type[Settings]]]:
    """Return every table and figure with its model; names that are both say which."""
    return [
        (f"`{name}`" + (f" ({kind})" if name in TABLES and name in FIGURES else ""), report.config)
        for kind, section in (("table", TABLES), ("figure", FIGURES))
        for name, report in section.items()
    ]


def _reports() -> str:
    """Return what each table and figure shows."""
    return _table(["name", "what it shows"], ([name, _text(one)] for name, one in _shown()))


def _where() -> str:
    """Return the keys of tables and figures, each meaning once, with where it is."""
    found: dict[tuple[str, ...], list[str]] = {}
    for name, one in _shown():
        for row in (_row(key, field) for key, field in one.model_fields.items()):
            found.setdefault(tuple(row), []).append(name)
    rows = [[row[0], ", ".join(where), *row[1:]] for row, where in sorted(found.items())]
    return _table(["key", "where", "meaning", "default", "example"], rows)


def _text(one: type[Settings]) -> str:
    return " ".join((one.__doc__ or "").split())
