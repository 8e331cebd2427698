"""What the model of the config cannot say about the configuration of the few-shot study."""

from __future__ import annotations

from typing import Any

from after_ser.errors import InputError, expect_key
from after_ser.fewshot.grid import BASELINE, is_wanted

Config = dict[str, Any]


def check_fewshot(config: Config) -> None:
    """Raise InputError for a study that is shown and not there, or that cannot be run."""
    study = config.get("fewshot")
    if study is None:
        if is_wanted(config):
            raise InputError(
                "config: tables.fewshot and figures.fewshot show the few-shot study; expected its "
                "settings under the key fewshot"
            )
        return
    target, sources = study["target"], study["sources"]
    expect_key(target["corpus"], config["corpora"], "fewshot.target.corpus", "corpus")
    for corpus, source in sources.items():
        where = f"fewshot.sources.{corpus}"
        if corpus == BASELINE:
            raise InputError(
                f"config: {where}: this name is the start without sources; use another"
            )
        expect_key(corpus, config["corpora"], "fewshot.sources", "corpus")
        if corpus == target["corpus"]:
            _check_apart(target["speakers"], source.get("speakers"), where)
    sizes = study.get("sizes") or []
    if sizes and max(sizes) > len(sources):
        raise InputError(
            f"config: fewshot.sizes: {max(sizes)} of {len(sources)} sources cannot be combined"
        )
    pretraining = config["backbones"][config["backbone"]].get("pretraining", {})
    heard = pretraining.get("corpora", {}).get(target["corpus"], [])
    _check_apart(
        target["speakers"],
        None if heard == "all" else heard,
        f"backbones.{config['backbone']}.pretraining.corpora.{target['corpus']}",
    )


def _check_apart(targets: list[str], others: list[str] | None, where: str) -> None:
    shared = sorted(set(targets) if others is None else set(targets) & set(others))
    if shared:
        raise InputError(
            f"config: {where}: {', '.join(shared[:5])} of fewshot.target.speakers; expected "
            "speakers that are no targets"
        )
