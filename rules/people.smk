"""A person as the oracle: how far the run has come, and where its DAG ends."""

from after_ser.annotation.asked import Asked
from after_ser.annotation.ending import Ending
from after_ser.annotation.places import VAL, asked_in

PEOPLE = Asked(CONFIG, cells(CONFIG))
ENDING = None
if workflow.is_main_process and PEOPLE.cells:
    ENDING = Ending(PEOPLE.current_state, PEOPLE.pages, workflow.dryrun)


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
    val = own[0].of_fold("answers.json")
    return [val, *(f"{cell.folder}/answers.json" for cell in own)]
