"""Fixtures that several test files share."""

import pytest
from workflow_runs import TINY, finish, start


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
