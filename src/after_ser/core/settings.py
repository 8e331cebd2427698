"""Typed settings of the configuration: the base of every model, kinds of values, error lines.

The model of a section is in the package that it configures (its `config.py`). Defaults,
checks, docs/config.md and config/schema.json all come from these models. Light on imports: the
Snakefile reads them, and Snakemake itself loads pydantic.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Annotated, Any, TypeVar

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from after_ser.core.errors import InputError, expect_key, meant

_NAME = "^[A-Za-z][A-Za-z0-9-]*$"
_LONGEST = 60  # characters of a value that an error line quotes
_Item = TypeVar("_Item", bound=Hashable)


class Settings(BaseModel):
    """A mapping of the configuration. Unknown keys are errors, and no value is converted.

    A model's docstring is the text above its keys in docs/config.md.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys_only(cls, given: Any) -> Any:
        strict = cls.model_config["extra"] == "forbid"
        for name in given if strict and isinstance(given, dict) else ():
            if name not in cls.model_fields:
                hint = meant(str(name), cls.model_fields, cutoff=0.5)
                raise PydanticCustomError("unknown_key", "{name}", {"name": name, "hint": hint})
        return given


_Model = TypeVar("_Model", bound=Settings)


def key(default: Any, meaning: str, example: Any = None) -> Any:
    """Return a key with its default (... if it must be given), its meaning and an example."""
    if isinstance(default, type):  # a mapping of its own, with its own defaults
        return Field(default_factory=default, description=meaning, examples=[example])
    return Field(default, description=meaning, examples=[example])


def optional(meaning: str, example: Any = None, unset: str = "none") -> Any:
    """Return a key that is absent where it is not given; docs/config.md then says `unset`."""
    return Field(
        None,
        description=meaning,
        examples=[example],
        exclude_if=_is_none,
        json_schema_extra={"unset": unset},
    )


def _is_none(value: Any) -> bool:
    return value is None


def _unique(items: list[_Item]) -> list[_Item]:
    if len(set(items)) < len(items):
        raise PydanticCustomError("unique", "Input should be no value twice")
    return items


Name = Annotated[str, StringConstraints(pattern=_NAME)]
Text = Annotated[str, StringConstraints(min_length=1)]
Count = Annotated[int, Ge(1)]
Whole = Annotated[int, Ge(0)]
Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]
Share = Annotated[float, Ge(0), Le(1)]
Fraction = Annotated[float, Gt(0), Le(1)]
Part = Annotated[float, Gt(0), Lt(1)]
ValShare = Annotated[float, Gt(0), Le(0.5)]
_Unique = AfterValidator(_unique)
#: Lists without a value twice: `Many[int]` has at least one.
Set = Annotated[list[_Item], _Unique]
Many = Annotated[list[_Item], MinLen(1), _Unique]
Several = Annotated[list[_Item], MinLen(2), _Unique]
Budgets = Many[Fraction]


def filled(model: type[Settings], given: Any, where: str, of: str = "config") -> dict[str, Any]:
    """Return `given` with every default of `model`, its own values and their order unchanged.

    where: its place, "" for the top; of: the file, as errors call it. Raises InputError with one
    line.
    """
    whole = parsed(model, given, where, of).model_dump(warnings=False)
    return dict(_overlaid(given, whole))


