"""Config of each table and figure; a docstring says what the table or figure shows.

Light on imports: the Snakefile reads this.
"""

from __future__ import annotations

from typing import Annotated, Any

from annotated_types import Ge, Le, MinLen

from after_ser.core.settings import Budgets, Fraction, Many, Name, Settings, Several, key, optional

_DATASET = "a key of `datasets`"
_ARM = "an arm's id"
_ARMS = "a list of arms' ids"
_HEADED = "heading to an arm's id"
_BUDGETS = "fractions that are shown"
_AGAINST = "the arm that the others are compared with"
_BESIDE = "; for a fair comparison, its start, initial set and protocol are theirs"
#: Keys of a table that name the arm which its `arms` are measured against.
AGAINST = ("reference", "random", "baseline")
_Headed = Annotated[dict[str, Name], MinLen(1)]
#: The released code's slips and choices, all of them and each alone.
_SWITCHES = (
    *("released", "argpartition", "budget-shift", "cold-start", "unshuffled", "drop-last"),
    *("last-epoch", "spec-augment", "class-weights", "relu-first", "initial-released"),
    *("head-crop", "released-split", "w2v2"),
)
#: The whole train split.
_All = Annotated[float, Ge(1), Le(1)]
_Compared = Annotated[dict[str, Name], MinLen(2)]


class _OfDataset(Settings):
    dataset: Name = key(..., _DATASET, "merged")


class _OfArms(_OfDataset):
    arms: Many[Name] = key(..., _ARMS, ["after", "kmeans-random"])
    budgets: Budgets = key(..., _BUDGETS)


class RobustnessFigure(Settings):
    """Draws the table of that name."""


class Fewshot(Settings):
    """Macro-F1 without pre-finetuning and what it gains, by number of source corpora and k."""


class Table1(_OfDataset):
    """Composition of a dataset."""


class Claims(_OfDataset):
    """Every claim of the paper with this run's effect and a verdict ([claims.md](claims.md)); it
    looks at what the others show and runs nothing.
    """

    protocol: Name = key("paper", "whose cells are looked at, a key of `protocols`", "paper")


class Table2(_OfDataset):
    """One arm by labelled fraction, with its time."""

    arm: Name = key(..., _ARM, "after")
    budgets: Budgets = key(..., _BUDGETS)


class Row(Settings):
    """A row of table3: a baseline, or an arm at a fraction."""

    baseline: Name = optional("a key of `baselines`; it is trained on all labels", "glam")
    arm: Name = optional(_ARM, "after")
    budget: Fraction = optional("the arm's fraction")


class Table3(Settings):
    """Baselines and arms on the same folds, and the lead of the reference over each."""

    datasets: _Headed = key(..., "heading to a key of `datasets`", {"Merged": "merged"})
    rows: Annotated[dict[str, Row], MinLen(1)] = key(
        ...,
        "heading to `{baseline: …}` (a key of `baselines`) or `{arm: …, budget: …}`; a baseline of "
        "your file without a row gets one under its name, at the end",
        {"AFTER": {"arm": "after", "budget": 0.2}},
    )
    reference: str = key(..., "heading of the row that each other row is compared with", "AFTER")


class Rounds(_OfDataset):
    """An arm with `split: own`, round by round: val scores, labels, what was left out,
    agreement.
    """

    arm: Name = key(..., _ARM, "after")
    budgets: Budgets = optional(_BUDGETS, unset="all of `budget`")


class Table4(_OfDataset):
    """Several arms at equal fractions, and the difference of each active arm to random from the
    same start.
    """

    columns: _Headed = key(
        {
            "Random FT": "ft-random",
            "Random TAPT+FT": "tapt-random",
            "Entropy FT": "ft-entropy",
            "AFTER": "after",
        },
        _HEADED,
    )
    budgets: Budgets = key(..., _BUDGETS)


class Comparisons(_OfArms):
    """Each arm minus a reference arm at equal fractions, with intervals and tests."""

    reference: Name = key("kmeans-random", "the arm that is subtracted from each of `arms`")


class Learning(_OfArms):
    """Area under the learning curve, deficiency, and labels needed, against a random arm."""

    random: Name = key("kmeans-random", _AGAINST + _BESIDE)
    budgets: Several[Fraction] = key(..., _BUDGETS)
    full_data: _All = optional(
        "`1.0` runs the random arm, and only it, up to all labels: then it is known how many "
        "labels the others need for that score. Left out, it is known where `budgets` has 1.0"
    )


class Penalty(_OfArms):
    """For each pair of arms, the share of the fractions at which one is significantly better."""

    arms: Several[Name] = key(..., _ARMS, ["after", "kmeans-random"])


class Robustness(_OfDataset):
    """Trained models on degraded test clips and on the clean ones."""

    arms: Many[Name] = key(..., _ARMS, ["after", "kmeans-random"])
    budget: Fraction | dict[str, Fraction] = optional(
        "the fraction whose model is tested, for all arms or by arm",
        unset="the last one shown elsewhere",
    )
    conditions: Annotated[dict[str, Many[float]], MinLen(1)] = key(
        {
            "white": [30, 20, 10, 5, 0],
            "babble": [20, 10, 5, 0],
            "reverb": [0.3, 0.6, 1.0],
            "telephone": [3400, 2400],
            "coding": [24, 12, 6],
        },
        "perturbation to its levels, easiest first (below)",
    )


