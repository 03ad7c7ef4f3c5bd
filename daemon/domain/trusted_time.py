"""Whether the wall clock can be trusted for deleting old data: deletion cannot be undone."""

from dataclasses import dataclass

from daemon.domain.clock import HOUR_MS

# Allows for steps and slews of a time service, and for the delay between reading the two clocks.
_AGREEMENT_MS = 60_000


@dataclass(slots=True)
class TrustedTime:
    """The last plausible time, `last_ms` (None if unknown), and since when a later one has been observed.

    A time is plausible if it is at most an hour ahead of the last one, or has kept pace for an hour with the
    monotonic clock.
    """

    last_ms: int | None
    _offset_ms: float = 0
    _since_ms: float | None = None

    def accept(self, now_ms: int, monotonic_s: float) -> bool:
        """Whether `now_ms` is plausible; if so, it is the last time from now on."""
        monotonic_ms = monotonic_s * 1000
        if self.last_ms is None or now_ms <= self.last_ms + HOUR_MS or self._has_lasted(now_ms, monotonic_ms):
            self.last_ms, self._since_ms = now_ms, None
            return True
        return False

    def _has_lasted(self, now_ms: int, monotonic_ms: float) -> bool:
        offset = now_ms - monotonic_ms
        if self._since_ms is None or abs(offset - self._offset_ms) > _AGREEMENT_MS:
            self._offset_ms, self._since_ms = offset, monotonic_ms
        return monotonic_ms - self._since_ms >= HOUR_MS
