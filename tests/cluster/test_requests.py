"""A change asked of any node is carried out by the webhook's owner, once, whatever dies when."""

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from daemon.crypto.idempotency import Once
from daemon.domain.audit import AuditEntry
from daemon.domain.changes import Delete, Edit, WebhookChange
from daemon.domain.clock import clock_of
from daemon.domain.errors import DaemonError, StoreUnavailable
from daemon.domain.lifecycle import WebhookEdit
from daemon.domain.model import Webhook
from daemon.maintenance.cleaner import Cleaner
from daemon.store.postgresql.database import PostgresqlDatabase
from daemon.store.reads import api_reads
from daemon.store.request_commands import AskRequest, PruneRequests
from tests.cluster.asking import Ask, execute, name_in
from tests.cluster.nodes import Ground, Node, renaming
from tests.store.filling import count, run
from tests.support.daemon import VirtualWallClock
from tests.support.telemetry import make_telemetry

# -- as long as nothing dies


async def test_the_owner_carries_out_what_another_node_is_asked_for_at_once(
    ground: Ground, webhook: Webhook, autojump_clock: MockClock
) -> None:
    owner, other, _ = ground.nodes
    before = trio.current_time()
    changed = await other.rename(webhook, "CRM 2")
    assert trio.current_time() == before
    assert changed == await other.read(webhook)
    assert changed is not None
    assert changed.name == "CRM 2"
    assert (owner.fleet.alive, other.fleet.alive) == (1, 0)


async def test_a_node_that_owns_the_webhook_asks_nobody(
    ground: Ground, database: PostgresqlDatabase, webhook: Webhook, autojump_clock: MockClock
) -> None:
    ground.deaf = True
    before = trio.current_time()
    assert await ground.nodes[0].rename(webhook, "CRM 2") is not None
    assert trio.current_time() == before
    assert count(database, "requests") == 0


async def test_when_all_words_between_the_nodes_get_lost_it_takes_seconds(
    ground: Ground, webhook: Webhook, autojump_clock: MockClock
) -> None:
    ground.deaf = True
    before = trio.current_time()
    assert await ground.nodes[1].rename(webhook, "CRM 2") is not None
    assert trio.current_time() - before <= 2.1


async def test_changes_asked_of_two_nodes_are_all_made_each_in_its_turn(
    ground: Ground, database: PostgresqlDatabase, webhook: Webhook, ask: Ask, autojump_clock: MockClock
) -> None:
    asked = [ask(ground.nodes[1], Edit(WebhookEdit(url=f"https://{n}.example/"), 1)) for n in range(5)]
    asked += [ask(ground.nodes[2], renaming(f"CRM {n}")) for n in range(5)]
    for one in asked:
        await one.over.wait()
        assert isinstance(one.answer, Webhook)
    assert (count(database, "requests", "answer->>'type' = 'changed'"), count(database, "requests")) == (10, 10)
    changed = await ground.nodes[0].read(webhook)
    assert changed is not None
    assert changed.url.endswith(".example/")
    assert changed.name.startswith("CRM ")


async def test_requests_are_carried_out_in_the_order_in_which_they_were_made(
    ground: Ground, database: PostgresqlDatabase, webhook: Webhook, autojump_clock: MockClock
) -> None:
    ground.deaf, ground.owners[webhook.id] = True, 9
    for number in range(30):
        run(database, AskRequest(f"req_{number * 7 % 30}", webhook.id, renaming(f"CRM {number}"), None, 2, 20))
    ground.owners[webhook.id] = 1
    await trio.sleep(5)
    assert count(database, "requests", "answered_at IS NULL") == 0
    assert name_in(database) == "CRM 29"


async def test_a_deletion_is_answered_with_what_was_deleted_and_then_the_webhook_is_gone(
    ground: Ground, webhook: Webhook, autojump_clock: MockClock
) -> None:
    other = ground.nodes[1]
    deleted = await other.change(webhook.id, Delete(5), None)
    assert deleted is not None
    assert (deleted.id, deleted.deleted_at) == (webhook.id, 5)
    assert await other.rename(webhook, "CRM 2") is None


async def test_who_asked_is_in_the_audit_trail_whoever_makes_the_change(
    ground: Ground, database: PostgresqlDatabase, webhook: Webhook, autojump_clock: MockClock
) -> None:
    for node in ground.nodes[:2]:
        await node.rename(webhook, f"CRM {node.number}")
    with database.reading.connect() as connection:
        entries = api_reads.list_audit_entries(connection, "team_1", 10).items
    renamings = [(entry.by.key_id, entry.subject_id, entry.changes["name"]["to"]) for entry in reversed(entries)]
    assert renamings == [("key_1", webhook.id, f"CRM {node.number}") for node in ground.nodes[:2]]


