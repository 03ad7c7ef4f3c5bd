"""Nodes in a real PostgreSQL: lives, leases, shards, the fence, the feed, the order of acceptance, sweeps."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Thread

import pytest
from msgspec import structs
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import OperationalError

from daemon.cluster.sweeping import Sweeping
from daemon.domain.errors import MatchedTooEarly, StoreUnavailable
from daemon.domain.model import CancelReason, TeamEdit
from daemon.domain.shards import SHARDS, shard_of
from daemon.store.bulk import AddRows, send_rows
from daemon.store.commands import CreateWebhook, SaveTeam, SaveWebhook
from daemon.store.nodes import CopiedInstallation, Fence, Identity, NotAdmitted, PruneFeed, Sweep, Terms
from daemon.store.postgresql import database as postgresql_database_module
from daemon.store.postgresql import feed, membership, work
from daemon.store.postgresql.accepting import accept_events
from daemon.store.postgresql.address import Address
from daemon.store.postgresql.database import PostgresqlDatabase
from daemon.store.postgresql.database import open_database as open_postgresql
from daemon.store.postgresql.doubtful_commit import Fate, fate_of
from daemon.store.postgresql.schema import shard_of_webhook
from daemon.store.postgresql.sequences import SharedSequences
from daemon.store.postgresql.silence import Deadlines
from daemon.store.postgresql.work import pending_work_of_each
from daemon.store.reads.actor_reads import pending_work_one_by_one
from daemon.store.schema import HEAD_REVISION, webhook_hours, webhooks
from tests.store.filling import NOW, a_webhook, accept, accepting, count, found, recording, run
from tests.support.telemetry import make_telemetry

TERMS = Terms(HEAD_REVISION)
A = Identity(installation="a", name="a", host="one", version="1", terms=TERMS)
B = Identity(installation="b", name="b", host="two", version="1", terms=TERMS)


@pytest.fixture
def database(postgresql_database: PostgresqlDatabase) -> PostgresqlDatabase:
    return postgresql_database


@pytest.fixture
def other(database: PostgresqlDatabase, postgresql_address: Address) -> Iterator[PostgresqlDatabase]:
    """What another node has open of the same database."""
    opened = open_postgresql(postgresql_address)
    yield opened
    opened.close()


@contextmanager
def transaction(database: PostgresqlDatabase) -> Iterator[Connection]:
    with database.coordinating.begin() as connection:
        yield connection


def join(database: PostgresqlDatabase, me: Identity) -> int:
    with transaction(database) as connection:
        return membership.join(connection, me)


def end_lease(database: PostgresqlDatabase, node: int) -> None:
    """Have a node's lease be over for a second, and all others be steady for long."""
    with transaction(database) as connection:
        connection.execute(text("UPDATE leases SET steady_since = clock_timestamp() - interval '1 hour'"))
        over = "UPDATE leases SET until = clock_timestamp() - interval '1 second' WHERE node = :node"
        connection.execute(text(over), {"node": node})


def reap(database: PostgresqlDatabase, node: int) -> list[int]:
    with transaction(database) as connection:
        return membership.reap(connection, node)


def test_a_shard_is_counted_alike_by_the_server_and_by_us(database: PostgresqlDatabase) -> None:
    found(database)
    with transaction(database) as connection:
        rows = connection.execute(select(webhooks.c.id, shard_of_webhook().label("shard"))).all()
    assert [row.shard for row in rows] == [shard_of(row.id) for row in rows]


def test_a_node_claims_what_nobody_owns_and_no_more_than_it_asks_for(database: PostgresqlDatabase) -> None:
    first, second = join(database, A), join(database, B)
    with transaction(database) as connection:
        assert len(membership.claim(connection, first, 100)) == 100
        assert len(membership.claim(connection, second, SHARDS)) == SHARDS - 100
        survey = membership.survey(connection, first)
    assert (survey.sharers, len(survey.mine), survey.free) == (2, 100, 0)


def enforcing(me: Identity, value: str) -> Identity:
    return replace(me, terms=Terms(HEAD_REVISION, settings={"credits.enforce": value}))


def test_a_node_that_does_not_enforce_credits_is_not_admitted_beside_one_that_does(
    database: PostgresqlDatabase,
) -> None:
    first = join(database, enforcing(A, "true"))
    with pytest.raises(NotAdmitted) as refused:
        join(database, enforcing(B, "false"))
    assert str(refused.value) == (
        "credits.enforce is false here and true on node a: give all nodes the same, and stop them all to change it"
    )
    join(database, B)  # of a version that says nothing of it
    join(database, enforcing(A, "true"))
    end_lease(database, first + 2)
    join(database, enforcing(B, "false"))
    with transaction(database) as connection:
        assert not membership.renew(connection, first + 2, "{}"), "it wakes up, and is not admitted itself"


