"""Descriptors 0, 1 and 2, when whoever started the process closed them."""

import os
import sys


def fill_standard_streams() -> None:
    """Open what is closed on /dev/null: else the next file to be opened, a database even, would be "stderr".

    What would be printed on a closed stdout fails, as it should; on a closed stderr it goes nowhere.
    """
    for descriptor, flags in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_RDWR)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, flags)  # takes the lowest that is free: this one
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8", closefd=False)
