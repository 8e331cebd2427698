"""From the annotators' answers to one label per clip, or to the list of what is still open."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from after_ser.studies.annotation.answers import Answer

OUT = ("skipped", "unusable")


@dataclass(frozen=True)
class Resolved:
    """The state of one query.

    labels:   clip to label.
    out:      clip to skipped or unusable: it is not asked for again.
    missing:  clips with fewer annotators than wanted.
    disputed: clip to why it has no label yet: a tie, a contradiction.
    votes:    clip to the count of its answers, e.g. "anger:2,sad:1", if it has several annotators.
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
            majority (default) the most frequent answer counts; with adjudicate all must agree.
            Ties, and annotators who give one clip two labels, wait for a decision (a file
            adjudicate*, which overrides every answer). An annotator who skips a clip abstains; a
            clip that all annotators skipped is left out.
    """
    state = Resolved()
    wanted, rule = int(oracle.get("per_clip", 1)), oracle.get("disagreement", "majority")
    for utt in asked:
        answers = by_clip.get(utt, ())
        decisions = sorted({answer.value for answer in answers if answer.decides})
        by_annotator: dict[str, set[str]] = {}
        for answer in answers:
            if not answer.decides:
                by_annotator.setdefault(answer.annotator, set()).add(answer.value)
        for values in by_annotator.values():
            if len(values) > 1:  # skipped first, answered later
                values.discard("skipped")
        if len(by_annotator) > 1:
            state.votes[utt] = _votes_text(by_annotator)
        if len(decisions) > 1:
            state.disputed[utt] = f"decided twice: {' and '.join(decisions)}"
        elif decisions:
            _settle(state, utt, decisions[0])
        elif len(by_annotator) < wanted:
            state.missing.append(utt)
        else:
            _count(state, utt, by_annotator, rule)
    return state


def _count(state: Resolved, utt: str, by_annotator: Mapping[str, set[str]], rule: str) -> None:
    for annotator, values in sorted(by_annotator.items()):
        if len(values) > 1:
            who = annotator or "an annotator without a name"
            state.disputed[utt] = f"{who} says {' and '.join(sorted(values))}"
            return
    votes = [next(iter(values)) for values in by_annotator.values()]
    counts = Counter(vote for vote in votes if vote != "skipped")
    if not counts:
        _settle(state, utt, "skipped")
        return
    winners = [vote for vote, count in counts.items() if count == max(counts.values())]
    if len(winners) > 1 or (rule == "adjudicate" and len(counts) > 1):
        state.disputed[utt] = f"annotators differ: {_votes_text(by_annotator)}"
    else:
        _settle(state, utt, winners[0])


def _settle(state: Resolved, utt: str, value: str) -> None:
    if value in OUT:
        state.out[utt] = value
    else:
        state.labels[utt] = value


def _votes_text(by_annotator: Mapping[str, set[str]]) -> str:
    counts = Counter(value for values in by_annotator.values() for value in values)
    return ",".join(f"{value}:{count}" for value, count in sorted(counts.items()))
