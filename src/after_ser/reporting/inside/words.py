"""What a page says around its charts and lists: how to read them, and what they cannot say."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from after_ser.reporting.inside.sounds import LONGEST_S
from after_ser.reporting.inside.suspects import SURE

__all__ = ["INTRODUCTION", "LISTS", "LONGEST_S", "MAP", "PLAYER"]

INTRODUCTION = """<p>An arm labels clips in rounds: it looks at the clips that have no label yet
(the pool), has some of them labelled, is trained on all labels so far, and looks again. This page
shows which clips it chose, where they lie among the others, what every round did to the recall of
each class, and where its models are sure and wrong. It is made for looking and listening; whether
one arm is better than another is what the tables are for.</p>
<nav><a href="#chosen">What was chosen</a> <a href="#recall">Recall by class</a>
<a href="#atlas">Map of the pool</a> <a href="#clips">Listen to the choices</a>
<a href="#wrong">Sure and wrong</a></nav>
<noscript><p class="warning">The map and the lists of clips need JavaScript, which is off.</p>
</noscript>"""

MAP = """<h2 id="atlas">Map of the pool</h2>
<p>Every dot is a clip that could be chosen; clips that sound alike to the model's frozen
front end lie close together. Large dots were chosen, black rings mark the newest ones. Move
the slider to follow the rounds; click on a dot to hear it.</p>
<p class="footnote">The place is the clip's mean CNN output (what fine-tuning starts from) on its
first two principal components. A flat map of many dimensions leaves out most of the differences:
the axes say how much they keep. Corpora and rooms often show more clearly than emotions.</p>
<div class="controls">
<label>Run <select id="run"></select></label>
<label>Colour by <select id="colour"><option value="round">round</option>
<option value="class">class</option><option value="corpus">corpus</option></select></label>
<label>Up to <input type="range" id="until" min="0" step="1"> <span id="until-text"></span></label>
</div>
<div class="atlas"><svg id="map" role="img" aria-label="Map of the pool"></svg>
<ul id="legend"></ul></div>
<p class="footnote" id="shown"></p>"""

LISTS = """<h2 id="clips">Listen to the choices</h2>
<p>The clips of one round, of the run chosen above. “Model before” is what the model of the round
before took the clip for, when nobody had told it the answer.</p>
<div class="tabs" id="rounds"></div>
<p class="footnote" id="picked"></p>
<p class="footnote" id="guessed" hidden>No model had looked at these clips before they were
chosen.</p>
<div class="scroll"><table><thead><tr><th>rank</th><th></th><th class="text">clip</th>
<th class="text">corpus</th><th class="text">label</th><th class="text">model before</th>
<th>how sure</th><th title="what the strategy ranked the clip by">score</th></tr></thead>
<tbody id="pick-rows"></tbody></table></div>"""

PLAYER = """<div id="player" hidden><audio id="sound" controls preload="none"></audio>
<span id="playing"></span> <a id="original">original file</a>
<span id="problem" class="warning"></span></div>"""

_STRATEGIES = {
    "entropy": "those whose prediction has the highest entropy",
    "margin": "those whose two most probable classes are closest",
    "least_confidence": "those whose most probable class is least probable",
    "random": "by lot",
}


def how_it_works(arm: Mapping[str, Any], rounds: int, labelled: int) -> str:
    """Return the arm's settings as a sentence; `labelled` clips after `rounds` rounds per run."""
    strategy = arm["strategy"]
    chosen = _STRATEGIES.get(strategy, f"by the strategy {strategy}")
    if arm["schedule"] == "oneshot":
        return (
            f"{arm['label']}: starts from {arm['start']}; {rounds} random subsets, each holding "
            f"the smaller ones, up to {labelled} clips in the first run. Each is a model of its "
            "own; a “round” here is what a subset adds to the one before."
        )
    first = "clusters of the pool (K-means)" if arm["init"] == "kmeans" else "random clips"
    return (
        f"{arm['label']}: starts from {arm['start']}; round 0 takes {first}, every later round "
        f"{chosen}; {labelled} clips after round {rounds - 1} in the first run."
    )


def brought_along(clips: int) -> list[str]:
    """Return a note on the clips that people had labelled before the run, if there are any."""
    if not clips:
        return []
    return [
        f"{clips} clip{'' if clips == 1 else 's'} with a label before anything was asked for: "
        "nobody chose them, so they are neither in the charts of choices nor on the map; models "
        "are trained on them, too."
    ]


