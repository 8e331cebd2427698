"""The one exception that means "the user's input is wrong", shown as a single line."""


class InputError(Exception):
    """Wrong input: the message says what, where, and what was expected, on one line."""
