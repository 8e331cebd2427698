"""Real faults in a real run: starting, watching and killing Snakemake and its jobs."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
from selfsupervised_clips import ARCH

from after_ser.model.families.conv_encoder import save_model
from after_ser.model.scratch import build_scratch

REPO = Path(__file__).parent.parent.parent
CONFIG = Path(__file__).parent / "faults.yaml"
HOOKS = Path(__file__).parent / "hooks"
WAIT = 1500  # seconds; only a hang takes so long, on whatever machine
SPLIT = "results/faults/paper"
TAPT = f"{SPLIT}/tapt/toy/tapt/savee/fold1/seed0"
TAPT_STATE = f"{SPLIT}/state/tapt/toy/tapt/savee/fold1/seed0"
TAPT_LOG = f"{SPLIT}/log/tapt/toy/tapt/savee/fold1/seed0.log"
AL = f"{SPLIT}/al/paper/toy/tapt/savee/fold1/kmeans/seed0"
ROUND = f"{AL}/entropy/round1"
FIT_LOG = f"{ROUND}/log/fit.log"
DATASET = f"{SPLIT}/datasets/savee"
#: What no time is in.
COMPARED = ("results/faults/tables", "results/faults/scores.tsv", ROUND, TAPT)
TIMED = ("timing.json", "query_timing.json", "times.tsv", "baseline_times.tsv")


class Started:
    """A command that runs in a place, its screen in a file."""

    def __init__(self, place, command, environment):
        self.screen = place / f"screen{time.monotonic_ns()}.txt"
        with open(self.screen, "w") as out:
            self.process = subprocess.Popen(
                command,
                cwd=place,
                env=environment,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self):
        return self.screen.read_text(encoding="utf-8", errors="replace")

    def finish(self):
        try:
            return self.process.wait(timeout=WAIT)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running:\n{self.output[-3000:]}") from None

    def job(self, rule):
        """Wait for the Python process of a rule's script and return it."""
        main = psutil.Process(self.process.pid)
        return self.wait_for(lambda: _script(main, rule), f"a process of rule {rule}")

    def wait_for(self, condition, what):
        """Look at `condition` every few milliseconds until it holds; return what it returned."""
        until = time.monotonic() + WAIT
        while time.monotonic() < until:
            found = condition()
            if found:
                return found
            if self.process.poll() is not None:
                raise AssertionError(f"over before there was {what}:\n{self.output[-3000:]}")
            time.sleep(0.003)
        raise AssertionError(f"never saw {what}:\n{self.output[-3000:]}")


def _script(main, rule):
    try:
        for child in main.children(recursive=True):
            command = child.cmdline()
            if len(command) > 1 and re.search(rf"scripts/tmp\w+\.{rule}\.py$", command[1]):
                return child
    except psutil.Error:
        pass
    return None


class Place:
    """A working folder of the workflow."""

    def __init__(self, folder):
        self.folder = folder
        self.started = []

    @classmethod
    def copy(cls, source, target):
        shutil.copytree(source.folder, target, symlinks=True)
        return cls(target)

    def __truediv__(self, path):
        return self.folder / path

    def run(self, *command, **hooks):
        """Start a command; `pause` and `keep` are folders, see hooks/sitecustomize.py."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("SNAKEMAKE", "SLURM"))}
        for name, folder in hooks.items():
            path = os.pathsep.join(filter(None, [str(HOOKS), kept.get("PYTHONPATH", "")]))
            kept |= {f"AFTER_SER_TEST_{name.upper()}": str(folder), "PYTHONPATH": path}
        started = Started(self.folder, command, kept)
        self.started.append(started)
        return started

    def snakemake(self, *arguments, **hooks):
        program = [sys.executable, "-m", "snakemake", "--snakefile", str(REPO / "Snakefile")]
        common = ["--cores", "2", *arguments, "--configfile", str(CONFIG)]
        return self.run(*program, *common, **hooks)

    def resume(self):
        """What `make resume` calls."""
        return self.run(sys.executable, "-m", "after_ser", "resume")

    def complete(self):
        """What is left of the run where only a part of it was asked for."""
        self.succeed(self.snakemake())

    def succeed(self, started):
        assert started.finish() == 0, started.output[-4000:]
        return started.output

    def end_all(self):
        """End whatever still runs in this folder: only processes that a test of it started."""
        for process in psutil.process_iter():
            try:
                if process.cwd() == str(self.folder) and process.pid != os.getpid():
                    process.kill()
            except psutil.Error:
                continue

    def forget(self, *paths):
        """Remove results, as if they had never been made."""
        for path in paths:
            target = self / path
            if target.is_dir():
                shutil.rmtree(target)
            else:
                target.unlink(missing_ok=True)

    def forget_tables(self):
        self.forget("results/faults/tables", "results/faults/scores.tsv")

    def forget_round(self):
        """Remove fold 1's round 1 and all that is made of it; its query stays."""
        kept = {name: (self / ROUND / name).read_bytes() for name in ("query.tsv", "labelled.tsv")}
        for entry in (self / ROUND).iterdir():
            if entry.name not in (*kept, "query_timing.json"):
                self.forget(entry)
        self.forget_tables()

    def forget_tapt(self):
        """Remove fold 1's TAPT and all that is made of it."""
        self.forget(TAPT, f"{SPLIT}/latents/toy/tapt/savee/fold1", AL)
        self.forget_tables()

    def steps(self, state):
        """The finished steps of the checkpoints in a state folder."""
        return sorted(int(path.name[4:12]) for path in (self / state).glob("step*.pt"))

    def log(self, path):
        return (self / path).read_text(encoding="utf-8")

    def files(self):
        """Every compared file and its bytes."""
        found = {}
        for top in COMPARED:
            paths = [self / top] if (self / top).is_file() else sorted((self / top).rglob("*"))
            for path in paths:
                relative = path.relative_to(self.folder)
                if path.is_file() and path.name not in TIMED and "log" not in relative.parts:
                    found[str(relative)] = path.read_bytes()
        return found

    def leftovers(self):
        """Halves, states and locks that a finished run must not leave."""
        odd = re.compile(r"\.part|/state/|/\.locks/")
        files = (path for path in (self / "results").rglob("*") if path.is_file())
        return [str(path) for path in files if odd.search(str(path))]

    def expect_undisturbed(self, reference):
        mine, expected = self.files(), reference.files()
        assert len(expected) > 15 and any("table4" in name for name in expected)
        assert set(mine) == set(expected), set(mine) ^ set(expected)
        different = [name for name in expected if mine[name] != expected[name]]
        assert not different, different
        left = self.leftovers()
        assert not left, left


def make_reference(folder, **hooks):
    """Run the workflow undisturbed in a new folder."""
    folder.mkdir()
    save_model(build_scratch(ARCH, 0), folder / "start", do_normalize=True)
    place = Place(folder)
    output = place.succeed(place.snakemake(**hooks))
    assert "rror" not in output
    return place


def died_by(output, number):
    """Whether Snakemake says that a job died by this signal (bash reports 128 + it)."""
    names = (f"exit status {128 + number}", f"exit status -{number}", signal.Signals(number).name)
    return any(name in output for name in names)
