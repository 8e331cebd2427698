"""From what annotators said of each clip to one label, or to the list of what is still open."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from after_ser.annotation.answers import Answer

OUT = ("skipped", "unusable")


@dataclass(frozen=True)
class Resolved:
    """The state of one query.

    labels:   clip to label.
    out:      clip to skipped or unusable: it is asked for no more.
    missing:  clips with fewer annotators than wanted.
    disputed: clip to why nobody can say: a tie, a contradiction.
    votes:    clip to what was said of it, e.g. "anger:2,sad:1", where several annotators did.
    """

    labels: dict[str, str] = field(default_factory=dict)
    out: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    disputed: dict[str, str] = field(default_factory=dict)
    votes: dict[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether nothing is left to ask."""
        return not self.missing and not self.disputed

    @property
    def digest(self) -> str:
        """Return a hash of the result, which changes when and only when a label does."""
        result = [sorted(self.labels.items()), sorted(self.out.items())]
        return hashlib.sha256(json.dumps(result).encode()).hexdigest()


def resolve_answers(
    asked: Iterable[str], by_clip: Mapping[str, Sequence[Answer]], oracle: Mapping[str, Any]
) -> Resolved:
    """Return the state of a query of the clips `asked`.

    oracle: `per_clip` annotators must have answered a clip (default 1). With `disagreement`
            majority (default) what most said counts; with adjudicate all must have said the same.
            Ties, and annotators who say two things of one clip, wait for a decision (a file
            adjudicate*, which overrides every answer). Who skips a clip abstains; a clip that all
            skipped is left out.
    """
    found = Resolved()
    wanted, rule = int(oracle.get("per_clip", 1)), oracle.get("disagreement", "majority")
    for utt in asked:
        answers = by_clip.get(utt, ())
        decisions = sorted({one.said for one in answers if one.decides})
        said: dict[str, set[str]] = {}
        for one in answers:
            if not one.decides:
                said.setdefault(one.annotator, set()).add(one.said)
        for what in said.values():
            if len(what) > 1:  # who skipped a clip first and then came back to it
                what.discard("skipped")
        if len(said) > 1:
            found.votes[utt] = _counted(said)
        if len(decisions) > 1:
            found.disputed[utt] = f"decided twice: {' and '.join(decisions)}"
        elif decisions:
            _settle(found, utt, decisions[0])
        elif len(said) < wanted:
            found.missing.append(utt)
        else:
            _count(found, utt, said, rule)
    return found


def _count(found: Resolved, utt: str, said: Mapping[str, set[str]], rule: str) -> None:
    for annotator, what in sorted(said.items()):
        if len(what) > 1:
            who = annotator or "an annotator without a name"
            found.disputed[utt] = f"{who} says {' and '.join(sorted(what))}"
            return
    votes = [next(iter(what)) for what in said.values()]
    counted = [one for one in votes if one != "skipped"]
    if not counted:
        _settle(found, utt, "skipped")
        return
    most = max(counted.count(one) for one in counted)
    first = sorted({one for one in counted if counted.count(one) == most})
    if len(first) > 1 or (rule == "adjudicate" and len(set(counted)) > 1):
        found.disputed[utt] = f"annotators differ: {_counted(said)}"
    else:
        _settle(found, utt, first[0])


def _settle(found: Resolved, utt: str, said: str) -> None:
    if said in OUT:
        found.out[utt] = said
    else:
        found.labels[utt] = said


def _counted(said: Mapping[str, set[str]]) -> str:
    votes = [one for what in said.values() for one in what]
    return ",".join(f"{one}:{votes.count(one)}" for one in sorted(set(votes)))
