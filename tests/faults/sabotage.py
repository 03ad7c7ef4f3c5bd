"""Crashes at named points, through the seams: one call of one of them raises, before or after the real thing.

`python -m tests.faults.sabotage SEAM CALL serve …` is `python -m daemon serve …` that crashes before this call.
"""

import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import pytest
import trio

from daemon.actors.interruptible_wait import Pause
from daemon.actors.reply import Reply
from daemon.actors.supervisor import ActorFailed
from daemon.cli import main as run_command_line
from daemon.delivery.credit_gate import CreditGate
from daemon.domain.mails import Mail
from daemon.egress.post import Post
from daemon.egress.response import Response
from daemon.egress.transport import Transport
from daemon.mail.result import SendResult
from daemon.seams import Seams
from daemon.store.commands import Audited, Command, ExecuteOnce
from daemon.store.reads.reader import Reader
from daemon.store.writes.writer import Writer

Result = TypeVar("Result")


class Bug(Exception):
    """What no code expects: a mistake in the program."""


@dataclass(frozen=True, slots=True)
class Point:
    """The `on_call`th call of a seam, counted from 1, raises: before the real call, or after it was done."""

    seam: str
    after: bool = False
    on_call: int = 1

    def __str__(self) -> str:
        return f"{'after' if self.after else 'before'} {self.seam}, call {self.on_call}"


def name_of(command: Command[Any]) -> str:
    """Return what a command does, whether or not it is run once, or with an entry of the audit trail."""
    while isinstance(command, Audited | ExecuteOnce):
        command = command.command
    return type(command).__name__


