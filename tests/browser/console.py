"""A daemon in a process of its own, for tests that sit before its console in a browser.

The tests are synchronous, as the browser's driver is: what is asynchronous (the daemon's process, receivers) runs in
Trio in another thread, behind a portal.
"""

import mailbox
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import httpx
from anyio.from_thread import BlockingPortal

from tests.support.process import Sections, daemon_process, make_installation
from tests.support.receivers import Answer, ReceivedRequest, Receiver, open_receiver

MESSAGE_SENT = "linkedin.message.sent"
MESSAGE_RECEIVED = "linkedin.message.received"


@dataclass(frozen=True, slots=True)
class Api:
    """The daemon's API, called with one key."""

    client: httpx.Client
    key: str

    def get(self, path: str, **query: str) -> Any:
        return self.call("GET", path, params=query)

    def post(self, path: str, **body: Any) -> Any:
        return self.call("POST", path, json=body)

    def patch(self, path: str, **body: Any) -> Any:
        return self.call("PATCH", path, json=body)

    def call(self, method: str, path: str, **request: Any) -> Any:
        """Send a request that must succeed; return the answer's value."""
        answer = self.client.request(method, path, headers={"Authorization": f"Bearer {self.key}"}, **request)
        assert answer.is_success, answer.text
        return answer.json()


@dataclass(frozen=True, slots=True)
class ConsoleTeam:
    """A team with a key of its own; `api` calls with that key."""

    id: str
    name: str
    key: str
    api: Api

    def webhook(self, url: str, name: str = "CRM Sync", **fields: Any) -> str:
        """Create a webhook for all events; return its id."""
        return str(self.api.post("/v1/webhooks", **{"name": name, "url": url, "events": ["*"], **fields})["id"])

    def submit(self, event: str = MESSAGE_SENT, **data: Any) -> str:
        """Submit an event; return its id."""
        return str(self.api.post("/v1/events", event=event, data=data)["id"])

    def until_disabled(self, webhook: str) -> None:
        """Wait until this webhook is disabled: the last attempt is received a moment before it is recorded."""
        deadline = time.monotonic() + 10
        while self.api.get(f"/v1/webhooks/{webhook}")["disabledReason"] is None:
            assert time.monotonic() < deadline, "it was not disabled"
            time.sleep(0.02)

    def deliveries(self, **query: str) -> list[dict[str, Any]]:
        """Return the team's deliveries, newest first."""
        return list(self.api.get("/v1/deliveries", **query)["items"])


@dataclass(frozen=True, slots=True)
class RunningConsole:
    """A running daemon and its operator; `api` calls with the operator's key."""

    url: str
    api: Api
    portal: BlockingPortal
    maildir: Path

    def mail_to(self, address: str) -> str:
        """Wait for a mail to this address; return its text."""
        deadline = time.monotonic() + 10
        while True:
            found = mailbox.Maildir(str(self.maildir), create=True)
            messages = [message_from_bytes(bytes(mail), policy=policy.default) for mail in found]
            for body in [mail.get_body(("plain",)) for mail in messages if mail["To"] == address]:
                assert body is not None
                return str(body.get_content())
            assert time.monotonic() < deadline, f"no mail to {address}"
            time.sleep(0.02)

    def team(self, name: str = "Acme", grant: int = 0) -> ConsoleTeam:
        """Make a team with a key, and with so many credits."""
        team = self.api.post("/v1/teams", name=name)["id"]
        key = self.api.post(f"/v1/teams/{team}/keys", name="tests")["key"]
        if grant:
            self.api.post("/v1/credits/grants", teamId=team, amount=grant)
        return ConsoleTeam(team, name, key, replace(self.api, key=key))

    def receiver(self, answer: Answer | None = None) -> AbstractContextManager[Receiver]:
        """Run a receiver."""
        return self.portal.wrap_async_context_manager(open_receiver(answer))

    def received(self, receiver: Receiver, count: int) -> list[ReceivedRequest]:
        """Wait until the receiver has got so many requests; return them."""
        return self.portal.call(receiver.received, count)


@contextmanager
def running_console(
    portal: BlockingPortal, directory: Path, sections: Sections, program: Sequence[str] = ("daemon",)
) -> Iterator[RunningConsole]:
    """Run a daemon with these settings."""
    installation = replace(make_installation(directory, sections), program=program)
    try:
        with (
            portal.wrap_async_context_manager(daemon_process(installation)),
            httpx.Client(base_url=installation.url, trust_env=False, verify=False) as client,
        ):
            yield RunningConsole(
                installation.url, Api(client, installation.read_key()), portal, installation.state_dir / "Maildir"
            )
    finally:
        installation.close()
