"""How the demo ends when it cannot go on."""


class DemoError(Exception):
    """The demo cannot go on; the text says why, for the user."""
