"""Loaded by the jobs of tests that ask for it; the processes are otherwise the workflow's own.

AFTER_SER_TEST_PAUSE: scoring of the pool, which takes milliseconds here, stops where this folder
is: it leaves `reached` there and goes on when there is `go`.
AFTER_SER_TEST_KEEP: every script leaves its `snakemake` object in this folder, so that the soak
can run the same job again without a Snakemake.
"""

import importlib.abc
import importlib.util
import os
import pickle
import sys
import time
from pathlib import Path


class _AfterImport(importlib.abc.MetaPathFinder):
    """Calls `change(module)` when the module of that name has been imported."""

    def __init__(self, name, change):
        self.name, self.change = name, change

    def find_spec(self, name, path, target=None):
        if name != self.name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def execute_and_change(module):
            execute(module)
            self.change(module)

        spec.loader.exec_module = execute_and_change
        return spec


def _pause_scoring(module):
    folder, predict = Path(os.environ["AFTER_SER_TEST_PAUSE"]), module.predict
    calls = []

    def paused(*arguments, **named):
        if sys._getframe(1).f_code.co_name == "_probabilities":  # scoring, not early stopping
            calls.append(1)
        if len(calls) == 3 and not (folder / "reached").exists():  # val, test, pool
            (folder / "reached").write_text(str(os.getpid()))
            while not (folder / "go").exists():
                time.sleep(0.01)
        return predict(*arguments, **named)

    module.predict = paused


def _keep_jobs(module):
    folder, run_script = Path(os.environ["AFTER_SER_TEST_KEEP"]), module.run_script

    def kept(main, namespace):
        job = namespace.get("snakemake")
        if job is not None:
            name = f"{job.rule}-{abs(hash(tuple(map(str, job.output))))}.pickle"
            (folder / name).write_bytes(pickle.dumps(job))
        run_script(main, namespace)

    module.run_script = kept


if os.environ.get("AFTER_SER_TEST_PAUSE"):
    sys.meta_path.insert(0, _AfterImport("after_ser.learn.finetune.predict", _pause_scoring))
if os.environ.get("AFTER_SER_TEST_KEEP"):
    sys.meta_path.insert(0, _AfterImport("after_ser.run.script", _keep_jobs))
