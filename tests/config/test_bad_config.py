"""Every value of a config may be wrong: a config that can be run, or one line that names the key.

tests/config/test_config.py has what single mistakes are called; here is what holds for all of them.
"""

import copy
import functools
import math
from contextlib import suppress

import pytest
import yaml
from fuzz_inputs import fuzz, outcome
from hypothesis import example, given
from hypothesis import strategies as st
from refusals import refused
from workflow_runs import REPO, TINY, contents, snakemake, tiny, write_config

from after_ser.config.checks import check_files
from after_ser.config.resolve import resolve
from after_ser.core.errors import InputError
from after_ser.judge.grid import cells
from tests.config.test_config import change, preset

WRONG = [None, True, False, 0, -1, 1, 2, 10**30, 2.0, 0.5, -0.5, 1.5, math.nan, math.inf, -math.inf]
WRONG += ["", "x", "a/b", "../x", "a*b", "{x}", "a b", "1e-4", "ä", "a\nb", "\x00", "demo\n"]
WRONG += [[], [1], ["x"], [[]], [None], [0.1, 0.1], {}, {"x": 1}, {1: 2}, {"a/b": {}}, {None: None}]


@functools.cache
def whole(name):
    """A config with every default in it."""
    return resolve(tiny() if name == "tiny" else preset(name))


def places(node, path=()):
    """Every place of a config, as keys and positions from the top."""
    children = node.items() if isinstance(node, dict) else enumerate(node)
    for key, child in children:
        yield (*path, key)
        if isinstance(child, dict | list):
            yield from places(child, (*path, key))


@functools.cache
def all_places(name):
    return list(places(whole(name)))


def resolved_or_named(config):
    """Resolve and, where that works, list what would be run: all of the planning's code is used."""

    def plan():
        resolved = resolve(config)
        return resolved, sum(1 for _ in cells(resolved))

    found, refused = outcome(plan)
    if refused:
        assert refused.startswith("config: ") and len(refused) < 600, refused
        return refused
    assert not wrong_numbers(found[0])
    return ""


def wrong_numbers(node):
    if isinstance(node, dict):
        return any(wrong_numbers(child) for child in node.values())
    if isinstance(node, list):
        return any(wrong_numbers(child) for child in node)
    return isinstance(node, float) and not math.isfinite(node)


@st.composite
def broken(draw, name):
    """A config with one or two places that have something else in them, or nothing."""
    config = copy.deepcopy(whole(name))
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from(all_places(name)))
        place = config
        with suppress(KeyError, IndexError, TypeError):  # the first change has taken it away
            for key in path[:-1]:
                place = place[key]
            if draw(st.booleans()):
                place[path[-1]] = copy.deepcopy(draw(st.sampled_from(WRONG)))
            else:
                del place[path[-1]]
    return config


@fuzz(130)
@given(st.one_of(broken("tiny"), broken("tiny"), broken("demo-full.yaml")))
def test_any_change_of_a_config_is_planned_or_named(config):
    resolved_or_named(config)


@fuzz(40)
@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
        lambda child: st.one_of(
            st.lists(child, max_size=3), st.dictionaries(st.text(max_size=8), child, max_size=3)
        ),
        max_leaves=6,
    ),
    st.sampled_from([name for name in tiny() if name != "device"]),
)
def test_anything_in_the_place_of_a_section_is_named(value, section):
    refused = resolved_or_named({**tiny(), section: value})
    assert refused or isinstance(value, type(tiny()[section]))


#: Mappings whose keys are the user's names or a method's own options.
FREE = {"corpora", "datasets", "backbones", "tapt", "protocols", "arms", "baselines", "strategies",
        "labels", "options", "scratch", "ratio", "columns", "rows", "bars", "tables", "figures",
        "conditions", "confusion", "sources", "budget"}  # fmt: skip


def test_a_misspelled_key_is_named_with_the_right_one_in_every_mapping():
    base, found = whole("demo-full.yaml"), set()
    for path in all_places("demo-full.yaml"):
        config = copy.deepcopy(base)
        place = config
        for key in path:
            place = place[key]
        if not isinstance(place, dict) or not place or FREE & set(path[-1:]) or path in found:
            continue
        if path[0] in ("baselines", "strategies") or {"confusion", "scratch", "labels"} & set(path):
            continue  # not the models', but a method's own
        known = max(place, key=len)
        place[f"{known}e"] = place[known]
        if path[-1] in ("arms", "datasets"):  # headings of a table
            continue
        refused = resolved_or_named(config)
        assert f'unknown key "{known}e" in {".".join(map(str, path))}; did you mean "' in refused
        found.add(path)
    assert len(found) > 60, "most mappings of the models were looked at"


