"""Sessions of the console that somebody has signed out of: kept until they would have expired anyway."""

from daemon.store.commands import EndSession
from daemon.store.store import Store

MOST_OF_ONE_KEY = 1_000


class SignOuts:
    """The ended sessions of each key: in memory to be asked, in the database to outlive the process.

    Beyond 1,000 of one key, the one of that key that expires first is forgotten: no key can displace another's.
    """

    def __init__(self, *, store: Store) -> None:
        self._writer = store.writer
        self._of_key: dict[str, dict[str, int]] = {}

    def remember(self, ended: EndSession) -> None:
        """Take note of a session that was ended before this start."""
        self._of_key.setdefault(ended.key_id, {})[ended.session_id] = ended.expires_at

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
        await self._writer.execute(
            EndSession(session_id=session_id, key_id=key_id, expires_at=expires_at, now=now, displaced=displaced)
        )
