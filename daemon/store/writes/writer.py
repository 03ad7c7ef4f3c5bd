"""The only writer: it takes all waiting commands and commits them together (architecture "The store")."""

import math
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar

import trio

from daemon.actors.mutex import Mutex
from daemon.actors.reply import Reply
from daemon.actors.threads import RunInThread
from daemon.domain.errors import StoreUnavailable
from daemon.store.commands import Command, ProbeWrite, ReadBalance
from daemon.store.engine import Engine
from daemon.store.writes.batch import run_batch
from daemon.telemetry.metrics import Metrics

MAX_BATCH = 500  # the longest take a tenth of a millisecond each
_ANSWERS_AT_ONCE = 32
_LONGEST_GATHERING_S = 0.015
_QUIET_TURNS = 3

Answer = TypeVar("Answer")


@dataclass(slots=True, eq=False)
class _Request(Generic[Answer]):
    command: Command[Answer]
    then: Callable[[Answer], None] | None = None
    reply: Reply[Answer] = field(default_factory=Reply)


class Writer:
    """The mailbox of writes. An answer means that the command is committed, and durable."""

    def __init__(self, engine: Engine, run_in_thread: RunInThread, metrics: Metrics) -> None:
        self._engine = engine
        self._run_in_thread = run_in_thread
        self._metrics = metrics
        self._waiting: deque[_Request[Any]] = deque()
        self._last: _Request[Any] | None = None
        self._due_at = math.inf  # -inf: at once
        self._wake = trio.Event()
        self._asleep: trio.CancelScope | None = None
        self._closed = False
        self._failure: str | None = None
        self._turn = Mutex()
        self._checkpoint_due = trio.Event()

    def failure(self) -> str | None:
        """Return why the last write failed, None once something has been written since."""
        return self._failure

    async def prove(self) -> None:
        """Make a round trip through the store; after a failure, one that writes. Raises StoreUnavailable."""
        await self.execute(ReadBalance("") if self._failure is None else ProbeWrite())

    async def execute(self, command: Command[Answer], then: Callable[[Answer], None] | None = None) -> Answer:
        """Run one command and return its answer, after COMMIT.

        Raises StoreUnavailable (even if it was committed, when the writer crashed), or the command's own error.
        A caller that is cancelled here leaves the command in the queue; `then` is still called with the answer,
        before any later command runs: it keeps the in-memory state in step with the database.
        """
        return await self.begin(command, then).wait()

    def begin(
        self, command: Command[Answer], then: Callable[[Answer], None] | None = None, within_s: float = 0
    ) -> Reply[Answer]:
        """Give the writer a command, as `execute` does, and return at once: the reply comes after COMMIT.

        It may wait for `within_s` seconds for another command, whose transaction it shares then, or for `hurry`.
        """
        request: _Request[Answer] = _Request(command, then)
        self._enqueue([request], within_s)
        return request.reply

    def hurry(self) -> None:
        """Commit what may still wait at once."""
        if self._waiting:
            self._due_at = -math.inf
            self._wake.set()

    async def execute_all(self, commands: Sequence[Command[Answer]]) -> list[Answer | Exception]:
        """Run one caller's commands in order, in one transaction if it can be; return each one's answer or error."""
        requests: list[_Request[Any]] = [_Request(command) for command in commands]
        self._enqueue(requests)
        return [await _settled(request.reply) for request in requests]

    def _enqueue(self, requests: list[_Request[Answer]], within_s: float = 0) -> None:
        if self._closed:
            for request in requests:
                request.reply.settle(StoreUnavailable("the store is closed: the daemon has stopped"))
            return
        self._waiting.extend(requests)
        self._last = requests[-1] if requests else self._last
        if not within_s:
            self.hurry()
        elif self._due_at == math.inf:
            self._due_at = trio.current_time() + within_s
            if self._asleep is not None:
                self._asleep.deadline = self._due_at

    async def settled(self) -> None:
        """Wait until every command submitted so far is committed or has failed, even if nobody waits for its answer."""
        if self._last is not None:
            self.hurry()
            await self._last.reply.settled()

    async def checkpoint_due(self) -> None:
        """Wait until, after a commit or on request, a checkpoint is due."""
        await self._checkpoint_due.wait()
        self._checkpoint_due = trio.Event()

    def ask_for_checkpoint(self) -> None:
        """Have a checkpoint made, though no commit makes it due."""
        self._checkpoint_due.set()

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Hold off all commits within the block, which should be short."""
        async with self._turn:
            yield

    def close(self) -> None:
        """Take no further commands; `run` ends when it has committed those that wait."""
        self._closed = True
        self._due_at = -math.inf
        self._wake.set()

    async def run(self) -> None:
        """Commit batch after batch until closed.

        A crash leaves in doubt what was committed, and which `then` was called: it must not be run again on the same
        memory (architecture "Supervision and stopping").
        """
        while not self._closed or self._waiting:
            if self._waiting and self._due_at <= trio.current_time():
                await self._gather()
                await self._commit(self._take())
            else:
                await self._sleep()

    async def _sleep(self) -> None:
        with trio.CancelScope(deadline=self._due_at) as self._asleep:
            await self._wake.wait()
        self._asleep = None

    def _take(self) -> list[_Request[Any]]:
        taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_BATCH))]
        if not self._waiting:
            self._due_at = math.inf
            self._wake = trio.Event()
        return taken

    async def _gather(self) -> None:
        """Wait while more commands arrive, up to `_LONGEST_GATHERING_S`.

        A commit's thread and a busy loop hinder each other at the interpreter lock: committing half while
        the other half still arrives costs a quarter more than committing all of it once the loop is quiet. It counts as
        quiet after `_QUIET_TURNS` turns without a new command; one may take a few turns from its socket to here.
        """
        gathered, quiet, deadline = len(self._waiting), 0, trio.current_time() + _LONGEST_GATHERING_S
        while quiet < _QUIET_TURNS and len(self._waiting) < MAX_BATCH and trio.current_time() < deadline:
            await trio.lowlevel.checkpoint()
            quiet = quiet + 1 if gathered == len(self._waiting) else 0
            gathered = len(self._waiting)

    async def _commit(self, requests: list[_Request[Any]]) -> None:
        batch = [request.command for request in requests]
        started, before = trio.current_time(), self._engine.transactions
        try:
            async with self._turn:
                answers, is_checkpoint_due = await self._run_in_thread(partial(self._run_batch, batch))
        except BaseException:
            _fail(requests)
            raise
        if is_checkpoint_due:
            self._checkpoint_due.set()
        self._note_commit(len(batch), trio.current_time() - started)
        self._note_failure(answers, self._engine.transactions > before)
        await _answer(requests, answers)

    def _note_commit(self, size: int, took_s: float) -> None:
        self._metrics.commit_duration_seconds.observe(took_s)
        self._metrics.longest_commit.observe(took_s)
        self._metrics.commit_batch_size.observe(size)

    def _run_batch(self, batch: Sequence[Command[Any]]) -> tuple[list[Any], bool]:
        return run_batch(self._engine, batch), self._engine.is_checkpoint_due()

    def _note_failure(self, answers: Sequence[Any], has_written: bool) -> None:
        failures = [answer for answer in answers if isinstance(answer, StoreUnavailable)]
        if failures:
            self._metrics.commits_failed.inc()
            self._failure = str(failures[0])
        elif has_written:  # reads alone prove nothing: a full disk can still be read
            self._failure = None


async def _answer(requests: Sequence[_Request[Any]], answers: Sequence[Any]) -> None:
    """Answer a few per turn of the loop: each answer wakes an actor, and all at once would delay the other tasks."""
    left = zip(requests, answers, strict=True)
    try:
        for place, (request, answer) in enumerate(left, 1):
            request.reply.settle(answer)
            if request.then is not None and not isinstance(answer, Exception):
                request.then(answer)
            if place % _ANSWERS_AT_ONCE == 0:
                await trio.lowlevel.checkpoint()
    finally:
        for request, answer in left:  # a commit stands, whatever interrupted this
            request.reply.settle(answer)


async def _settled(reply: Reply[Answer]) -> Answer | Exception:
    try:
        return await reply.wait()
    except Exception as error:
        return error


def _fail(requests: list[_Request[Any]]) -> None:
    for request in requests:
        request.reply.settle(StoreUnavailable("the store failed while writing: try again"))