class Outliers(_OfArms):
    """Share of near-duplicate, foreign and mislabelled clips among what each arm picked, against
    random.
    """

    random: Name = key("noisy-random", _AGAINST + _BESIDE)


class ProtocolEffect(_OfArms):
    """Arms of other protocols, splits or starts beside a baseline: UA and WA, the difference paired
    by fold and seed, the share actually labelled, and the share of each query in the true top k.
    """

    baseline: Name = key("after", _AGAINST)
    arms: Many[Name] = key([f"after-{switch}" for switch in _SWITCHES], _ARMS)


class TaptAblation(_OfDataset):
    """Arms that differ in their start only, one of them `pretrained`: UA and WA by fold, over
    folds, and the paired difference to `pretrained`.
    """

    arms: _Compared = key(
        {
            "None": "ft-random",
            "Eq. 1": "tapt-eq1-random",
            "Eq. 2": "tapt-eq2-random",
            "Eq. 1 + Eq. 2": "tapt-random",
            "wav2vec 2.0's own": "tapt-w2v2-random",
        },
        _HEADED,
    )
    budgets: Budgets = key([1.0], _BUDGETS)


class TaptSessions(_OfDataset):
    """V-FT, TAPT and P-TAPT: one-shot arms at 1.0 that differ in their start only, one of them
    `pretrained`: UA per test session as mean ± s.d. over seeds, their average, the differences of
    each two with tests, and the values of arXiv 2110.06309.
    """

    arms: _Compared = key({"V-FT": "vft", "TAPT": "vft-tapt", "P-TAPT": "vft-ptapt"}, _HEADED)
    budgets: Annotated[list[_All], MinLen(1)] = key([1.0], "all labels")


class Figure2(_OfArms):
    """UA by labelled fraction, a line per arm."""

    arms: Annotated[list[Name], MinLen(1)] = key(..., _ARMS, ["after", "kmeans-random"])


class Bar(Settings):
    """A bar of figure3."""

    arm: Name = key(..., _ARM, "after")
    budget: float = key(..., "the fraction that the bar stands at")


class Curve(Settings):
    """The curve of figure3."""

    arm: Name = key(..., _ARM, "after")
    budgets: Budgets = key(..., _BUDGETS)


class Figure3(_OfDataset):
    """Time by step (bars), and how it grows with the labels (curve)."""

    bars: Annotated[dict[str, Bar], MinLen(1)] = key(
        {
            "FT": {"arm": "ft-random", "budget": 1.0},
            "TAPT+FT": {"arm": "tapt-random", "budget": 1.0},
            "FT+AL": {"arm": "ft-entropy", "budget": 0.2},
            "TAPT+FT+AL": {"arm": "after", "budget": 0.2},
        },
        "heading to `{arm: …, budget: …}`",
    )
    curve: Curve = key(..., "`{arm: …, budgets: […]}`", {"arm": "after", "budgets": [0.1, 1.0]})


def requested(item: dict[str, Any]) -> list[tuple[str, list[float]]]:
    """Return the (arm id, budgets) pairs that one table or figure of the config shows."""
    if "conditions" in item:
        return [(arm, [item["budget"][arm]]) for arm in item["arms"]]
    if "arm" in item:
        return [(item["arm"], item["budgets"])]
    if "arms" in item:
        arms = list(item["arms"].values() if isinstance(item["arms"], dict) else item["arms"])
        against = [item[key] for key in AGAINST if key in item]
        pairs = [(arm, item["budgets"]) for arm in [*against, *arms]]
        full = [(item["random"], [item["full_data"]])] if "full_data" in item else []
        return pairs + full
    if "columns" in item:
        return [(arm, item["budgets"]) for arm in item["columns"].values()]
    if "rows" in item:
        return [(row["arm"], [row["budget"]]) for row in item["rows"].values() if "arm" in row]
    if "bars" in item:
        bars = [(bar["arm"], [bar["budget"]]) for bar in item["bars"].values()]
        return [*bars, (item["curve"]["arm"], item["curve"]["budgets"])]
    return []


def datasets_of(item: dict[str, Any]) -> list[str]:
    """Return the datasets that one table or figure of the config shows, each once."""
    if "datasets" in item:
        return list(dict.fromkeys(item["datasets"].values()))
    return [item["dataset"]] if "dataset" in item else []


def arms_named(item: dict[str, Any]) -> list[str]:
    """Return the arms that one table or figure of the config names."""
    arms = item.get("arms", [])
    named = [*(arms.values() if isinstance(arms, dict) else arms)]
    alone = ("arm", *(AGAINST if "arms" in item else ()))  # that of table3 is a row
    named += [item[key] for key in alone if key in item]
    parts = [*item.get("rows", {}).values(), *item.get("bars", {}).values(), item.get("curve", {})]
    named += [*item.get("columns", {}).values(), *(part["arm"] for part in parts if "arm" in part)]
    return named
