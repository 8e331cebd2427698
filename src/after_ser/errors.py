"""The one exception that means "the user's input is wrong", shown as a single line."""


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
