"""Programs that tests need, and the environment that they get."""

import os
import re
import shutil
from typing import NoReturn

import pytest

_OF_A_SERVICE = ("STATE_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID")


def is_here(name: str) -> bool:
    """Whether this machine has the program."""
    return shutil.which(name) is not None


def program(name: str) -> str:
    """Return the program's path. Without it the test is skipped, or fails if KAKIYO_TESTS_REQUIRE names it."""
    path = shutil.which(name)
    if path is None:
        skip_without(name, f"{name} is not on this machine")
    return path


def skip_without(name: str, reason: str) -> NoReturn:
    """Skip the test, or fail it if KAKIYO_TESTS_REQUIRE has this name."""
    required = re.split(r"[,\s]+", os.environ.get("KAKIYO_TESTS_REQUIRE", ""))
    if name in required:
        pytest.fail(reason)
    pytest.skip(reason)


def plain_environment(**added: str) -> dict[str, str]:
    """Return the environment without what would configure our programs, or send requests through a proxy."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("KAKIYO_WEBHOOKS_") and name not in _OF_A_SERVICE and not name.lower().endswith("_proxy")
    } | added
