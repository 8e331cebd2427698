"""Where the DAG of a run that asks people ends, and what lies before it."""

import pytest

from after_ser.judge.grid import cells
from after_ser.studies.annotation.answers import read_answered
from after_ser.studies.annotation.asked import Asked
from after_ser.studies.annotation.places import every_question
from after_ser.studies.annotation.state import State
from tests.judge.test_grid import config


@pytest.fixture
def asked():
    resolved = config("own.yaml")
    return Asked(resolved, cells(resolved))


def after(asked, answered, tmp_path):
    """The same, when so many questions have been answered."""
    questions = every_question(len(asked.cells))
    waiting = questions[answered] if answered < len(questions) else None
    nothing = read_answered(tmp_path, [])
    asked.state = State(asked.run, questions[:answered], waiting, nothing)
    return asked


@pytest.mark.parametrize(
    ("answered", "last", "pages"), [(0, "val", 0), (1, "round0", 0), (2, "round1", 1)]
)
def test_it_ends_at_the_first_query_without_all_its_answers(asked, answered, last, pages, tmp_path):
    targets = after(asked, answered, tmp_path).targets()
    questions = [path for path in targets if "/annotation/" in path]
    assert questions[-1].endswith(f"/annotation/{last}.json") and len(questions) == answered + 1
    assert [path for path in targets if path.endswith(".html")] == asked.pages[:pages]
    assert [cell.round for cell in asked.cells if asked.answered(cell)] == list(range(answered - 1))


def test_a_run_whose_every_query_is_answered_has_every_round(asked, tmp_path):
    after(asked, len(asked.cells) + 1, tmp_path)
    assert all(asked.answered(cell) for cell in asked.cells)
    assert set(asked.pages) <= set(asked.targets())


def test_what_needs_no_answer_is_made_while_people_label(asked, tmp_path):
    first = asked.cells[0]
    targets = after(asked, 0, tmp_path).targets()
    assert f"{first.start_folder}/timing.json" in targets
    assert f"{first.latents_folder}/timing.json" in targets


def test_a_query_asks_for_val_then_for_the_initial_set_then_for_a_round(asked):
    first, second = asked.cells[:2]
    assert asked.query("val") == f"{first.dataset_folder}/fold1.val_query.tsv"
    assert asked.query("round0") == f"{first.seed_folder}/initial.tsv"
    assert asked.query("round1") == f"{second.folder}/query.tsv"


def test_nobody_is_asked_where_the_oracle_is_simulated():
    resolved = config()
    asked = Asked(resolved, cells(resolved))
    assert asked.targets() == asked.pages == []
    assert all(asked.answered(cell) for cell in cells(resolved))
