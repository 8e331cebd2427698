"""`python -m after_ser own`: one run after the other until a person is needed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from after_ser.config.resolve import resolve
from after_ser.core.errors import InputError
from after_ser.core.people import asks_people
from after_ser.judge.grid import cells
from after_ser.studies.annotation.asked import Asked
from after_ser.studies.annotation.state import waiting_line


def ask_people(configfile: Path, audio: str, arguments: list[str]) -> tuple[str, list[str], str]:
    """Run Snakemake until something waits for answers or all is done.

    Return the run's name, the arguments Snakemake was given, and what to do next.

    audio: the folder of the recordings, the config's corpora_root; arguments: more of Snakemake's.
    A question that was answered before it was asked (labels brought along) needs nobody, so the
    next run follows at once. Raises InputError where there is no such folder, and SystemExit with
    Snakemake's status where it failed.
    """
    if not audio or not Path(audio).expanduser().is_dir():
        raise InputError(f"AUDIO={audio}: no such folder; expected one with your recordings")
    # whole, so that the folder named in another way is no other one and nothing is made again
    audio = str(Path(audio).expanduser().absolute())
    # the text reaches YAML as it is: see the command `quoted`
    root = f"corpora_root=!!str {json.dumps(audio, ensure_ascii=False)} #"
    given = ["--configfile", str(configfile), *arguments, "--config", root]
    config = _config(configfile, audio)
    asked = Asked(config, cells(config))
    while True:
        before = asked.current_state().done
        status = patient_run([sys.executable, "-m", "snakemake", *given])
        if status:
            raise SystemExit(status)
        state = asked.current_state()
        if state.next is None or state.published or state.done == before:
            return asked.run, given, waiting_line(state, asked.pages)


def patient_run(command: list[str]) -> int:
    """Run a command and return its status; Ctrl-C, which reaches it too, waits for its end.

    `subprocess.run` would kill Snakemake, which then leaves its lock behind.
    """
    process = subprocess.Popen(command)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def _config(configfile: Path, audio: str) -> dict[str, Any]:
    try:
        text = configfile.read_text(encoding="utf-8")
        given = yaml.safe_load(text)
    except OSError as error:
        raise InputError(f"{configfile}: {error.strerror}; expected a config file") from None
    except (UnicodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{configfile}: no YAML ({reason}); expected a config file") from None
    if not isinstance(given, dict):
        raise InputError(f"{configfile}: no settings; expected a config file such as own.yaml")
    config = resolve({**given, "corpora_root": audio})
    if not any(asks_people(config, arm["protocol"]) for arm in config["arms"].values()):
        raise InputError(f"{configfile}: no arm's oracle is a person; expected kind: human")
    return config
