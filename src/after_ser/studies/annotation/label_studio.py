"""Label Studio: tasks and labelling interface written, its JSON export read back.

Its formats as documented in https://labelstud.io/guide/task_format and .../guide/export: an export
in format JSON is a list of tasks with `data` and `annotations` (`completed_by`, `was_cancelled`,
`result`); JSON-MIN has one flat object per annotation. Light on imports, as queue_csv.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from after_ser.core.errors import InputError
from after_ser.studies.annotation.queue import QueuedClip

EMOTION, UNUSABLE = "emotion", "unusable"
#: What else stands in an annotation of JSON-MIN: the task's data, and what Label Studio adds.
_NO_CONTROL = frozenset(
    [
        "audio",
        "utt",
        "rank",
        "seconds",
        "id",
        "annotator",
        "annotation_id",
        "created_at",
        "updated_at",
        "lead_time",
    ]
)
_SERVED = "/data/local-files/?d="  # below LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT


def tasks_text(clips: Iterable[QueuedClip]) -> str:
    """Return the tasks to import. Audio is served as a local file below the run's checkout."""
    tasks = [
        {
            "data": {
                "audio": _SERVED + quote(clip.audio.as_posix()),
                "utt": clip.utt,
                "rank": clip.rank,
                "seconds": clip.seconds,
            }
        }
        for clip in clips
    ]
    return json.dumps(tasks, indent=2, ensure_ascii=False) + "\n"


def interface_text(classes: Sequence[str]) -> str:
    """Return the labelling interface: the player, one choice per class, and unusable."""
    choices = "".join(f"    <Choice value={quoteattr(name)}/>\n" for name in (*classes, UNUSABLE))
    return (
        '<View>\n  <Audio name="audio" value="$audio"/>\n'
        f'  <Choices name="{EMOTION}" toName="audio" choice="single" showInLine="true">\n'
        f"{choices}  </Choices>\n</View>\n"
    )


def read_export(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Return (number of the task, values by the queue's columns) of every annotation.

    A cancelled annotation is `skipped`, the choice unusable has the status of that name; a task
    that nobody has annotated gives no row. Raises InputError for a file that is no such export.
    """
    try:
        tasks = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        raise InputError(f"{path} is not JSON; expected Label Studio's export as JSON") from None
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise InputError(f"{path} is not a list of tasks; expected Label Studio's export as JSON")
    rows: list[tuple[int, dict[str, str]]] = []
    for number, task in enumerate(tasks, 1):
        data = task.get("data")
        if isinstance(data, dict):
            utt = _name(data.get("utt"))
            for annotation in task.get("annotations") or []:
                if not isinstance(annotation, dict):
                    raise InputError(f"{path}: task {number} has an annotation that is none")
                rows.append((number, {"utt": utt, **_answer(annotation)}))
        elif "utt" in task:  # JSON-MIN
            given = {key: _choices(value) for key, value in task.items() if key not in _NO_CONTROL}
            answer = _label_and_status(_chosen(given)) | _by(task.get("annotator"))
            rows.append((number, {"utt": _name(task["utt"]), **answer}))
        else:
            raise InputError(f"{path}: task {number} has no utt; expected the tasks given to it")
    return rows


def _answer(annotation: dict[str, Any]) -> dict[str, str]:
    by = _by(annotation.get("completed_by"))
    if annotation.get("was_cancelled"):
        return {"label": "", "status": "skipped", **by}
    given: dict[str, list[str]] = {}
    for result in annotation.get("result") or []:
        if isinstance(result, dict):
            value = result.get("value")
            chosen = _choices(value.get("choices") if isinstance(value, dict) else None)
            given.setdefault(_text(result.get("from_name")), []).extend(chosen)
    return {**_label_and_status(_chosen(given)), **by}


def _chosen(given: dict[str, list[str]]) -> list[str]:
    """Return the choices of the control `emotion`, or of the only other one that has any.

    Of several others none is guessed: their names and choices become one label that is no class,
    which is reported with what was expected.
    """
    others = {name: chosen for name, chosen in given.items() if chosen}
    if EMOTION in given or len(others) < 2:
        return given[EMOTION] if EMOTION in given else next(iter(others.values()), [])
    return ["; ".join(f"{name}: {' + '.join(chosen)}" for name, chosen in others.items())]


def _label_and_status(chosen: list[str]) -> dict[str, str]:
    """Return label and status; several choices become a label that is no class and is reported."""
    if chosen == [UNUSABLE]:
        return {"label": "", "status": UNUSABLE}
    return {"label": " + ".join(chosen), "status": "labelled" if chosen else ""}


def _choices(value: Any) -> list[str]:
    if isinstance(value, dict):
        value = value.get("choices")
    if isinstance(value, list):
        return [_text(item) for item in value]
    return [value] if isinstance(value, str) and value else []


def _by(who: Any) -> dict[str, str]:
    if isinstance(who, dict):
        who = who.get("email") or who.get("id")
    return {"annotator": "" if who is None else f"label-studio:{_text(who)}"}


def _name(value: Any) -> str:
    return value if isinstance(value, str) else ""  # as it was given: a name may have two spaces


def _text(value: Any) -> str:
    return " ".join(str(value).split()) if isinstance(value, str | int) else ""
