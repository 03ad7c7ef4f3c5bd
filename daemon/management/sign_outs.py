"""Sessions of the console that somebody has signed out of: kept until they would have expired anyway."""

from daemon.store.commands import EndSession
from daemon.store.store import Store

MOST_OF_ONE_KEY = 1_000
_SWEEP_EVERY = 1_000
_LONGEST_MS = 12 * 3600 * 1000  # a session that is not used expires by then


class SignOuts:
    """The ended sessions of each key: in memory to be asked, in the database to outlive the process.

    Beyond 1,000 of one key, the one of that key that expires first is forgotten: no key can displace another's. A
    portal link has its own, as a key has; there are ever new ones, so what has expired is forgotten now and then.
    """

    def __init__(self, *, store: Store) -> None:
        self._writer = store.writer
        self._of_key: dict[str, dict[str, int]] = {}
        self._until_sweep = _SWEEP_EVERY

    def remember(self, ended: EndSession) -> None:
        """Take note of a session that was ended before this start."""
        self._of_key.setdefault(ended.key_id, {})[ended.session_id] = ended.expires_at
        self._sweep(ended.expires_at)

    def has(self, key_id: str, session_id: str) -> bool:
        """Whether this session of a key was ended."""
        return session_id in self._of_key.get(key_id, {})

    async def add(self, key_id: str, session_id: str, expires_at: int, now: int) -> None:
        """End a session, at once and for good; its cookies expire at `expires_at` at the latest (ms).

        Raises StoreUnavailable.
        """
        ended = {each: until for each, until in self._of_key.get(key_id, {}).items() if until > now}
        displaced = min(ended, key=ended.__getitem__) if len(ended) >= MOST_OF_ONE_KEY else None
        if displaced is not None:
            del ended[displaced]
        self._of_key[key_id] = {**ended, session_id: expires_at}
        self._sweep(expires_at)
        await self._writer.execute(
            EndSession(session_id=session_id, key_id=key_id, expires_at=expires_at, now=now, displaced=displaced)
        )

    def _sweep(self, expires_at: int) -> None:
        """Forget what had expired when a session was ended that expires then: that is at most 12 hours later."""
        self._until_sweep -= 1
        if self._until_sweep > 0:
            return
        self._until_sweep, ended_at = _SWEEP_EVERY, expires_at - _LONGEST_MS
        left = {
            key_id: {session_id: until for session_id, until in ended.items() if until > ended_at}
            for key_id, ended in self._of_key.items()
        }
        self._of_key = {key_id: ended for key_id, ended in left.items() if ended}
