"""Asking a node for a change, and looking at what came of it."""

from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from daemon.crypto.idempotency import Once
from daemon.domain.changes import WebhookChange
from daemon.domain.errors import DaemonError
from daemon.domain.model import Webhook
from daemon.store.postgresql.database import PostgresqlDatabase
from tests.cluster.nodes import Node


def execute(database: PostgresqlDatabase, statement: str) -> None:
    with database.transaction() as connection:
        connection.exec_driver_sql(statement)


def name_in(database: PostgresqlDatabase) -> str:
    with database.reading.connect() as connection:
        return str(connection.exec_driver_sql("SELECT name FROM webhooks WHERE id = 'wh_1'").scalar_one())


@dataclass(slots=True)
class Asking:
    """A change that a task asks for; `answer` is what came of it."""

    node: Node
    webhook: Webhook
    change: WebhookChange
    once: Once[Webhook] | None = None
    answer: Webhook | DaemonError | None = None
    over: trio.Event = field(default_factory=trio.Event)

    async def run(self) -> None:
        try:
            self.answer = await self.node.change(self.webhook.id, self.change, self.once)
        except DaemonError as error:
            self.answer = error
        self.over.set()


Ask = Callable[..., Asking]
