"""Validation as the event loop asks for it: one piece of work at a time, teams in turn."""

from collections.abc import Sequence
from functools import partial

import trio

from daemon.actors.fair_lane import FairLane
from daemon.actors.threads import RunInThread
from daemon.domain.errors import Overloaded
from daemon.schemas.validation import Fault, Group, Validation

_LONGEST_WAIT_S = 10


class Validator:
    """`run_in_thread` runs what blocks until the process has answered."""

    def __init__(self, run_in_thread: RunInThread) -> None:
        self._validation = Validation()
        self._lane = FairLane(run_in_thread)

    async def faults(self, team_id: str, groups: Sequence[Group]) -> Sequence[Fault]:
        """Return the first of what is wrong with these values, which count as the team's.

        Raises WrongSchema, TooCostly, Overloaded.
        """
        size = sum(len(value) for group in groups for value in group.values)
        with trio.move_on_after(_LONGEST_WAIT_S):
            return await self._lane.run(team_id, size, partial(self._validation.faults, groups))
        raise Overloaded("too many events wait to be validated: send it again in a moment")

    @property
    def is_running(self) -> bool:
        """Whether there is a process that validates."""
        return self._validation.process_id is not None

    def close(self) -> None:
        """End the process."""
        self._validation.close()
