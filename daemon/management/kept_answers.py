"""Answers to requests that came with an Idempotency-Key (contract "HTTP API"): kept with what the request made.

Each is sealed for its request: it may show a secret.
"""

from collections.abc import Callable
from typing import TypeVar

from daemon.crypto.idempotency import Once, answer_id
from daemon.crypto.vault import Vault, VaultError
from daemon.domain.clock import Clock
from daemon.domain.errors import IdempotencyConflict
from daemon.domain.submission import Idempotency
from daemon.store.commands import Command, ExecuteOnce
from daemon.store.request_commands import KeepAnswer
from daemon.store.store import Store
from daemon.store.writes import idempotency as idempotency_store

_ANSWER_LOST = "this request was carried out before, but its answer cannot be read any more: look at what there is"

Answer = TypeVar("Answer")
Made = TypeVar("Made")


class KeptAnswers:
    """What a request's repetitions are answered with."""

    def __init__(self, *, store: Store, clock: Clock, vault: Vault) -> None:
        self._reader = store.reader
        self._vault = vault
        self._now_ms = clock.now_ms

    async def first(self, idempotency: Idempotency) -> bytes | None:
        """Return what the first request under this key was answered; None if there was none, or it submitted events.

        Raises IdempotencyConflict if that was another request, or if its answer cannot be read any more.
        """
        first = await self._reader.fetch(idempotency_store.first_use, idempotency)
        if first is None:
            return None
        if first.fingerprint != idempotency.fingerprint:
            raise idempotency_store.key_conflict()
        return None if first.has_receipts else self._opened(idempotency, first.answer)

    def kept(
        self, command: Command[Answer], once: Once[Made] | None, made: Callable[[Answer], Made | None]
    ) -> Command[Answer]:
        """Return the command that runs this one once; `made` tells from its answer what was made, None for not yet."""
        if once is None:
            return command

        def keep(answer: Answer) -> str | None:
            it = made(answer)
            return None if it is None else self._sealed(once, it)

        return ExecuteOnce(command, once.idempotency, keep=keep, now=self._now_ms())

    def keeping(self, once: Once[Made], it: Made) -> KeepAnswer:
        """Return the command that keeps the answer of a request whose key was kept on another node, with its change."""
        return KeepAnswer(once.idempotency, self._sealed(once, it), self._now_ms())

    def _sealed(self, once: Once[Made], it: Made) -> str:
        return self._vault.seal(once.answer(it).decode(), answer_id(once.idempotency))

    def _opened(self, idempotency: Idempotency, sealed: str | None) -> bytes:
        if sealed is None:
            raise IdempotencyConflict(_ANSWER_LOST)
        try:
            return self._vault.open(sealed, answer_id(idempotency)).encode()
        except VaultError:
            raise IdempotencyConflict(_ANSWER_LOST) from None
