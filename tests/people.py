"""A script in the place of the people: finds what was asked and answers with the truth."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

from after_ser.tools.synthesis.write import write_corpus

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "tests/config/own.yaml"
RUN = "tiny-own"
COLUMNS = ("rank", "utt", "audio", "label", "status", "annotator", "comment")
EMOTIONS = {"W": "anger", "N": "neutral", "T": "sad", "F": "happy"}


def recordings(folder: Path) -> list[Path]:
    """Return a few dozen clips of four speakers, each with EmoDB's file names.

    They are EmoDB's where AFTER_SER_TEST_DATA has it, else synthetic ones written to `folder`.
    """
    data = os.environ.get("AFTER_SER_TEST_DATA")
    if data:
        clips = [
            clip
            for clip in sorted((Path(data) / "emodb/wav").glob("*a0[12]?*.flac"))
            if clip.stem[:2] in ("03", "08", "10", "13") and clip.stem[5] in EMOTIONS
        ]
    else:
        planned = write_corpus("emodb", folder, clips=60, speakers=4, seed=0)
        clips = sorted(folder / clip.path for clip in planned if not clip.twin)
        clips = [clip for clip in clips if clip.stem[5] in EMOTIONS]
    assert len(clips) > 25 and len({clip.stem[:2] for clip in clips}) == 4, clips
    return clips


def write_speech(folder: Path, clips: list[Path], labels: bool) -> dict[str, str]:
    """Link the clips into `folder` and write labels.csv; return clip to true label."""
    folder.mkdir(parents=True)
    rows = ["path,speaker,label"]
    for clip in clips:
        (folder / clip.name).symlink_to(clip)
        rows.append(f"{clip.name},{clip.name[:2]},{true_label(clip.stem) if labels else ''}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return {f"speech/{clip.stem}": true_label(clip.stem) for clip in clips}


def true_label(name: str) -> str:
    return EMOTIONS[name[5]]


def snakemake(folder: Path, config: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "SNAKEMAKE_PROFILE"}
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    return subprocess.run(
        [*command, "--cores", "1", *arguments, "--configfile", str(config)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1800,
    )


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    """Return what the run said at the very end: what to do now."""
    return done.stderr.rstrip().rpartition("\n")[2]


def read_queue(folder: Path) -> list[dict[str, str]]:
    with (folder / "queue.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def fill_csv(path: Path, rows: list[dict[str, str]], truth: dict[str, str], who: str = "") -> None:
    """Write rows of a queue with the truth, as a person saves them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for row in rows:
            own = {"label": truth[row["utt"]], "status": "labelled", "annotator": who}
            writer.writerow({**row, **own})


def fill_label_studio(folder: Path, truth: dict[str, str]) -> None:
    """Write what Label Studio exports after somebody has annotated every task."""
    tasks = json.loads((folder / "label_studio.json").read_text(encoding="utf-8"))
    exported = [
        {
            "id": number,
            "data": task["data"],
            "annotations": [
                {
                    "id": 100 + number,
                    "completed_by": {"id": 1, "email": "anna@example.org"},
                    "was_cancelled": False,
                    "result": [
                        {
                            "from_name": "emotion",
                            "to_name": "audio",
                            "type": "choices",
                            "value": {"choices": [truth[task["data"]["utt"]]]},
                        }
                    ],
                }
            ],
        }
        for number, task in enumerate(tasks, 1)
    ]
    path = folder / "answers/project-1.json"
    path.write_text(json.dumps(exported), encoding="utf-8")
