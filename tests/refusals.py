"""What a user is told of a mistake: one line with the facts in it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from after_ser.core.errors import InputError


@contextmanager
def refused(facts: str) -> Iterator[pytest.ExceptionInfo[InputError]]:
    """Expect an InputError of one line with these facts: 'tapt.tapt … "steps"', in this order."""
    with pytest.raises(InputError) as caught:
        yield caught
    message = str(caught.value)
    assert "\n" not in message
    assert re.search(".*".join(map(re.escape, facts.split(" … "))), message), message
