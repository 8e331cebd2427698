"""Fixtures that several test files share."""

import gc
import os
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from workflow_runs import TINY, finish, start
from xdist.scheduler import LoadScopeScheduling

# As many processes as cores: threads of their own would only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long an example takes says something of the machine alone.
settings.register_profile("any", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any")


class FilesAndRuns(LoadScopeScheduling):
    """A process runs whole files, and one of them all files that share the finished runs."""

    def _split_scope(self, nodeid):
        file = nodeid.split("::")[0]
        text = (Path(__file__).parent.parent / file).read_text(encoding="utf-8")
        if "exportable_run" in text:
            return "exports"
        return "runs" if re.search(r"\b(twin_runs|tiny_run)\b", text) else file


def pytest_xdist_make_scheduler(config, log):
    """Not xdist's own loadgroup: with this pytest it does not see the groups."""
    return FilesAndRuns(config, log)


def pytest_collection_modifyitems(items):
    """Begin with the long ones, so that no process is left alone with them at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_collection_finish(session):
    """Take the modules out of garbage collection: statsmodels asks for a whole one in each call."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish(session):
    gc.unfreeze()


@pytest.fixture(scope="session")
def twin_runs(tmp_path_factory):
    """The tiny workflow, run twice: in two folders, with two cores and with one.

    Both run at the same time, since waiting for one and then the other takes twice as long.
    """
    folders = [tmp_path_factory.mktemp(name) for name in ("first", "second")]
    processes = [
        start(folder, TINY, cores=cores) for folder, cores in zip(folders, (2, 1), strict=True)
    ]
    runs = [finish(process) for process in processes]
    for run in runs:
        assert run.status == 0, run.output[-6000:]
    return list(zip(folders, runs, strict=True))


@pytest.fixture(scope="session")
def tiny_run(twin_runs):
    """The folder of a finished run; tests that change anything work on a copy."""
    return twin_runs[0][0]


@pytest.fixture(scope="session")
def exportable_run(tmp_path_factory):
    """The folder of a small finished run whose head can be exported; tests change only copies."""
    from exported_run import make_run

    return make_run(tmp_path_factory.mktemp("exportable") / "here")
