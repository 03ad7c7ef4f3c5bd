"""A resolver of the tests' own: each name has the answers that a test gives it, one a lookup, the last for ever."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

import trio

from daemon.egress.addresses import Address, parse_address


@dataclass(slots=True)
class TestResolver:
    """`answers` holds lists of addresses by name; a name without any does not exist. `asked` is what was looked up."""

    answers: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)

    __test__ = False  # no test class, in spite of its name

    def set(self, name: str, *answers: tuple[str, ...]) -> None:
        """Give the name these answers, in this order."""
        self.answers[name] = list(answers)

    async def __call__(self, host: str, port: int) -> Sequence[Address]:
        await trio.lowlevel.checkpoint()
        if (literal := parse_address(host)) is not None:
            return (literal,)
        self.asked.append((host, port))
        answers = self.answers.get(host)
        if not answers:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [ip_address(address) for address in (answers.pop(0) if len(answers) > 1 else answers[0])]