@dataclass(slots=True)
class Saboteur:
    """Raises at its point, once. `on_strike` is called when it does."""

    point: Point
    on_strike: Callable[[], None]
    armed: bool = False
    struck: bool = False
    calls: Counter[str] = field(default_factory=Counter)

    async def pass_through(self, seam: str, call: Callable[[], Awaitable[Result]]) -> Result:
        """Do the call, unless this is the point."""
        strikes = self._strikes(seam)
        if strikes and not self.point.after:
            raise Bug(str(self.point))
        result = await call()
        if strikes:
            raise Bug(str(self.point))
        return result

    def reply(self, seam: str, call: Callable[[], Reply[Any]]) -> Reply[Any]:
        """Do the call, unless this is the point: before it, or when its reply has come."""
        strikes = self._strikes(seam)
        if strikes and not self.point.after:
            raise Bug(str(self.point))
        return _Struck(call(), Bug(str(self.point))) if strikes else call()

    def now(self, now_ms: int) -> int:
        """Return the time, unless this is the point."""
        if self._strikes("clock"):
            raise Bug(str(self.point))
        return now_ms

    def follow(self, then: Callable[[Any], None], answer: Any) -> None:
        """Do what follows from a commit, unless this is the point."""
        strikes = self._strikes("then")
        if strikes and not self.point.after:
            raise Bug(str(self.point))
        then(answer)
        if strikes:
            raise Bug(str(self.point))

    def _strikes(self, seam: str) -> bool:
        if not self.armed:
            return False
        self.calls[seam] += 1
        if self.struck or seam != self.point.seam or self.calls[seam] != self.point.on_call:
            return False
        self.struck = True
        self.on_strike()
        return True

    def sabotaged(self, seams: Seams) -> Seams:
        """Return the seams with this saboteur in each."""

        async def run_write(work: Callable[[], Result], /) -> Result:
            return await self.pass_through("commit", lambda: seams.run_write(work))

        async def send_mail(mail: Mail) -> SendResult:
            return await self.pass_through("send mail", lambda: seams.send_mail(mail))

        return replace(
            seams,
            now_ms=lambda: self.now(seams.now_ms()),
            run_write=run_write,
            send_mail=send_mail,
            make_transport=lambda: _Transport(self, seams.make_transport()),
        )

    def enter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Stand between the actors and what they await: each query, each command and what follows from it, the credits,
        each pause.
        """
        fetch, fetch_together, fetch_for_all, begin, execute_all = (
            Reader.fetch,
            Reader.fetch_together,
            Reader.fetch_for_all,
            Writer.begin,
            Writer.execute_all,
        )
        reserve, wait = CreditGate.reserve, Pause.wait

        async def read(reader: Reader, query: Any, *args: Any, **kwargs: Any) -> Any:
            return await self.pass_through(f"read {query.__name__}", lambda: fetch(reader, query, *args, **kwargs))

        async def read_together(reader: Reader, query: Any, *args: Any, **kwargs: Any) -> Any:
            return await self.pass_through(
                f"read {query.__name__}", lambda: fetch_together(reader, query, *args, **kwargs)
            )

        async def read_for_all(reader: Reader, query: Any, argument: Any) -> Any:
            return await self.pass_through(f"read {query.__name__}", lambda: fetch_for_all(reader, query, argument))

        def write(
            writer: Writer, command: Any, then: Callable[[Any], None] | None = None, within_s: float = 0
        ) -> Reply[Any]:
            followed = None if then is None else partial(self.follow, then)
            return self.reply(name_of(command), lambda: begin(writer, command, followed, within_s=within_s))

        async def write_all(writer: Writer, commands: Any) -> Any:
            return await self.pass_through("AcceptEvents", lambda: execute_all(writer, commands))

        async def reserve_credits(gate: CreditGate, *args: Any) -> None:
            await self.pass_through("reserve credits", lambda: reserve(gate, *args))

        async def pause(one: Pause, *args: Any) -> bool:
            return await self.pass_through("pause", lambda: wait(one, *args))

        monkeypatch.setattr(Reader, "fetch", read)
        monkeypatch.setattr(Reader, "fetch_together", read_together)
        monkeypatch.setattr(Reader, "fetch_for_all", read_for_all)
        monkeypatch.setattr(Writer, "begin", write)
        monkeypatch.setattr(Writer, "execute_all", write_all)
        monkeypatch.setattr(CreditGate, "reserve", reserve_credits)
        monkeypatch.setattr(Pause, "wait", pause)


class _Struck(Reply[Any]):
    """A reply that comes, and then raises."""

    def __init__(self, reply: Reply[Any], bug: Bug) -> None:
        self._reply = reply
        self._bug = bug

    @property
    def is_settled(self) -> bool:  # type: ignore[override]  # an attribute there
        return self._reply.is_settled

    def wake(self, waiting: trio.lowlevel.ParkingLot) -> None:
        self._reply.wake(waiting)

    async def wait(self) -> Any:
        await self._reply.wait()
        raise self._bug


class _Transport(Transport):
    def __init__(self, saboteur: Saboteur, inner: Transport) -> None:
        self._saboteur = saboteur
        self._inner = inner

    async def prepare(self, url: str, team_id: str) -> None:
        await self._inner.prepare(url, team_id)

    async def send(self, post: Post, response: Response, deadline: float) -> None:
        await self._saboteur.pass_through("send request", lambda: self._inner.send(post, response, deadline))

    @property
    def keeps_connection(self) -> bool:
        return self._inner.keeps_connection

    def close(self) -> None:
        self._inner.close()


@contextmanager
def gives_up() -> Iterator[None]:
    """Check that the daemon in this block ends by itself, since an actor failed that it cannot do without."""
    ended = False
    try:
        yield
    except* ActorFailed:
        ended = True
    assert ended


def main() -> None:
    """Run the command line with the point that its first two arguments name, armed from the start."""
    seam, on_call = sys.argv.pop(1), int(sys.argv.pop(1))
    saboteur = Saboteur(Point(seam, on_call=on_call), on_strike=lambda: None, armed=True)
    with pytest.MonkeyPatch.context() as patch:
        saboteur.enter(patch)
        run_command_line()


if __name__ == "__main__":
    main()