def test_a_node_without_the_key_that_seals_is_not_admitted(database: PostgresqlDatabase) -> None:
    with transaction(database) as connection:
        connection.execute(text("UPDATE cluster SET key_fingerprint = 'new'"))
    join(database, replace(A, terms=Terms(HEAD_REVISION, ("new", "old"))))
    with pytest.raises(NotAdmitted, match="does not have the encryption key that seals the secrets now"):
        join(database, replace(B, terms=Terms(HEAD_REVISION, ("old",))))


def test_a_life_whose_lease_is_over_is_ended_and_its_shards_are_free(database: PostgresqlDatabase) -> None:
    dead, heir = join(database, A), join(database, B)
    with transaction(database) as connection:
        membership.claim(connection, dead, SHARDS)
    end_lease(database, dead)
    assert reap(database, heir) == [dead]
    with transaction(database) as connection:
        assert len(membership.claim(connection, heir, SHARDS)) == SHARDS
        assert not membership.renew(connection, dead, "{}"), "it learns that its life has ended"


def test_a_node_that_was_late_itself_ends_nobody(database: PostgresqlDatabase) -> None:
    dead, late = join(database, A), join(database, B)
    end_lease(database, dead)
    with transaction(database) as connection:
        connection.execute(text("UPDATE leases SET steady_since = clock_timestamp()"))
    assert reap(database, late) == []


def test_a_node_whose_own_lease_is_over_ends_nobody(database: PostgresqlDatabase) -> None:
    first, second = join(database, A), join(database, B)
    end_lease(database, first)
    end_lease(database, second)
    assert reap(database, first) == []


def test_a_restart_of_the_same_installation_ends_its_former_life_at_once(database: PostgresqlDatabase) -> None:
    former = join(database, A)
    with transaction(database) as connection:
        membership.claim(connection, former, SHARDS)
    again = join(database, A)
    with transaction(database) as connection:
        assert len(membership.claim(connection, again, SHARDS)) == SHARDS


def test_a_copied_state_directory_on_another_host_cannot_join(database: PostgresqlDatabase) -> None:
    join(database, A)
    copied = Identity(installation="a", name="copy", host="elsewhere", version="1", terms=TERMS)
    with pytest.raises(CopiedInstallation, match="one"):
        join(database, copied)


def test_what_a_node_writes_after_its_life_ended_is_refused(database: PostgresqlDatabase) -> None:
    found(database)
    work_of, node = accept(database, [1]), join(database, A)
    heir = join(database, B)
    database.fence = Fence(node)
    end_lease(database, node)
    reap(database, heir)
    with pytest.raises(StoreUnavailable, match="taken for dead"):
        run(database, recording(work_of[0], 1))
    assert count(database, "attempts") == 0


def test_ending_a_life_waits_for_what_passed_the_fence(database: PostgresqlDatabase, other: PostgresqlDatabase) -> None:
    found(database)
    node, heir = join(database, A), join(database, B)
    database.fence = Fence(node)
    end_lease(database, node)
    ended: list[list[int]] = []
    reaping = Thread(target=lambda: ended.append(reap(other, heir)))
    with database.transaction() as connection:
        connection.execute(text("UPDATE teams SET name = 'changed'"))
        connection.execute(text("SELECT 1 FROM nodes WHERE node = :node FOR SHARE"), {"node": node})
        reaping.start()
        reaping.join(0.3)
        assert not ended, "it waits for the lock"
    reaping.join(5)
    assert ended == [[node]]
    assert count(database, "teams", "name = 'changed'") == 1


def test_a_process_that_is_no_member_writes_nothing(database: PostgresqlDatabase) -> None:
    found(database)
    database.fence = Fence()
    with pytest.raises(StoreUnavailable, match="not a member"):
        run(database, accepting(1, "wh_1"))


def test_a_registration_raises_the_version_and_says_what_it_was(database: PostgresqlDatabase) -> None:
    database.fence = Fence(join(database, A))
    found(database)
    with database.reading.connect() as connection:
        news = feed.news_since(connection, 0)
    assert news.version == 2
    assert news.team_ids == ("team_1",)
    assert [webhook.id for webhook in news.webhooks] == ["wh_1"]


def test_what_was_matched_before_another_registration_is_not_kept(database: PostgresqlDatabase) -> None:
    database.fence = Fence(join(database, A))
    found(database)
    with pytest.raises(MatchedTooEarly):
        run(database, structs.replace(accepting(1, "wh_1"), version=1))
    assert count(database, "events") == 0
    run(database, structs.replace(accepting(1, "wh_1"), version=2))
    assert count(database, "events") == 1


