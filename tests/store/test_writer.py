"""The writer: one transaction for all waiting commands, answers after COMMIT (architecture "The store")."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import pytest
import trio
import trio.testing
from sqlalchemy import Connection, event
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError
from trio.testing import MockClock

from daemon.actors.reply import Reply
from daemon.actors.threads import RunInThread, run_inline, thread_runner
from daemon.domain.errors import AlreadyExists, StoreUnavailable
from daemon.domain.model import ApiKey
from daemon.store.commands import AddKey, CreateTeam, CreateWebhook, GrantCredits, ProbeWrite, ReadBalance
from daemon.store.reads import api_reads
from daemon.store.reads.reader import Reader
from daemon.store.upkeep_commands import PruneIdempotencyKeys
from daemon.store.writes.writer import MAX_BATCH, Writer
from daemon.telemetry.metrics import make_metrics
from tests.store.failing import failing_writes, words_of_refused_writes
from tests.store.filling import NOW, AnyDatabase, a_team, a_webhook, count

Result = TypeVar("Result")


@contextmanager
def commits_of(database: AnyDatabase) -> Iterator[list[str]]:
    """The ends of transactions, as they happen: "commit" or "rollback"."""
    ends: list[str] = []

    def committed(_connection: Connection) -> None:
        ends.append("commit")

    def rolled_back(_connection: Connection) -> None:
        ends.append("rollback")

    event.listen(database.writing, "commit", committed)
    event.listen(database.writing, "rollback", rolled_back)
    yield ends
    event.remove(database.writing, "commit", committed)
    event.remove(database.writing, "rollback", rolled_back)


@asynccontextmanager
async def writing(database: AnyDatabase, run_in_thread: RunInThread = run_inline) -> AsyncIterator[Writer]:
    """A running writer, closed and drained when the block is left."""
    writer = Writer(database, run_in_thread, make_metrics())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.run)
        yield writer
        writer.close()


@dataclass(slots=True)
class Gate:
    """A thread that holds each batch until it is opened."""

    opened: trio.Event = field(default_factory=trio.Event)
    error: Exception | None = None

    async def __call__(self, work: Callable[[], Result], /) -> Result:
        await self.opened.wait()
        if self.error is not None:
            raise self.error
        return work()


async def test_an_answer_means_that_the_command_is_committed(database: AnyDatabase) -> None:
    async with writing(database) as writer:
        await writer.execute(CreateTeam(a_team()))
        assert count(database, "teams") == 1


@pytest.mark.parametrize("run_in_thread", [run_inline, thread_runner(1)], ids=["inline", "thread"])
async def test_all_waiting_commands_share_one_transaction(database: AnyDatabase, run_in_thread: RunInThread) -> None:
    writer = Writer(database, run_in_thread, make_metrics())
    with commits_of(database) as ends:
        async with trio.open_nursery() as nursery:
            for number in range(100):
                nursery.start_soon(writer.execute, CreateTeam(a_team(number)))
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(writer.run)
            writer.close()
    assert ends == ["commit"]
    assert count(database, "teams") == 100


async def test_commands_that_arrive_during_a_transaction_share_the_next_one(database: AnyDatabase) -> None:
    gate = Gate()
    async with writing(database, gate) as writer:
        with commits_of(database) as ends:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(writer.execute, CreateTeam(a_team(0)))
                await trio.testing.wait_all_tasks_blocked()
                for number in range(1, 50):
                    nursery.start_soon(writer.execute, CreateTeam(a_team(number)))
                await trio.testing.wait_all_tasks_blocked()
                gate.opened.set()
        assert ends == ["commit"] * 2


async def test_commands_that_arrive_turn_by_turn_of_the_loop_share_transactions(database: AnyDatabase) -> None:
    async def grant_after(turns: int) -> None:
        for _ in range(turns):
            await trio.lowlevel.checkpoint()
        await writer.execute(CreateTeam(a_team(turns)))

    with commits_of(database) as ends:
        async with writing(database) as writer, trio.open_nursery() as nursery:
            for turns in range(100):
                nursery.start_soon(grant_after, turns)
    # A turn brings one command, before or after the writer's own step, as the loop likes: a pause ends the gathering.
    assert len(ends) < 45


async def test_a_few_turns_without_a_command_do_not_end_the_gathering(database: AnyDatabase) -> None:
    async def grant_after(turns: int) -> None:
        for _ in range(turns):
            await trio.lowlevel.checkpoint()
        await writer.execute(CreateTeam(a_team(turns)))

    with commits_of(database) as ends:
        async with writing(database) as writer, trio.open_nursery() as nursery:
            for turns in range(0, 100, 2):
                nursery.start_soon(grant_after, turns)
    # Fifty commands, one in each second turn; more than one transaction only if the machine is slow.
    assert len(ends) < 20


async def test_an_endless_stream_of_commands_does_not_hold_up_a_transaction(database: AnyDatabase) -> None:
    async def keep_granting() -> None:
        for number in range(1_000_000):
            nursery.start_soon(writer.execute, CreateTeam(a_team(number)))
            await trio.lowlevel.checkpoint()

    async with writing(database) as writer, trio.open_nursery() as nursery:
        nursery.start_soon(keep_granting)
        with trio.fail_after(1):
            await writer.execute(CreateTeam(a_team(-1)))
        nursery.cancel_scope.cancel()


@pytest.fixture
async def patient(database: AnyDatabase) -> AsyncIterator[tuple[Writer, list[float]]]:
    """A writer in virtual time that was given a command that may wait for ten seconds, and when that was committed."""
    committed: list[float] = []
    async with writing(database) as writer, trio.open_nursery() as nursery:
        began = trio.current_time()

        async def wait_for(reply: Reply[None]) -> None:
            await reply.wait()
            committed.append(trio.current_time() - began)

        nursery.start_soon(wait_for, writer.begin(CreateTeam(a_team(1)), within_s=10))
        await trio.sleep(1)
        assert committed == []
        yield writer, committed


async def test_a_command_that_may_wait_is_committed_when_its_time_is_over(
    autojump_clock: MockClock, patient: tuple[Writer, list[float]]
) -> None:
    _, committed = patient
    await trio.sleep(60)
    assert committed == [pytest.approx(10)]


async def test_a_command_that_may_wait_shares_the_transaction_of_the_next_one(
    database: AnyDatabase, autojump_clock: MockClock, patient: tuple[Writer, list[float]]
) -> None:
    writer, committed = patient
    with commits_of(database) as ends:
        await writer.execute(CreateTeam(a_team(2)))
        await trio.sleep(60)
    assert committed == [pytest.approx(1)]
    assert ends == ["commit"]


@pytest.mark.parametrize("hasten", [Writer.hurry, Writer.close], ids=["hurry", "close"])
async def test_a_command_that_may_wait_is_committed_at_once_when_somebody_cannot(
    autojump_clock: MockClock, patient: tuple[Writer, list[float]], hasten: Callable[[Writer], None]
) -> None:
    writer, committed = patient
    hasten(writer)
    await trio.sleep(0.1)
    assert committed == [pytest.approx(1, abs=0.1)]


async def test_who_waits_until_all_is_settled_waits_for_no_commands_time(
    autojump_clock: MockClock, patient: tuple[Writer, list[float]]
) -> None:
    writer, committed = patient
    await writer.settled()
    await trio.sleep(0.1)
    assert committed == [pytest.approx(1, abs=0.1)]


async def test_a_command_that_may_wait_waits_though_another_is_being_committed(
    database: AnyDatabase, autojump_clock: MockClock
) -> None:
    gate = Gate()
    async with writing(database, gate) as writer:
        with commits_of(database) as ends:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(writer.execute, CreateTeam(a_team(1)))
                await trio.testing.wait_all_tasks_blocked()
                reply = writer.begin(CreateTeam(a_team(2)), within_s=10)
                gate.opened.set()
            began = trio.current_time()
            await reply.wait()
        assert trio.current_time() - began == pytest.approx(10)
        assert ends == ["commit"] * 2


async def test_a_transaction_takes_at_most_its_maximum_of_commands(database: AnyDatabase) -> None:
    async with writing(database) as writer:
        with commits_of(database) as ends:
            await writer.execute_all([CreateTeam(a_team(number)) for number in range(MAX_BATCH + 1)])
        assert ends == ["commit"] * 2


async def test_answers_come_in_the_order_of_the_commands_even_of_mixed_kinds(database: AnyDatabase) -> None:
    async with writing(database) as writer:
        await writer.execute(CreateTeam(a_team()))
        steps = [
            step
            for number in range(20)
            for step in (GrantCredits(f"crd_{number}", "team_1", 1, None, NOW), ReadBalance("team_1"))
        ]
        answers = await writer.execute_all(steps)
        assert answers[1::2] == list(range(1, 21))


async def test_a_failing_command_fails_alone(database: AnyDatabase) -> None:
    async with writing(database) as writer:
        key = ApiKey("key_1", "team_1", "CI", NOW)
        commands = [
            CreateTeam(a_team(1)),
            AddKey(key, b"digest"),
            AddKey(key, b"another"),  # its id is taken
            CreateTeam(a_team(2)),
        ]
        answers = await writer.execute_all(commands)
        assert [type(answer) for answer in answers] == [type(None), type(None), IntegrityError, type(None)]
        assert (count(database, "teams"), count(database, "api_keys")) == (2, 1)


async def test_a_commands_own_error_is_raised_and_does_not_affect_its_neighbours(database: AnyDatabase) -> None:
    async with writing(database) as writer:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(writer.execute, CreateTeam(a_team(1)))
            nursery.start_soon(writer.execute, CreateTeam(a_team(2)))
        with commits_of(database) as ends:
            answers = await writer.execute_all([CreateTeam(a_team(2)), CreateTeam(a_team(3))])
            assert [type(answer) for answer in answers] == [AlreadyExists, type(None)]
            with pytest.raises(AlreadyExists, match="team_3"):
                await writer.execute(CreateTeam(a_team(3)))
        assert ends == ["commit"] * 2


@pytest.mark.parametrize("kind", [OperationalError, DatabaseError])
async def test_when_the_database_fails_every_command_is_refused_and_nothing_is_kept(
    database: AnyDatabase, kind: type[DatabaseError]
) -> None:
    def fail(_connection: Connection) -> None:
        raise kind("COMMIT", {}, Exception("disk I/O error"))

    async with writing(database) as writer:
        event.listen(database.writing, "commit", fail, insert=True)
        answers = await writer.execute_all([CreateTeam(a_team(1)), CreateWebhook(a_webhook())])
        event.remove(database.writing, "commit", fail)
        assert [type(answer) for answer in answers] == [StoreUnavailable] * 2
        assert count(database, "teams") == 0
        await writer.execute(CreateTeam(a_team(1)))
        assert count(database, "teams") == 1


async def test_closing_commits_waiting_commands_and_refuses_new_ones(database: AnyDatabase) -> None:
    gate = Gate()
    writer = Writer(database, gate, make_metrics())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.run)
        nursery.start_soon(writer.execute, CreateTeam(a_team(1)))
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(writer.execute, CreateTeam(a_team(2)))
        await trio.testing.wait_all_tasks_blocked()
        writer.close()
        with pytest.raises(StoreUnavailable):
            await writer.execute(CreateTeam(a_team(3)))
        gate.opened.set()
    assert count(database, "teams") == 2


async def test_closing_before_the_start_ends_the_writer_at_once(database: AnyDatabase) -> None:
    writer = Writer(database, run_inline, make_metrics())
    writer.close()
    writer.close()
    with trio.fail_after(1):
        await writer.run()


async def test_a_crash_refuses_the_commands_of_that_transaction_and_ends_the_writer(database: AnyDatabase) -> None:
    gate, refused = Gate(error=RuntimeError("bug")), []
    writer = Writer(database, gate, make_metrics())

    async def create(number: int) -> None:
        with pytest.raises(StoreUnavailable):
            await writer.execute(CreateTeam(a_team(number)))
        refused.append(number)

    async def run() -> None:
        with pytest.raises(RuntimeError, match="bug"):
            await writer.run()

    with trio.fail_after(1):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(create, 1)
            nursery.start_soon(create, 2)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(run)
            gate.opened.set()
    assert sorted(refused) == [1, 2]
    assert count(database, "teams") == 0


async def test_a_committed_command_is_answered_even_if_its_follow_up_crashes(database: AnyDatabase) -> None:
    answered: list[int] = []
    writer = Writer(database, run_inline, make_metrics())

    def crash(_answer: object) -> None:
        raise RuntimeError("bug")

    async def create(number: int) -> None:
        await writer.execute(CreateTeam(a_team(number)), crash)
        answered.append(number)

    async def run() -> None:
        with pytest.raises(RuntimeError, match="bug"):
            await writer.run()

    with trio.fail_after(1):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(create, 1)
            nursery.start_soon(create, 2)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(run)
    assert (sorted(answered), count(database, "teams")) == ([1, 2], 2)


async def test_the_command_of_a_caller_that_left_and_its_follow_up_are_still_done(database: AnyDatabase) -> None:
    gate, known = Gate(), []
    async with writing(database, gate) as writer:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(writer.execute, CreateTeam(a_team(1)), lambda _: known.append("team_1"))
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        gate.opened.set()
        await writer.execute(CreateTeam(a_team(2)))
    assert count(database, "teams") == 2
    assert known == ["team_1"]


async def test_a_failed_command_has_no_follow_up(database: AnyDatabase) -> None:
    known: list[str] = []
    async with writing(database) as writer:
        await writer.execute(CreateTeam(a_team()))
        with pytest.raises(AlreadyExists):
            await writer.execute(CreateTeam(a_team()), lambda _: known.append("team_1"))
    assert known == []


async def test_reads_in_threads_go_on_while_a_transaction_is_open(database: AnyDatabase) -> None:
    reader = Reader(database, thread_runner(4))
    with database.writing.begin() as connection:
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('x')")
        with trio.fail_after(1):
            assert await reader.fetch(api_reads.get_team, "team_1") is None


async def test_a_read_that_fails_says_that_the_store_is_unavailable(database: AnyDatabase) -> None:
    def broken(connection: Connection) -> None:
        connection.exec_driver_sql("SELECT * FROM nowhere")

    with pytest.raises(StoreUnavailable):
        await Reader(database, run_inline).fetch(broken)


async def test_the_store_is_in_trouble_from_a_failed_write_until_the_next_successful_one(database: AnyDatabase) -> None:
    async with writing(database) as writer:
        with failing_writes(database):
            with pytest.raises(StoreUnavailable):
                await writer.execute(CreateTeam(a_team()))
            with pytest.raises(StoreUnavailable):
                await writer.prove()
        await writer.execute(ReadBalance("team_1"))
        await writer.execute(PruneIdempotencyKeys(0, 10))
        assert writer.failure() == f"the database failed ({words_of_refused_writes(database)})", (
            "neither of them wrote anything"
        )
        await writer.prove()
        assert writer.failure() is None


async def test_a_proof_of_writing_leaves_nothing_behind(database: AnyDatabase) -> None:
    async with writing(database) as writer, trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(writer.execute, ProbeWrite())
    assert count(database, "idempotency_keys") == 0


async def test_a_refused_command_is_no_trouble_of_the_database(database: AnyDatabase) -> None:
    async with writing(database) as writer:
        await writer.execute(CreateTeam(a_team()))
        with pytest.raises(AlreadyExists):
            await writer.execute(CreateTeam(a_team()))
        assert writer.failure() is None


async def test_the_answers_of_a_large_transaction_wake_a_few_callers_a_turn_of_the_loop(database: AnyDatabase) -> None:
    woken: list[int] = []

    async def grant(number: int) -> None:
        await writer.execute(CreateTeam(a_team(number)))
        woken.append(number)

    turns: list[int] = []
    async with writing(database) as writer, trio.open_nursery() as nursery:
        for number in range(100):
            nursery.start_soon(grant, number)
        while len(woken) < 100:
            before = len(woken)
            await trio.lowlevel.checkpoint()
            turns.append(len(woken) - before)
    assert max(turns) <= 64  # two turns of answers, since the loop may be one behind
