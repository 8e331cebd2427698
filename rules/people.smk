"""A person as the oracle: how far the run has come, and where its DAG ends.

The DAG ends at the first query that is not answered. What was answered is looked up while the
workflow is parsed; what rules depend on is a hash of it, so that a round is fitted again when and
only when an answer to it has changed.
"""

import os

from after_ser.annotation.ending import Ending
from after_ser.annotation.places import VAL, asked_in, every_question, folder_of
from after_ser.annotation.state import read_state

ANNOTATION = f"results/{RUN}/annotation"


@cache
def human_cells():
    """Every round of the arm that people are asked for; none where nobody is."""
    return [cell for cell in cells(CONFIG) if cell.protocol in HUMAN]


def current_state():
    """Questions and answers of this run, read anew."""
    oracle = CONFIG["protocols"][human_cells()[0].protocol]["oracle"]
    return read_state(RUN, len(human_cells()), CONFIG["classes"], oracle)


@cache
def state_of_answers():
    """Questions and answers of this run, as they were when it started."""
    try:
        return current_state()
    except InputError as error:
        raise WorkflowError(str(error)) from None


def answered(cell):
    """Whether a cell can be fitted: its query is answered, or nobody was asked."""
    return cell.protocol not in HUMAN or asked_in(cell.round) in state_of_answers().done


def asked_files():
    """The queries up to the first one that waits for answers, and what needs no answer."""
    if not human_cells():
        return []
    state = state_of_answers()
    questions = every_question(len(human_cells()))
    last = len(questions) if state.next is None else questions.index(state.next) + 1
    files = [f"{ANNOTATION}/{asked}.json" for asked in questions[:last]]
    # val is asked for before round 0, so a round before the last question has been fitted
    rounds = len(questions) - 1 if state.next is None else max(0, last - 2)
    return files + progress_pages()[:rounds] + unlabelled_work()


def progress_pages():
    """The page after each round, of finished rounds and of those to come."""
    return [f"{cell.folder}/progress.html" for cell in human_cells()]


def unlabelled_work():
    """TAPT and latents: done while people label the first clips."""
    cell = human_cells()[0]
    wanted = [path for part, path in cell.lineage if part in ("tapt", "latents")]
    return list(dict.fromkeys(wanted))


def digest_of(asked):
    """A param that changes with the answers to a query."""

    def digest(wildcards):
        return state_of_answers().digest(asked.format(**wildcards))

    return digest


def query_of(wildcards):
    """The clips that a query asks for."""
    cell = human_cells()[0]
    if wildcards.asked == VAL:
        return f"{cell.dataset_folder}/fold{cell.fold}.val_query.tsv"
    index = int(wildcards.asked.removeprefix("round"))
    if index == 0:
        return f"{os.path.dirname(cell.folder)}/initial.tsv"
    return f"{human_cells()[index].folder}/query.tsv"


def frozen_query(wildcards):
    """Where a query lies once it was published."""
    return str(folder_of(RUN, asked_in(wildcards.get("round", 0))) / "query.tsv")


ENDING = None
if workflow.is_main_process and human_cells():
    ENDING = Ending(current_state, progress_pages(), workflow.dryrun)


def human_oracle():
    """How people's answers are counted."""
    return CONFIG["protocols"][HUMAN[0]]["oracle"] if HUMAN else {}


def cells_of_table(name):
    """The cells of one table that exist by now."""
    wanted = set(cells_of(CONFIG, CONFIG["tables"][name]))
    return [cell for cell in scored_cells() if cell in wanted]


def cell_of_table(name):
    """One of the cells of a table, for what they share."""
    return cells_of_table(name)[0]


def answers_of_table(name):
    """What people answered, for the rounds that a table shows."""
    own = cells_of_table(name)
    if not own or own[0].protocol not in HUMAN:
        return []
    val = f"{own[0].dataset_folder}/fold{own[0].fold}.answers.json"
    return [val, *(f"{cell.folder}/answers.json" for cell in own)]
