"""Random kills until time or their number is up: `make soak`.

Two kinds of victims. A *job* is the process of one rule's script with the inputs, outputs and
params that Snakemake gave it; it is started again after every kill, outputs removed as Snakemake
does, until it ends by itself. A *run* is the whole workflow: the victim is Snakemake's main process
or one of its jobs, and `python -m after_ser resume` goes on. Each finished job or run is compared
with an undisturbed one, byte by byte but for times. Steps of TAPT and batches of fine-tuning are
counted, so that what was done twice is known.
"""

import argparse
import collections
import json
import mmap
import os
import pickle
import random
import re
import shutil
import signal
import struct
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[up]) for up in (2, 1)]
# A forked child has none of its parent's threads, and would wait for them.
os.environ |= {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}

import psutil  # noqa: E402
from workflow_runs import script  # noqa: E402

from after_ser.judge.registry import SECTIONS  # noqa: E402
from tests.faults.harness import REPO, TIMED, Place, make_reference  # noqa: E402

SIGNALS = {"SIGKILL": signal.SIGKILL, "SIGTERM": signal.SIGTERM}
#: How often a rule is chosen: what runs for hours is what gets interrupted.
WEIGHTS = {"tapt": 8, "fit_round": 5, "fit_round0": 4, "tapt_latents": 2}