ARM = {"label": "x", "start": "tapt", "strategy": "entropy"}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("budget", [math.nan], "config: budget.0: nan; … finite"),
        ("protocols/paper/learning_rate", math.inf, "learning_rate: inf; expected a finite"),
        ("protocols/paper/learning_rate", "1e-4", "sign before an exponent: 1.0e-4"),
        ("protocols/paper/learning_rate", True, "learning_rate: True"),
        ("protocols/paper/learning_rate", 0, "learning_rate: 0; … 0"),
        ("strategies", {"alps": {"bins": math.nan}}, "strategies.alps.bins: nan"),
        ("seeds", [2.0], "seeds.0: 2.0; … whole number"),
        ("seeds", [True], "seeds.0: True; … whole number"),
        ("seeds", [-1], "seeds.0: -1; expected 0"),
        ("seeds", [1, 1], "seeds … twice"),
        ("budget", [], "config: budget: []"),
        ("budget", [0.0, 0.5], "budget.0: 0.0; … than 0"),
        ("budget", [-0.1, 0.5], "budget.0: -0.1; … than 0"),
        ("budget", [0.5, 0.25, 1.0], "0.25 comes after 0.5"),
        ("budget", [0.5, 1.01], "budget.1: 1.01; expected 1"),
        ("budget", 0.5, "budget: 0.5; expected a list"),
        ("run", "demo\n", "run … line break"),
        ("run", "Corpora", "results/corpora"),
        ("run", "a*b", "letters, digits and hyphens"),
        ("run", "{x}", "letters, digits and hyphens"),
        ("run", "..", "letters, digits and hyphens"),
        ("arms/AFTER", ARM, "arms: after and AFTER"),
        ("arms/a b", ARM, "'a b'; … hyphens"),
        ("tapt/pretrained", {}, "tapt … pretrained"),
        ("corpora/synthetic-emodb/layout", "emo_db", "emo_db … did you mean emodb"),
        ("corpora/synthetic-emodb/options", {"ignor": "x"}, "option ignor … ignore"),
        ("corpora/synthetic-emodb/options", {"ignore": 3}, "option ignore is 3"),
        ("backbones/small/pretraining/objective", "eq3", "backbones.small.pretraining: pre-train"),
        ("backbones/small/pretraining/objective", "p-tapt", "needs labels"),
        ("backbones/small/scratch/layers", 0, "layers is 0; … above 0"),
        ("backbones/small/scratch/layers", None, "backbones.small: backbone, scratch: layers mis"),
        ("backbones/small/scratch/conv_stride", [5, 0], "conv_stride is [5, 0]"),
        ("backbones/small/scratch/conv_kernel", [5], "expected equal lengths"),
        ("backbones/small/scratch/heads", 7, "heads … hidden_size"),
        ("classes", ["anger"], "classes: ['anger']; … 2"),
        ("classes", ["anger", "anger"], "classes … twice"),
        ("arms/after/label", "a\tb", "label … line break"),
        ("tables/robustness/budget", [], "tables.robustness.budget: []"),
    ],
)  # fmt: skip
def test_mistakes_that_look_like_values_are_named(path, value, message):
    config = preset()
    change(config, path, value)
    with refused(message):
        resolve(config)


def test_a_row_of_table_3_without_its_budget_is_named_where_robustness_is_shown_too():
    config = preset()
    row = next(row for row in config["tables"]["table3"]["rows"].values() if "arm" in row)
    del row["budget"]
    with pytest.raises(InputError, match="table3.*baseline or arm"):
        resolve(config)


def test_a_config_that_holds_itself_is_named():
    config = tiny()
    config["strategies"] = {"alps": {}}
    config["strategies"]["alps"]["bins"] = config["strategies"]
    with pytest.raises(InputError, match="nested without end"):
        resolve(config)


@fuzz(60)
@given(st.binary(max_size=60))
@example(b"a: &x [*x]\n")
@example(b"&a {? *a : b}\n")
@example(b"\xff\xfe")
@example(b"a: [1, 2")
def test_looking_for_keys_given_twice_never_fails_otherwise(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(data)
    outcome(lambda: check_files([path]))


def test_keys_given_twice_are_named_with_their_lines(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(
        "run: a\narms:\n  after: {label: x}\n  other: {label: y}\n  after: {label: z}\n"
    )
    with pytest.raises(InputError, match="after .*line 3 .*line 5"):
        check_files([path])
    path.write_text("a: &x {b: 1}\nc: {<<: *x, d: 1}\ne: {<<: *x, d: 1}\n")
    check_files([path, tmp_path / "gone.yaml"])
    for preset_path in (TINY, *(REPO / "config").glob("*.yaml")):
        check_files([preset_path])


CASES = {
    "no YAML": ("run: [tiny\nbudget: {", "not valid JSON or YAML"),
    "no mapping": ("- run\n- tiny\n", "keys at top level"),
    "twice": (None, "key run is in line"),
    "nan": (None, "protocols.paper.learning_rate: nan; expected a finite number"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_snakemake_ends_with_one_clear_line_and_makes_nothing(tmp_path, case):
    path = tmp_path / "config.yaml"
    text, words = CASES[case]
    config = tiny()
    if case == "nan":
        config["protocols"]["paper"]["learning_rate"] = math.nan
    if text is not None:
        path.write_text(text, encoding="utf-8")
    else:
        write_config(path, config)
    if case == "twice":
        path.write_text(f"{path.read_text(encoding='utf-8')}\nrun: other\n", encoding="utf-8")
    run = snakemake(tmp_path, path, "--dry-run")
    assert run.status != 0
    told = [line for line in run.output.splitlines() if words in line]
    assert len(told) == 1, run.output
    assert "Traceback" not in run.output
    assert not contents(tmp_path) and not (tmp_path / "results").exists()


def test_the_configs_that_are_broken_above_are_sound():
    for name in ("tiny", "demo-full.yaml"):
        assert resolved_or_named(copy.deepcopy(whole(name))) == ""
        assert len(all_places(name)) > 150
    assert yaml.safe_load(TINY.read_text(encoding="utf-8")) == tiny()