def test_numbers_of_a_later_transaction_are_higher_whoever_takes_them(
    database: PostgresqlDatabase, other: PostgresqlDatabase
) -> None:
    found(database)
    taken = [accept(one, [number])[0].seq for number, one in enumerate([database, other] * 5)]
    assert taken == sorted(taken)


def test_one_idempotency_key_at_two_nodes_is_used_once(database: PostgresqlDatabase, other: PostgresqlDatabase) -> None:
    found(database)
    answers: list[object] = []
    second = Thread(target=lambda: answers.append(run(other, accepting(2, "wh_1", key="same"))))
    with database.transaction() as connection:
        (first,) = accept_events(connection, [accepting(1, "wh_1", key="same")], SharedSequences())
        second.start()
        second.join(0.3)
        assert not answers, "it waits for the first use"
    second.join(5)
    assert answers[0].replayed  # type: ignore[attr-defined]  # it is Accepted
    assert answers[0].receipts[0].event_id == first.receipts[0].event_id  # type: ignore[attr-defined, union-attr]


def test_the_fate_of_a_transaction_is_known_afterwards(database: PostgresqlDatabase) -> None:
    def number_of(connection: Connection) -> str:
        connection.execute(text("UPDATE cluster SET version = version + 1"))
        return str(connection.execute(text("SELECT pg_current_xact_id()::text")).scalar_one())

    with transaction(database) as connection:
        committed = number_of(connection)
    with database.coordinating.connect() as connection:
        undone = number_of(connection)
        connection.rollback()
    assert fate_of(database.writing, committed) is Fate.COMMITTED
    assert fate_of(database.writing, undone) is Fate.UNDONE


