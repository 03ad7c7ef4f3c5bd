"""Says loudly, at the end of a run, which tests this machine has no program for."""

import pytest

from tests.support.programs import is_here

_LARGE = {"chromium": "The console was NOT tested in a browser"}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for program, loss in _LARGE.items():
        if not is_here(program):
            terminalreporter.section(f"{loss}: {program} is not on this machine", sep="!", red=True, bold=True)