def picks(runs: str, folds: int, known: bool) -> str:
    """Return the heading and how to read the shares; `known` says that the pool's classes are."""
    key = [
        (
            '<line class="line" x1="2" x2="32" y1="7" y2="7" stroke="#0072B2" stroke-width="2"/>'
            '<circle cx="17" cy="7" r="4" fill="#0072B2"/>',
            "share among the round's new clips",
        )
    ]
    dashed = '<line x1="2" x2="32" y1="7" y2="7" stroke="#444" stroke-dasharray="4 3"/>'
    band = '<rect x="4" y="2" width="26" height="10" fill="#d4d4d4"/>'
    if known:
        key.append((dashed, "share in the pool they were chosen from"))
        lot = "95 % of what choosing by lot from the same pool gives"
        key.append((band, lot))
    else:
        key.append((dashed, "classes: share in validation; corpora: in the pool"))
        key.append((band, "corpora: 95 % of what choosing by lot from the same pool gives"))
    if folds > 1:
        bar = '<line x1="17" x2="17" y1="1" y2="13" stroke="#0072B2" stroke-width="1.5"/>'
        key.append((bar, f"95 % confidence interval of the mean over {folds} folds"))
    unknown = "" if known else (
        " Nobody knows the classes of clips that are not labelled, so the dashed line of the "
        "classes is their share among the validation clips, if these have labels."
    )  # fmt: skip
    return f"""<h2 id="chosen">What was chosen</h2>
<p>A dot above the dashed line: the arm took more of that kind than the pool has. Inside the grey
band a dot says nothing, since choosing by lot gives the same; and even by lot one dot in twenty
falls outside of it. Where a round takes all that is left, there was nothing to choose.{unknown}</p>
<p class="footnote">Means over {runs}, seeds averaged within their fold. {_intervals(folds)}</p>
<div class="key">{_key(key)}</div>"""


def recall(split: str, runs: str, folds: int) -> str:
    """Return the heading and how to read recall by class, of test or of val."""
    chosen = "" if split == "test" else (
        " There are no test clips: these are validation clips, by which the epoch was chosen, so "
        "the recall is a little too high."
    )  # fmt: skip
    key = [
        (
            '<line x1="2" x2="32" y1="7" y2="7" stroke="#0072B2" stroke-width="2"/>'
            '<circle cx="17" cy="7" r="4" fill="#0072B2"/>',
            "mean over folds",
        )
    ]
    if folds > 1:
        thin = '<line x1="2" x2="32" y1="7" y2="7" stroke="#9fc6df"/>'
        bar = '<line x1="17" x2="17" y1="1" y2="13" stroke="#0072B2" stroke-width="1.5"/>'
        key += [(thin, "a single fold"), (bar, "95 % confidence interval of the mean")]
    name = "test" if split == "test" else "validation"
    return f"""<h2 id="recall">Recall by class</h2>
<p>Of the {name} clips of a class, the share that the model of each round recognises.{chosen}</p>
<p class="footnote">{runs}; seeds are averaged within their fold. {_intervals(folds)}</p>
<div class="key">{_key(key)}</div>"""


def suspects(sure: Mapping[str, Any], source: str, known: bool) -> str:
    """Return the heading of the sure mistakes, and how often predictions this sure are right."""
    name = "test" if source == "test" else "validation"
    level = f"{100 * SURE:.0f} %"
    if not sure["clips"]:
        often = f"No {name} prediction is as sure as {level}."
    else:
        often = (
            f"Where the models are at least {level} sure of a {name} clip ({sure['clips']} of "
            f"{sure['of']} predictions), they are right in {100 * sure['mean']:.0f} %"
        )
        if sure["ci_low"] is not None:
            low, high = max(0.0, sure["ci_low"]), min(1.0, sure["ci_high"])
            often += f" (95 % CI over {sure['n_folds']} folds: {100 * low:.0f} to {100 * high:.0f})"
        elif sure["n_folds"] == 1:
            often += " (one fold: no interval)"
        often += ": the further this is from 100 %, the less a sure model says about a label."
    truth = "" if known else (
        " Labels of clips that nobody has labelled are unknown, so no such clip is listed."
    )  # fmt: skip
    return f"""<h2 id="wrong">Sure and wrong</h2>
<p>Clips whose label the models contradict most strongly. Some will be labelled wrongly, some
ambiguous, and some are plainly the model's mistakes: only listening tells. {escape(often)}</p>
<p class="footnote">Only predictions by models that were not trained on the clip, averaged over all
such models; ranked by how far the label's probability is behind the most probable class
(normalised margin, Northcutt, Jiang and Chuang 2021).{truth}</p>
<div class="tabs" id="kinds"></div>
<p class="footnote" id="kind"></p>
<div class="scroll"><table><thead><tr><th></th><th class="text">clip</th>
<th class="text">corpus</th><th class="text">label</th><th class="text">model says</th>
<th>probability</th><th>of the label</th>
<th title="models that say the same as their mean">models agree</th></tr></thead>
<tbody id="suspects"></tbody></table></div>"""


def _intervals(folds: int) -> str:
    if folds == 1:
        return "One fold: there is no confidence interval over folds."
    if folds == 2:
        return "An interval from two folds is so wide that it says little."
    return ""


def _key(entries: list[tuple[str, str]]) -> str:
    return "".join(
        f'<span><svg viewBox="0 0 34 14">{mark}</svg>{escape(text)}</span>'
        for mark, text in entries
    )
