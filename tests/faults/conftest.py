"""The run that nobody disturbs; every test breaks a copy of it."""

import pytest

from tests.faults.harness import Place, make_reference


def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.faults)


@pytest.fixture(scope="session")
def reference(tmp_path_factory):
    """A finished, undisturbed run."""
    return make_reference(tmp_path_factory.mktemp("undisturbed") / "run")


@pytest.fixture
def place(reference, tmp_path):
    """A copy of it, to be broken; whatever a test leaves running there is ended."""
    copy = Place.copy(reference, tmp_path / "run")
    yield copy
    copy.end_all()