def test_a_lost_connection_in_commit_is_settled_by_asking(database: PostgresqlDatabase) -> None:
    found(database)
    database.writing.dispose()
    before = database.transactions
    killed = text("SELECT pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(OperationalError), database.transaction() as connection:  # noqa: PT012 - what it loses first
        connection.execute(text("UPDATE teams SET name = 'lost'"))
        connection.execute(killed)
    assert database.transactions == before
    assert database.doubtful_commits == 0, "it was lost before COMMIT"
    assert count(database, "teams", "name = 'lost'") == 0
    run(database, accepting(1, "wh_1"))


def test_a_sweep_misses_nothing_that_appears_late(database: PostgresqlDatabase, other: PostgresqlDatabase) -> None:
    found(database)
    seen: list[frozenset[str]] = []
    sweeping = Sweeping(_unused, seen.append, make_telemetry().log)  # type: ignore[arg-type]  # a set is a collection
    sweep_with(database, sweeping)
    with other.transaction() as connection:
        accept_events(connection, [accepting(1, "wh_1")], SharedSequences())
        accept(database, [2])
        for _ in range(3):
            sweep_with(database, sweeping)
    seen.clear()
    sweep_with(database, sweeping)
    assert seen == [frozenset({"wh_1"})]


async def _unused(_behind_seq: int) -> Sweep:
    raise AssertionError


def sweep_with(database: PostgresqlDatabase, sweeping: Sweeping) -> None:
    with database.reading.connect() as connection:
        sweeping.note(work.sweep(connection, sweeping.behind_seq))


def test_who_waits_for_a_silent_server_is_told_that_the_connection_is_lost(database: PostgresqlDatabase) -> None:
    deadlines, lost = Deadlines(), list[Exception]()

    def wait_for_ever() -> None:
        try:
            with database.reading.connect() as connection:
                deadlines.begin(connection.connection.driver_connection, seconds=0.2)  # type: ignore[arg-type]
                connection.execute(text("SELECT pg_sleep(60)"))
        except OperationalError as error:
            lost.append(error)

    waiting = Thread(target=wait_for_ever)
    waiting.start()
    ended = 0
    while waiting.is_alive() and not ended:
        waiting.join(0.1)
        ended = deadlines.hang_up()
    waiting.join(5)
    assert len(lost) == 1
    with database.reading.connect() as connection:
        assert connection.scalar(text("SELECT 1")) == 1


@pytest.fixture
def lost_in_commit(database: PostgresqlDatabase) -> Iterator[PostgresqlDatabase]:
    """A database whose server ends the connection in the middle of the next COMMIT that changes a team."""
    found(database)
    for statement in (
        "CREATE FUNCTION end_session() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$",
        "CREATE CONSTRAINT TRIGGER ending AFTER UPDATE ON teams DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION end_session()",
    ):
        with transaction(database) as connection:
            connection.exec_driver_sql(statement)
    yield database
    with transaction(database) as connection:
        connection.exec_driver_sql("DROP FUNCTION end_session() CASCADE")


def a_change() -> SaveTeam:
    return SaveTeam("team_1", TeamEdit(name="Changed"))


def test_a_connection_lost_in_commit_has_the_server_asked_what_became_of_it(lost_in_commit: PostgresqlDatabase) -> None:
    with pytest.raises(StoreUnavailable, match="the database failed"):
        run(lost_in_commit, a_change())
    assert lost_in_commit.doubtful_commits == 1
    assert count(lost_in_commit, "teams", "name = 'Changed'") == 0


@pytest.mark.parametrize("fate", [Fate.UNKNOWN, Fate.COMMITTED])
def test_a_commit_in_doubt_is_said_to_be_and_one_that_was_kept_is_answered_as_any_other(
    lost_in_commit: PostgresqlDatabase, monkeypatch: pytest.MonkeyPatch, fate: Fate
) -> None:
    monkeypatch.setattr(postgresql_database_module, "fate_of", lambda *_: fate)
    if fate is Fate.COMMITTED:
        assert run(lost_in_commit, a_change()).name == "Changed"
    else:
        with pytest.raises(StoreUnavailable, match="may have been kept"):
            run(lost_in_commit, a_change())


def test_what_every_node_has_followed_is_forgotten_and_the_newest_change_is_kept(database: PostgresqlDatabase) -> None:
    database.fence = Fence(join(database, A))
    found(database)
    former = join(database, B)
    with transaction(database) as connection:
        membership.leave(connection, former, "stopped")
        connection.execute(text("UPDATE feed SET at = clock_timestamp() - interval '2 hours'"))
        connection.execute(text("UPDATE nodes SET ended_at = ended_at - interval '8 days' WHERE ended_at IS NOT NULL"))
    assert run(database, PruneFeed(100)) == 1
    assert run(database, PruneFeed(100)) == 0
    assert (count(database, "feed"), count(database, "nodes"), count(database, "leases")) == (1, 1, 1)
    with database.reading.connect() as connection:
        assert feed.news_since(connection, 2).is_complete
        assert not feed.news_since(connection, 0).is_complete


def test_a_delivery_that_was_begun_goes_first_after_a_takeover(database: PostgresqlDatabase) -> None:
    """A lower number may become visible only later: it must not get between the attempts of a begun one."""
    found(database)
    late, begun, later = accept(database, [1, 2, 3])
    run(database, recording(begun, 1, status=500))
    with database.reading.connect() as connection:
        _, first = work.webhook_and_begun_work(connection, "wh_1", 12)
        _, of_two = work.webhook_and_begun_work(connection, "wh_1", 2)
    assert [one.seq for one in first] == [begun.seq, late.seq, later.seq]
    assert [one.seq for one in of_two] == [begun.seq, late.seq]


def test_what_waits_for_many_webhooks_is_read_at_once_as_it_is_for_each(database: PostgresqlDatabase) -> None:
    found(database)
    for number in (2, 3, 4):
        run(database, CreateWebhook(a_webhook(number)))
    begun, done, *_ = accept(database, range(20), "wh_1", "wh_2", "wh_3")
    run(database, recording(begun, 1, status=500))
    run(database, recording(done, 1, webhook=2))
    in_flight = accept(database, [20], "wh_3")[0]
    run(database, SaveWebhook(a_webhook(3), CancelReason.WEBHOOK_DISABLED, (in_flight.seq,), NOW))
    run(database, SaveWebhook(a_webhook(3)))
    accept(database, [21, 22], "wh_3")
    asked = [("wh_1", 128), ("wh_2", 3), ("wh_4", 7), ("unknown", 7), ("wh_3", 2), ("wh_1", 1)]
    with database.reading.connect() as connection:
        pages = pending_work_of_each(connection, asked)
        assert pages == pending_work_one_by_one(connection, asked)
    assert [len(page) for page in pages] == [20, 3, 0, 0, 2, 1]


def test_a_connection_lost_between_statements_that_go_together_is_said_once(
    database: PostgresqlDatabase, other: PostgresqlDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    def write_over_a_lost_connection() -> None:
        with database.transaction() as connection:
            number = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            with transaction(other) as killer:
                killer.exec_driver_sql(f"SELECT pg_terminate_backend({number}, 5000)")
            for webhook_id in ("wh_1", "wh_2"):
                send_rows(connection, AddRows(webhook_hours), [(0, webhook_id, *[0] * (len(webhook_hours.c) - 2))])

    found(database)
    with pytest.raises(OperationalError, match=r"terminating connection|connection is lost|closed the connection"):
        write_over_a_lost_connection()
    assert caplog.messages == []
    assert count(database, "webhook_hours") == 0
    assert len(accept(database, [1])) == 1
