"""Commands by which a node of a cluster holds a part of teams' credits for its own deliveries."""

from collections.abc import Mapping

from msgspec import Struct

from daemon.store.commands import Command


class HoldWish(Struct, frozen=True):
    """What a node wants to hold of one team's credits.

    It uses `most` of what it holds; the rest of it, if any, goes back. In addition it needs `needed` at once, and wants
    `wanted`, at least as much, to have some in advance.
    """

    team_id: str
    most: int
    needed: int = 0
    wanted: int = 0


class ChangeHolds(Command[Mapping[str, int]], frozen=True):
    """Change what a node holds. Answers, by team, how much was added to `most`: a multiple of `unit`, maybe 0.

    What was given out elsewhere, or spent, is never added: all holds of a team together stay within its balance. Can be
    repeated: what an earlier one added goes back if its answer was not received.
    """

    node: int
    unit: int
    wishes: tuple[HoldWish, ...]


class PruneHolds(Command[int], frozen=True):
    """Forget what nodes held whose life has ended, at most `limit` of them. Answers how many."""

    limit: int