def parsed(model: type[_Model], given: Any, where: str, of: str) -> _Model:
    """Return `given` as a `model`; raises InputError as `filled` does."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise InputError(f"{of}: {described(error, given, where)}") from None


def _overlaid(given: Any, whole: Any) -> Any:
    """Keep what was given as it was (10 is no 10.0, and the order counts) and add the rest."""
    if isinstance(given, dict):
        kept = {name: _overlaid(value, whole[name]) for name, value in given.items()}
        return {**kept, **{name: value for name, value in whole.items() if name not in given}}
    if isinstance(given, list):
        return [_overlaid(*pair) for pair in zip(given, whole, strict=True)]
    return given


def described(error: ValidationError, given: Any, where: str) -> str:
    """Return what is wrong, where, and what was expected, on one line."""
    errors = error.errors(include_url=False)
    places = [_place(one["loc"], given) for one in errors]
    place = min(places, key=lambda parts: [str(part) for part in parts])
    found = [one for one, other in zip(errors, places, strict=True) if other == place]
    full = ".".join([*([where] if where else []), *map(str, place)]) or "the top level"
    kind, context = found[0]["type"], found[0].get("ctx", {})
    if kind == "unknown_key":
        return f'unknown key "{context["name"]}" in {full}; {context["hint"]}'
    if kind == "missing":
        return f'key "{found[0]["loc"][-1]}" is missing in {full}'
    value = repr(found[0]["input"])
    short = value if len(value) <= _LONGEST else f"{value[: _LONGEST - 3]}..."
    return f"{full}: {short}; expected {' or '.join(dict.fromkeys(map(_expected, found)))}"


def _place(loc: tuple[int | str, ...], given: Any) -> tuple[int | str, ...]:
    """Return the part of an error's path that is in the config: pydantic adds kinds of a union."""
    for index, part in enumerate(loc):
        inside = part in given if isinstance(given, dict) else isinstance(given, list)
        if not inside or isinstance(given, list) and not isinstance(part, int):
            return loc[:index]
        given = given[part]
    return loc


#: What was expected, by the kind of pydantic's error; fields are of its context.
_WORDS = {
    "greater_than": "more than {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than": "less than {lt}",
    "less_than_equal": "{le} or less",
    "multiple_of": "a multiple of {multiple_of}",
    "too_short": "at least {min_length} of them",
    "string_pattern_mismatch": "the form {pattern}",
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}


def _expected(error: ErrorDetails) -> str:
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    if context.get("pattern") == _NAME:
        return "letters, digits and hyphens, starting with a letter"
    bounds = {
        name: f"{bound:g}" if isinstance(bound, float) else bound for name, bound in context.items()
    }
    words = _WORDS.get(kind, "").format(**bounds)
    words = words or error["msg"].partition("should ")[2].removeprefix("be ") or error["msg"]
    if kind == "float_type" and isinstance(value, str) and _is_number(value):
        words += " (YAML needs a point and a sign before an exponent: 1.0e-4)"
    return words


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def check_options(
    given: Mapping[str, Any],
    defaults: Mapping[str, Any],
    where: str,
    choices: Mapping[str, tuple[str, ...]] | None = None,
) -> None:
    """Raise InputError for an option that is not among the defaults, or is of another kind."""
    for option, value in given.items():
        if not defaults:
            raise InputError(f"config: {where}: it has no options; expected none")
        expect_key(option, defaults, where, "option")
        wanted = _wanted(value, defaults[option], (choices or {}).get(option))
        if wanted:
            raise InputError(
                f"config: {where}.{option}: {value!r}; expected {wanted} "
                f"(default {defaults[option]})"
            )


def _wanted(value: Any, default: Any, choices: tuple[str, ...] | None) -> str:
    """Return what was expected in the place of `value`, "" where it is fine.

    The kind is that of the default; 0 is a number of things only where the default is 0 too.
    """
    if choices is not None:
        return "" if value in choices else f"one of {', '.join(choices)}"
    if isinstance(default, bool):
        return "" if isinstance(value, bool) else "true or false"
    if isinstance(default, list):
        fine = isinstance(value, list) and bool(value)
        if fine and default:
            fine = not any(_wanted(one, default[0], None) for one in value)
        return "" if fine else "a list of such values"
    if isinstance(default, int):
        fine = isinstance(value, int) and not isinstance(value, bool) and value >= (default > 0)
        return "" if fine else f"a whole number {'above 0' if default > 0 else 'not below 0'}"
    if isinstance(default, float):
        fine = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
        return "" if fine else "a number, 0 or above"
    return "" if isinstance(value, str) or default is None else "text"
