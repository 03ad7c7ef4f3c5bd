"""Secrets between the request that created them and the page that shows them, once."""

from dataclasses import dataclass, field

import trio

_KEPT_S = 300
_MOST = 1_000


@dataclass(slots=True)
class ShownOnce:
    """Each secret is for one session and one page, and is removed when it is shown, or after five minutes."""

    _kept: dict[tuple[str, str], tuple[str, float]] = field(default_factory=dict, repr=False)

    def keep(self, session_id: str, about: str, secret: str) -> None:
        """Keep a secret for the page about this webhook or team."""
        now = trio.current_time()
        self._kept = {place: kept for place, kept in self._kept.items() if kept[1] > now}
        while len(self._kept) >= _MOST:
            self._kept.pop(next(iter(self._kept)))
        self._kept[session_id, about] = (secret, now + _KEPT_S)

    def take(self, session_id: str, about: str) -> str | None:
        """Return the secret for this page, and remove it."""
        secret, until = self._kept.pop((session_id, about), (None, 0.0))
        return secret if until > trio.current_time() else None
