"""The config's baselines and its Table 3: defaults filled in, mistakes named."""

from __future__ import annotations

from typing import Any

from after_ser.baselines.registry import registered
from after_ser.errors import InputError, expect_key
from after_ser.settings import check_options

Config = dict[str, Any]


def fill_baselines(config: Config) -> None:
    """Give every baseline a value for every option of its method; raises InputError for others."""
    filled = {}
    for name, given in config["baselines"].items():
        known = registered(given["method"])
        own = {key: value for key, value in given.items() if key != "method"}
        check_options(own, known.options, f"baselines.{name}", known.choices)
        filled[name] = {"method": given["method"], **known.options, **own}
    config["baselines"] = filled


def check_table3(config: Config) -> None:
    """Check the rows of `tables.table3` and add one for each baseline without; raises InputError.

    A row that is added is called by the baseline's name.
    """
    wanted = config["tables"].get("table3")
    if wanted is None:
        return
    for heading, dataset in wanted["datasets"].items():
        expect_key(dataset, config["datasets"], f"tables.table3.datasets.{heading}", "dataset")
    splits = {}
    for heading, row in wanted["rows"].items():
        where = f"tables.table3.rows.{heading}"
        if set(row) not in ({"baseline"}, {"arm", "budget"}):
            raise InputError(
                f"config: {where}: {', '.join(row) or 'nothing'} given; expected either baseline "
                "or arm and budget"
            )
        if "baseline" in row:
            continue
        splits[config["arms"][row["arm"]]["split"]] = heading
        if row["budget"] not in config["budget"]:
            raise InputError(
                f"config: {where}: {row['budget']} is not in budget "
                f"({', '.join(map(str, config['budget']))})"
            )
    if len(splits) > 1:
        raise InputError(
            f"config: tables.table3.rows: {' and '.join(splits.values())} are arms of different "
            "splits; expected one split, so that all rows are tested on the same clips"
        )
    expect_key(wanted["reference"], wanted["rows"], "tables.table3.reference", "row")
    shown = {row.get("baseline") for row in wanted["rows"].values()}
    more = {name: {"baseline": name} for name in config["baselines"] if name not in shown}
    for name in more.keys() & wanted["rows"].keys():
        raise InputError(
            f"config: tables.table3.rows.{name}: this is also the name of a baseline that has no "
            "row; expected another heading, or a row for it"
        )
    rows = {**wanted["rows"], **more}
    config["tables"] = {**config["tables"], "table3": {**wanted, "rows": rows}}
