"""A person as the oracle: how far the run has come, and where its DAG ends."""

from after_ser.annotation.asked import Asked
from after_ser.annotation.ending import Ending
from after_ser.annotation.places import VAL, asked_in

PEOPLE = Asked(CONFIG, cells(CONFIG))
ENDING = None
if workflow.is_main_process and PEOPLE.cells:
    ENDING = Ending(PEOPLE.current_state, PEOPLE.pages, workflow.dryrun)