async def test_a_change_that_the_owners_version_does_not_know_is_refused_in_one_sentence(
    ground: Ground, database: PostgresqlDatabase, webhook: Webhook, ask: Ask, autojump_clock: MockClock
) -> None:
    ground.deaf, ground.owners[webhook.id] = True, 9
    asking = ask(ground.nodes[1], renaming("CRM 2"))
    await trio.testing.wait_all_tasks_blocked()
    execute(database, """UPDATE requests SET change = '{"type": "explode"}'""")
    ground.owners[webhook.id] = 1
    await asking.over.wait()
    assert isinstance(asking.answer, StoreUnavailable)
    assert "another version" in str(asking.answer)


async def test_what_is_answered_no_longer_holds_the_change(
    ground: Ground, database: PostgresqlDatabase, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await ground.nodes[1].change(webhook.id, Edit(WebhookEdit(secret="sealed secret"), 1), None)
    assert count(database, "requests", "change = '{}'") == 1


# -- one dies


async def test_what_the_owner_did_not_commit_the_next_owner_carries_out(
    ground: Ground, database: PostgresqlDatabase, webhook: Webhook, ask: Ask, autojump_clock: MockClock
) -> None:
    owner, other, heir = ground.nodes
    owner.run_write.begin_s = 3
    asking = ask(other, renaming("CRM 2"))
    await trio.sleep(1)
    await owner.kill()
    ground.owners[webhook.id] = heir.number
    heir.answering.look()
    await asking.over.wait()
    assert isinstance(asking.answer, Webhook)
    assert (name_in(database), heir.fleet.alive) == ("CRM 2", 1)


async def test_what_the_owner_committed_before_it_died_is_answered_and_not_done_again(
    ground: Ground, database: PostgresqlDatabase, webhook: Webhook, ask: Ask, autojump_clock: MockClock
) -> None:
    owner, other, heir = ground.nodes
    owner.run_write.answer_s = 60  # the commit is done, and nobody is told
    asking = ask(other, renaming("CRM 2"))
    await trio.sleep(0.5)
    assert name_in(database) == "CRM 2"
    await owner.kill()
    ground.owners[webhook.id] = heir.number
    heir.answering.look()
    assert await heir.rename(webhook, "CRM 3") is not None
    await asking.over.wait()
    assert isinstance(asking.answer, Webhook)
    assert asking.answer.name == "CRM 2"
    await trio.sleep(30)
    assert name_in(database) == "CRM 3"


async def test_an_owner_that_comes_too_late_changes_nothing(
    ground: Ground, database: PostgresqlDatabase, webhook: Webhook, ask: Ask, autojump_clock: MockClock
) -> None:
    late, other, heir = ground.nodes
    late.run_write.begin_s = 5
    asking = ask(other, renaming("CRM 2"))
    await trio.sleep(1)
    ground.owners[webhook.id] = heir.number
    await asking.over.wait()
    assert await heir.rename(webhook, "CRM 3") is not None
    await trio.sleep(10)
    assert name_in(database) == "CRM 3"


async def test_an_owner_that_stops_leaves_it_to_the_next_one(
    ground: Ground, database: PostgresqlDatabase, webhook: Webhook, ask: Ask, autojump_clock: MockClock
) -> None:
    owner, other, heir = ground.nodes
    owner.fleet.stop()
    asking = ask(other, renaming("CRM 2"))
    await trio.sleep(3)
    assert not asking.over.is_set()
    ground.owners[webhook.id] = heir.number
    await asking.over.wait()
    assert isinstance(asking.answer, Webhook)


async def test_a_webhook_given_away_while_it_is_changed_is_changed_by_its_next_owner(
    ground: Ground, webhook: Webhook, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    owner, _, heir = ground.nodes
    owner.fleet.stop()
    assert isinstance(await attempt(owner, webhook), DaemonError)  # it still owns it: Stopping
    local = owner.changer._local.change

    async def give_away(
        webhook_id: str, change: WebhookChange, once: Once[Webhook] | None, entry: AuditEntry
    ) -> Webhook | None:
        ground.owners[webhook.id] = heir.number
        return await local(webhook_id, change, once, entry)

    monkeypatch.setattr(owner.changer._local, "change", give_away)
    assert isinstance(await attempt(owner, webhook), Webhook)


async def attempt(node: Node, webhook: Webhook) -> Webhook | DaemonError | None:
    try:
        return await node.rename(webhook, "CRM 2")
    except DaemonError as error:
        return error


async def test_a_crash_of_the_webhooks_actor_is_answered_and_the_change_is_not_tried_again(
    ground: Ground,
    database: PostgresqlDatabase,
    webhook: Webhook,
    monkeypatch: pytest.MonkeyPatch,
    autojump_clock: MockClock,
) -> None:
    crashes = list[WebhookChange]()

    def crash(_webhook: Webhook, change: WebhookChange) -> Webhook:
        crashes.append(change)
        raise RuntimeError("bug")

    monkeypatch.setattr("daemon.delivery.webhook_changes.apply_change", crash)
    with pytest.raises(StoreUnavailable, match="crashed"):
        await ground.nodes[1].rename(webhook, "CRM 2")
    await trio.sleep(30)
    assert len(crashes) == 1


# -- who asked goes away


async def test_nobody_owns_the_webhook_then_it_is_not_changed_in_time_nor_later(
    ground: Ground, database: PostgresqlDatabase, webhook: Webhook, autojump_clock: MockClock
) -> None:
    ground.owners.clear()
    before = trio.current_time()
    with pytest.raises(StoreUnavailable, match="could not be changed in time: try again"):
        await ground.nodes[1].rename(webhook, "CRM 2")
    assert trio.current_time() - before == pytest.approx(20)
    ground.owners[webhook.id] = 1
    await trio.sleep(30)
    assert name_in(database) == "CRM"


async def test_a_caller_that_goes_away_leaves_no_change_behind(
    ground: Ground, database: PostgresqlDatabase, webhook: Webhook, autojump_clock: MockClock
) -> None:
    ground.owners.clear()
    with trio.move_on_after(3):
        await ground.nodes[1].rename(webhook, "CRM 2")
    ground.owners[webhook.id] = 1
    await trio.sleep(30)
    assert name_in(database) == "CRM"


async def test_an_answer_that_comes_at_the_last_moment_counts(
    ground: Ground, database: PostgresqlDatabase, webhook: Webhook, ask: Ask, autojump_clock: MockClock
) -> None:
    ground.owners.clear()
    asking = ask(ground.nodes[1], renaming("CRM 2"))
    await trio.sleep(19.95)
    ground.deaf, ground.owners[webhook.id] = True, 1  # it is told to nobody, and the next look would be too late
    ground.nodes[0].answering.look()
    await asking.over.wait()
    assert isinstance(asking.answer, Webhook)
    assert name_in(database) == "CRM 2"


@pytest.mark.parametrize("in_time", [True, False])
async def test_when_the_asking_node_dies_its_request_is_carried_out_until_the_deadline_and_never_after(
    ground: Ground, database: PostgresqlDatabase, webhook: Webhook, in_time: bool, autojump_clock: MockClock
) -> None:
    run(database, AskRequest("req_1", webhook.id, renaming("CRM 2"), None, 2, 20))
    if not in_time:
        execute(database, "UPDATE requests SET deadline_at = clock_timestamp()")
    await trio.sleep(3)
    assert name_in(database) == ("CRM 2" if in_time else "CRM")


async def test_a_change_that_waits_at_its_actor_beyond_the_deadline_is_not_made(
    ground: Ground, database: PostgresqlDatabase, webhook: Webhook, autojump_clock: MockClock
) -> None:
    run(database, AskRequest("req_1", webhook.id, renaming("CRM 2"), None, 2, 20))
    ground.nodes[0].run_write.begin_s = 5
    await trio.sleep(3)  # the owner has it in hand
    execute(database, "UPDATE requests SET deadline_at = clock_timestamp()")
    await trio.sleep(10)
    assert name_in(database) == "CRM"
    ground.nodes[0].run_write.begin_s = 0
    assert await ground.nodes[0].rename(webhook, "CRM 3") is not None  # its actor still has the webhook as it is
    assert name_in(database) == "CRM 3"


async def test_the_cleaner_forgets_old_requests(
    ground: Ground,
    database: PostgresqlDatabase,
    webhook: Webhook,
    nursery: trio.Nursery,
    autojump_clock: MockClock,
) -> None:
    ground.owners.clear()
    for number in range(5):
        run(database, AskRequest(f"req_{number}", webhook.id, renaming("CRM 2"), None, 2, 20))
    execute(database, "UPDATE requests SET deadline_at = now() - interval '2 hours' WHERE id < 'req_3'")
    cleaner = Cleaner(
        store=ground.nodes[0].store,
        clock=clock_of(VirtualWallClock()),
        telemetry=make_telemetry(),
        retention_days=lambda: 0,
        also=[PruneRequests(2)],
    )
    nursery.start_soon(cleaner.run)
    await trio.sleep(60)
    nursery.cancel_scope.cancel()
    assert count(database, "requests") == 2
