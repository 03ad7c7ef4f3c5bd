"""With an Idempotency-Key a request to any node is carried out once (contract "HTTP API")."""

import pytest
import trio
from trio.testing import MockClock

from daemon.crypto.idempotency import Once
from daemon.domain.errors import AnsweredBefore, IdempotencyConflict
from daemon.domain.model import Webhook
from daemon.domain.submission import Idempotency
from daemon.store.commands import CreateWebhook
from daemon.store.postgresql.database import PostgresqlDatabase
from daemon.store.request_commands import AskRequest
from tests.cluster.asking import Ask, name_in
from tests.cluster.nodes import Ground, renaming
from tests.store.filling import a_webhook, count, run

KEY = Idempotency("operator", "key-1", b"fingerprint")


def once(key: Idempotency = KEY) -> Once[Webhook]:
    return Once(key, lambda webhook: webhook.name.encode())


async def test_a_repetition_is_answered_as_the_first_request_was(
    ground: Ground, webhook: Webhook, autojump_clock: MockClock
) -> None:
    _, other, third = ground.nodes
    await other.change(webhook.id, renaming("CRM 2"), once())
    for node in (other, third):
        assert await node.kept_answers.first(KEY) == b"CRM 2"
        with pytest.raises(AnsweredBefore):
            await node.change(webhook.id, renaming("CRM 3"), once())
    with pytest.raises(IdempotencyConflict, match="with another request"):
        await third.change(webhook.id, renaming("CRM 4"), once(Idempotency("operator", "key-1", b"other")))
    changed = await third.read(webhook)
    assert changed is not None
    assert changed.name == "CRM 2"


async def test_the_owner_itself_does_not_repeat_what_another_node_asked_for(
    ground: Ground, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await ground.nodes[1].change(webhook.id, renaming("CRM 2"), once())
    with pytest.raises(AnsweredBefore):
        await ground.nodes[0].change(webhook.id, renaming("CRM 3"), once())
    await ground.nodes[0].change(webhook.id, renaming("CRM 4"), once(Idempotency("operator", "key-2", b"")))
    with pytest.raises(AnsweredBefore):
        await ground.nodes[1].change(webhook.id, renaming("CRM 5"), once(Idempotency("operator", "key-2", b"")))


async def test_one_key_on_two_nodes_at_once_changes_once(
    ground: Ground, database: PostgresqlDatabase, webhook: Webhook, ask: Ask, autojump_clock: MockClock
) -> None:
    asked = [ask(node, renaming(f"CRM {node.number}"), once()) for node in ground.nodes]
    for one in asked:
        await one.over.wait()
    changed = [one.answer for one in asked if isinstance(one.answer, Webhook)]
    assert [webhook.name for webhook in changed] == [name_in(database)]
    assert sum(isinstance(one.answer, AnsweredBefore) for one in asked) == 2


async def test_one_key_for_two_webhooks_of_two_owners_changes_one_of_them(
    ground: Ground, database: PostgresqlDatabase, webhook: Webhook, ask: Ask, autojump_clock: MockClock
) -> None:
    second = a_webhook(2)
    run(database, CreateWebhook(second))
    ground.owners[second.id] = 2
    third = ground.nodes[2]
    first = ask(third, renaming("CRM 2"), once())
    other = Idempotency("operator", "key-1", b"other")
    refused = None
    try:
        await third.change(second.id, renaming("CRM 2"), once(other))
    except IdempotencyConflict as error:
        refused = error
    await first.over.wait()
    assert isinstance(first.answer, IdempotencyConflict) is (refused is None)
    assert count(database, "webhooks", "name = 'CRM 2'") == 1


async def test_when_the_asking_node_dies_before_it_keeps_the_answer_repetitions_are_told_so(
    ground: Ground, database: PostgresqlDatabase, webhook: Webhook, autojump_clock: MockClock
) -> None:
    run(database, AskRequest("req_1", webhook.id, renaming("CRM 2"), KEY, 2, 20))
    await trio.sleep(3)
    assert name_in(database) == "CRM 2"
    with pytest.raises(IdempotencyConflict, match="was carried out before, but its answer cannot be read any more"):
        await ground.nodes[2].kept_answers.first(KEY)
    with pytest.raises(AnsweredBefore):
        await ground.nodes[2].change(webhook.id, renaming("CRM 3"), once())
    assert name_in(database) == "CRM 2"
