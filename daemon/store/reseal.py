"""The sealed secrets of webhooks: which keys they need, and resealing them. No plain secret comes by here."""

from collections.abc import Callable, Iterator
from functools import partial

import sqlalchemy
from sqlalchemy import Connection, delete, func, select, union, update
from sqlalchemy.exc import DatabaseError

from daemon.crypto.idempotency import answer_id
from daemon.domain.submission import Idempotency
from daemon.domain.webhook_options import (
    WebhookOptions,
    options_from_text,
    options_to_text,
    sealed_parts,
    with_sealed,
)
from daemon.store.engine import DatabaseRefused, Engine
from daemon.store.schema import kept_answers, webhooks

_SECRETS = (webhooks.c.secret, webhooks.c.previous_secret)

Reseal = Callable[[str, str], str]


def seals(reading: sqlalchemy.Engine, length: int) -> list[str]:
    """Return the distinct prefixes, `length` characters long, of all sealed secrets."""
    beginnings = union(*(select(func.substr(column, 1, length)).where(column.is_not(None)) for column in _SECRETS))
    with reading.connect() as connection:
        found = set(connection.execute(beginnings).scalars())
        for _, options in _options(connection):
            found.update(sealed[:length] for sealed in sealed_parts(options))
        return sorted(found)


def seals_of(database: Engine, length: int) -> list[str]:
    """Return the same of a database that is open. Raises DatabaseRefused when they cannot be read."""
    try:
        return seals(database.reading, length)
    except DatabaseError as error:
        raise _refused(database, error) from None


def reseal_all(engine: Engine, reseal: Reseal, reseal_answer: Callable[[str, str], str | None]) -> int:
    """Replace every sealed secret by `reseal(sealed, webhook_id)`, all or none; return how many there are.

    Answers that are kept for idempotency keys are replaced by `reseal_answer(sealed, answer_id)`, or deleted for None.

    Raises DatabaseRefused when that cannot be written, and whatever `reseal` raises.
    """
    try:
        with engine.transaction() as connection:
            _reseal_answers(connection, reseal_answer)
            columns = sum(_reseal_column(connection, name, reseal) for name in ("secret", "previous_secret"))
            return columns + _reseal_options(connection, reseal)
    except DatabaseError as error:
        raise _refused(engine, error) from None


def _refused(engine: Engine, error: DatabaseError) -> DatabaseRefused:
    return DatabaseRefused(f"{engine.unavailable(error)}: fix that, then try again")


def _reseal_answers(connection: Connection, reseal: Callable[[str, str], str | None]) -> None:
    name = (kept_answers.c.scope, kept_answers.c.key)
    for scope, key, answer in connection.execute(select(*name, kept_answers.c.answer)).all():
        this = (kept_answers.c.scope == scope) & (kept_answers.c.key == key)
        resealed = reseal(answer, answer_id(Idempotency(scope, key, b"")))
        if resealed is None:
            connection.execute(delete(kept_answers).where(this))
        else:
            connection.execute(update(kept_answers).where(this).values(answer=resealed))


def _reseal_column(connection: Connection, name: str, reseal: Reseal) -> int:
    column = webhooks.c[name]
    found = connection.execute(select(webhooks.c.id, column).where(column.is_not(None))).all()
    for webhook_id, sealed in found:
        connection.execute(
            update(webhooks).where(webhooks.c.id == webhook_id).values({name: reseal(sealed, webhook_id)})
        )
    return len(found)


def _reseal_options(connection: Connection, reseal: Reseal) -> int:
    resealed = 0
    for webhook_id, options in list(_options(connection)):
        if count := len(sealed_parts(options)):
            renewed = with_sealed(options, partial(_swapped, reseal, webhook_id))
            this = webhooks.c.id == webhook_id
            connection.execute(update(webhooks).where(this).values(options=options_to_text(renewed)))
            resealed += count
    return resealed


def _swapped(reseal: Reseal, webhook_id: str, sealed: str) -> str:
    return reseal(sealed, webhook_id)


def _options(connection: Connection) -> Iterator[tuple[str, WebhookOptions]]:
    """Yield the options of the webhooks that have any."""
    query = select(webhooks.c.id, webhooks.c.options).where(webhooks.c.options.is_not(None))
    with connection.execute(query, execution_options={"yield_per": 1000}) as found:
        for webhook_id, text in found:
            yield webhook_id, options_from_text(text)


def open_all(connection: Connection, open_secret: Callable[[str, str], str]) -> int:
    """Open every sealed secret of the webhooks with `open_secret(sealed, webhook_id)`; return how many there are.

    Raises what it raises.
    """
    opened = 0
    with connection.execute(select(webhooks.c.id, *_SECRETS), execution_options={"yield_per": 1000}) as found:
        for webhook_id, *sealed in found:
            opened += len([open_secret(one, webhook_id) for one in sealed if one is not None])
    for webhook_id, options in _options(connection):
        opened += len([open_secret(one, webhook_id) for one in sealed_parts(options)])
    return opened
