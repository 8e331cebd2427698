"""The one exception that means "the user's input is wrong", shown as a single line."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

_MOST_NAMED = 12  # names that an error lists


class InputError(Exception):
    """Wrong input: the message says what, where, and what was expected, on one line.

    What a message quotes may come from a corpus: line breaks, other control characters and bytes
    that are not UTF-8 in it are shown as escapes, so that it stays one line that can be written
    to any log.
    """

    def __init__(self, message: str) -> None:
        """Take the message, made printable."""
        super().__init__(printable(message))


def printable(text: str) -> str:
    r"""Return `text` with everything that is no printable character as an escape such as \n."""
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text
    )


def expect_key(name: object, known: Iterable[Any], where: str, what: str) -> None:
    """Raise InputError, with what may have been meant, where the config names no known `what`."""
    names = [str(key) for key in known]
    if name not in names:
        raise InputError(f'config: {where}: there is no {what} "{name}"; {meant(str(name), names)}')


def meant(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return which of the known names was meant, or which there are where none is near."""
    names = list(known)
    near = get_close_matches(name, names, n=1, cutoff=cutoff)
    more = ", ..." if len(names) > _MOST_NAMED else ""
    listed = ", ".join(names[:_MOST_NAMED]) + more
    return f'did you mean "{near[0]}"?' if near else f"expected one of: {listed}"
