"""Where questions and answers of a run lie. No rule has any of it as an output.

Snakemake removes the outputs of a rule before it runs again, and what a person typed must outlive
every run: results/ can be deleted, annotations/ cannot be made again.

annotations/{run}/{asked}/      asked: val, round0, round1 ...
    query.tsv                   utt, rank, score: what was asked, written once
    queue.csv                   the same for people, who may fill it in
    page.html                   the same in a browser
    label_studio.json, .xml     the same for Label Studio: tasks and labelling interface
    answers/                    any number of filled files: the queue's columns, or its JSON export
    adjudicate*.csv             clips on which answers differ, for a decision
    problems.tsv                what could not be used and why; written anew by every run
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path("annotations")
VAL = "val"
QUERY, QUEUE, PAGE = "query.tsv", "queue.csv", "page.html"
TASKS, INTERFACE = "label_studio.json", "label_studio.xml"
ANSWERS, ADJUDICATE, PROBLEMS = "answers", "adjudicate", "problems.tsv"


def asked_in(round_index: int) -> str:
    """Return what the query of a round is called."""
    return f"round{round_index}"


def every_question(rounds: int) -> list[str]:
    """Return what a run of so many rounds asks, in order: val, round0 ..."""
    return [VAL, *(asked_in(index) for index in range(rounds))]


def folder_of(run: str, asked: str, root: Path = ROOT) -> Path:
    """Return the folder of one published query."""
    return root / run / asked
