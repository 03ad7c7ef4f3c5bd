"""Whether there is room for what a suite fills."""

import shutil
from pathlib import Path

# What a delivery takes with its event: pending, and succeeded with its attempt and its debit; plus a third.
PENDING_BYTES = 1_400
SUCCEEDED_BYTES = 1_900


class TooLittleSpace(Exception):
    """The suite cannot be run here: the message says what to do."""


def require_space(directory: Path, needed_bytes: int) -> None:
    """Raise TooLittleSpace, in one sentence, unless so much is free where the directory is."""
    free_bytes = shutil.disk_usage(directory).free
    if free_bytes < needed_bytes:
        raise TooLittleSpace(
            f"{directory}: {free_bytes / 1e9:.1f} GB are free where {needed_bytes / 1e9:.1f} GB are needed: "
            "free some, or name another place in TMPDIR"
        )
