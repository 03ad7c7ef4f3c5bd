"""Writes log lines to a descriptor shared with other processes, such as stderr."""

import os
import select
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class LogFile:
    """Writes lines whole, waiting as long as it takes; what cannot be written (a full disk, no reader) is lost."""

    descriptor: int
    _cut: bool = False

    def write(self, lines: Sequence[bytes]) -> int:
        """Write the lines, each with its end. Returns how many are lost."""
        text = b"\n".join([*lines, b""])
        if self._cut:  # the rest of a line that is lost must not run into the next one
            text = b"\n" + text
        written = self._write_all(text)
        if written == 0:
            return len(lines)
        self._cut = not text.endswith(b"\n", 0, written)
        return min(len(lines), text.count(b"\n", written))

    def _write_all(self, text: bytes) -> int:
        view, written = memoryview(text), 0
        while written < len(text):
            try:
                written += os.write(self.descriptor, view[written:])
            except BlockingIOError:  # somebody who shares it made it non-blocking
                select.select([], [self.descriptor], [])
            except OSError:
                break
        return written
