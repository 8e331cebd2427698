"""The clusters and runs that these tests share. They run only where `-m slurm` asks for them."""

import os
import signal
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from workflow_runs import succeed, write_config

from tests.slurm.slurm_cluster import Cluster, missing
from tests.slurm.slurm_runs import small


def pytest_collection_modifyitems(config, items):
    """Leave these tests out of an ordinary run: they need root, and /etc/slurm for themselves."""
    if "slurm" in config.option.markexpr:
        return
    here = Path(__file__).parent
    left_out = [item for item in items if here in item.path.parents]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


@contextmanager
def running(accounting):
    if os.geteuid() != 0:
        pytest.fail("these tests start Slurm's daemons; expected root")
    if missing():
        pytest.fail(f"not installed: {', '.join(missing())}; expected `make test-slurm`")
    with tempfile.TemporaryDirectory(prefix="slurm-tests-", dir="/tmp") as folder:
        cluster = Cluster(Path(folder) / "cluster", accounting)
        os.environ["AFTER_SER_TEST_CLUSTER"] = str(cluster.folder)
        # ended from outside, pytest would leave /etc/slurm and the jobs as they are
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            with cluster:
                yield cluster
        finally:
            signal.signal(signal.SIGTERM, before)
            del os.environ["AFTER_SER_TEST_CLUSTER"]


@pytest.fixture(scope="session")
def config_file(tmp_path_factory):
    return write_config(tmp_path_factory.mktemp("config") / "small.yaml", small())


@pytest.fixture(scope="session")
def reference(tmp_path_factory, config_file):
    """The folder of the same run on this machine, without Slurm."""
    folder = tmp_path_factory.mktemp("reference")
    succeed(folder, config_file)
    return folder


@pytest.fixture(scope="module")
def cluster():
    """A cluster with an accounting database."""
    with running(accounting=True) as one:
        yield one


@pytest.fixture(scope="module")
def plain_cluster():
    """A cluster without one."""
    with running(accounting=False) as one:
        yield one