def scripts():
    """The script of every rule, also of one that is another's by `use rule`."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in (REPO / "rules").rglob("*.smk"))
    found = {}
    for name, body in re.findall(r"^rule (\w+):\n((?:[ \t].*\n|\n)*)", text, re.M):
        if script := re.search(r"workflow/scripts/(\w+)\.py", body):
            found[name] = script[1]
    found |= {entry.rule: "report" for part in SECTIONS.values() for entry in part.values()}
    for base, name in re.findall(r"^use rule (\w+) as (\w+)", text, re.M):
        found[name] = found[base]
    return found


class Counter:
    """A number that a child raises and its parent reads, also after the child was killed."""

    def __init__(self):
        self._memory = mmap.mmap(-1, 8)

    def read(self):
        return struct.unpack("q", self._memory[:8])[0]

    def clear(self):
        self._memory[:8] = struct.pack("q", 0)

    def raise_by_one(self):
        self._memory[:8] = struct.pack("q", self.read() + 1)


class Jobs:
    """The jobs of a finished run, to be done again in its own folder."""

    def __init__(self, place, kept, draw):
        os.environ["AFTER_SER_CHECKPOINT_MINUTES"] = "0"
        self.place, self.draw, self.counter = place, draw, Counter()
        self.jobs = [pickle.loads(path.read_bytes()) for path in sorted(kept.glob("*.pickle"))]
        self.jobs = [job for job in self.jobs if self._is_repeatable(job)]
        self.expected = {out: self._bytes(out) for job in self.jobs for out in job.output}
        self.mains, self.scripts = {}, scripts()
        self.seconds, self.steps = {}, {}
        self.tally = collections.Counter()

    def _is_repeatable(self, job):
        # its inputs must not be its own later outputs, and corpora need no repetition
        return job.rule not in ("synthesise_corpus", "index_corpus", "convert_corpus")

    def _bytes(self, path):
        return (self.place / path).read_bytes()

    def main_of(self, rule):
        """The script's main function; imported once, here, since that is what takes time."""
        name = self.scripts[rule]
        if name not in self.mains:
            self.mains[name] = script(name).main
        return self.mains[name]

    def choose(self):
        return self.draw.choices(self.jobs, [WEIGHTS.get(job.rule, 1) for job in self.jobs])[0]

    def start(self, job):
        """Fork a process that does the job; return its number."""
        main = self.main_of(job.rule)
        for out in job.output:
            (self.place / out).unlink(missing_ok=True)
        child = os.fork()
        if child:
            return child
        status = 1
        try:
            os.chdir(self.place.folder)
            screen = os.open("soak-screen.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(screen, 1), os.dup2(screen, 2)
            self._count()
            from after_ser.run.script import run_script

            run_script(main, {"snakemake": job})
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        finally:
            os._exit(status)

    def _count(self):
        from after_ser.learn.training import Training

        step = Training.step

        def counted(training, batch):
            row = step(training, batch)
            self.counter.raise_by_one()
            return row

        Training.step = counted

    def undisturbed(self, job):
        """Do a job once in peace: how long it takes, and how many steps."""
        key = tuple(job.output)
        if key not in self.seconds:
            self.counter.clear()
            begin = time.monotonic()
            _, status = os.waitpid(self.start(job), 0)
            assert status == 0, f"{job.rule} fails undisturbed"
            self.seconds[key], self.steps[key] = time.monotonic() - begin, self.counter.read()
            self.compare(job)
        return self.seconds[key], self.steps[key]

    def compare(self, job):
        for out in job.output:
            if Path(out).name not in TIMED and not out.endswith("timing.json"):
                assert self._bytes(out) == self.expected[out], f"{out} differs"
        left = self.place.leftovers()
        assert not left, f"{left} left by {job.rule}"

    def cycle(self, stop):
        """Kill one job again and again until it gets through; every kill is counted."""
        job = self.choose()
        seconds, steps = self.undisturbed(job)
        kills = 0
        self.counter.clear()
        while True:
            child = self.start(job)
            name = self.draw.choice(list(SIGNALS))
            # ever later, so that it gets through; beyond its end now and then
            moment = self.draw.uniform(0, seconds * (1.1 + 0.1 * kills))
            until = time.monotonic() + (moment if kills < 12 and not stop() else 1e9)
            ended, status = 0, 0
            while not ended and time.monotonic() < until:
                time.sleep(0.001)
                ended, status = os.waitpid(child, os.WNOHANG)
            if not ended:
                os.kill(child, SIGNALS[name])
                _, status = os.waitpid(child, 0)
            if status == 0:
                if not ended:
                    self.tally["job: kill came as it ended"] += 1
                break
            assert not ended, f"{job.rule} failed by itself: {status}"
            died = os.WIFSIGNALED(status) and os.WTERMSIG(status) == SIGNALS[name]
            saved = os.WIFEXITED(status) and os.WEXITSTATUS(status) == 143
            assert died or saved, f"{job.rule}: {name} ended in {status}"
            kills += 1
            self.tally[f"job {job.rule}: {name}" + (", state saved" if saved else "")] += 1
        self.compare(job)
        if steps:
            kind = "TAPT steps" if job.rule == "tapt" else "fine-tuning batches"
            again = self.counter.read() - steps
            self.tally[f"{kind} done"] += steps
            self.tally[f"{kind} done twice"] += again
            self.tally[f"{kind}: interrupted fits"] += kills > 0
        return kills


class Runs:
    """Whole runs on copies of a run whose first fold is forgotten."""

    def __init__(self, reference, folder, draw):
        self.reference, self.folder, self.draw = reference, folder, draw
        self.tally = collections.Counter()
        self.seconds = 30.0

    def cycle(self, stop):
        target = self.folder / "whole"
        shutil.rmtree(target, ignore_errors=True)
        place = Place.copy(self.reference, target)
        place.forget_tapt()
        kills, run = 0, place.snakemake()
        begin = time.monotonic()
        try:
            while True:
                patience = self.draw.uniform(1, self.seconds) if kills < 8 and not stop() else 1e9
                until = time.monotonic() + patience
                while run.process.poll() is None and time.monotonic() < until:
                    time.sleep(0.01)
                if run.process.poll() is None:
                    kills += self._kill(run)
                    run.finish()
                elif run.process.returncode == 0:
                    break
                run = place.resume()
            place.expect_undisturbed(self.reference)
        finally:
            place.end_all()
        self.tally["runs finished"] += 1
        self.seconds = max(5.0, (time.monotonic() - begin) / (kills + 1))
        return kills

    def _kill(self, run):
        """Send a random signal to Snakemake or one of its jobs; return how many it hit."""
        name = self.draw.choice(list(SIGNALS))
        main = psutil.Process(run.process.pid)
        try:
            jobs = [p for p in main.children(recursive=True) if "/scripts/" in str(p.cmdline()[1:])]
            victim = self.draw.choice([main, *jobs])
            victim.send_signal(SIGNALS[name])
        except psutil.Error:
            return 0
        self.tally[f"run, {'Snakemake' if victim is main else 'a job'}: {name}"] += 1
        return 1


def soak(minutes, kills, seed, share):
    """Return the tally; `share` of the time goes to whole runs."""
    draw = random.Random(seed)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="soak") as name:
        folder = Path(name)
        kept = folder / "kept"
        kept.mkdir()
        reference = make_reference(folder / "reference", keep=kept)
        undisturbed = Place.copy(reference, folder / "undisturbed")
        spent = {"jobs": 0.0, "runs": 0.0}
        kinds = {
            "jobs": Jobs(reference, kept, draw),
            "runs": Runs(undisturbed, folder, draw),
        }
        done = {"jobs": 0, "runs": 0}

        def stop():
            return time.monotonic() - began > 60 * minutes

        while not stop() and sum(done.values()) < kills:
            behind = spent["runs"] < share * (spent["runs"] + spent["jobs"])
            kind = "runs" if share and behind else "jobs"
            begin = time.monotonic()
            done[kind] += kinds[kind].cycle(stop)
            spent[kind] += time.monotonic() - begin
            print(f"{sum(done.values())} kills ({done}), all outputs as undisturbed", flush=True)
        tally = {**kinds["jobs"].tally, **kinds["runs"].tally}
    return {
        "seed": seed,
        "minutes": round((time.monotonic() - began) / 60, 1),
        "kills": sum(done.values()),
        **{f"kills of {kind}": count for kind, count in done.items()},
        **dict(sorted(tally.items())),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--whole", type=float, default=0.3, help="share of the time for whole runs")
    given = parser.parse_args()
    tally = soak(given.minutes, given.kills, given.seed, given.whole)
    print(json.dumps(tally, indent=2))
    if tally["kills"] < given.kills:
        print(f"error: {tally['kills']} kills of {given.kills} before the time was up")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
