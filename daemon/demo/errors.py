"""The demo's error."""


class DemoError(Exception):
    """The demo cannot go on; the text says why, for the user."""
