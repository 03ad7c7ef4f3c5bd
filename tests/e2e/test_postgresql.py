"""A daemon whose data is in PostgreSQL keeps the promises of one with a file (contract "The database")."""

import json
from collections.abc import Iterator

import pytest
from standardwebhooks import Webhook

from tests.e2e.conftest import MakeInstallation
from tests.e2e.deadline import ends_within
from tests.e2e.operating import Gate, make_event, operated
from tests.support.postgresql import PostgresqlServer
from tests.support.process import Installation, run_to_its_end
from tests.support.receivers import ReceivedRequest, open_receiver


@pytest.fixture
def on_postgresql(
    new_installation: MakeInstallation, postgresql: tuple[PostgresqlServer, str]
) -> Iterator[Installation]:
    server, _ = postgresql
    with server.database() as address:
        yield new_installation(store={"url": address.url})


def number_of(request: ReceivedRequest) -> int:
    number: int = json.loads(request.body)["data"]["n"]
    return number


@ends_within(30)
async def test_what_was_accepted_is_delivered_signed_and_in_order_across_kills(on_postgresql: Installation) -> None:
    gate = Gate()
    async with open_receiver() as receiver:
        async with operated(on_postgresql) as operator:
            await operator.make_team()
            webhook = await operator.make_webhook(receiver.url, secret="generate")
            await operator.submit(1)
            await operator.daemon.logged("delivery_succeeded")
            receiver.answer = gate
            operator.http.headers["Idempotency-Key"] = "once"
            receipt = await operator.call("POST", "/v1/events", make_event(2), expect=202)
            del operator.http.headers["Idempotency-Key"]
            await operator.submit(3)
            await receiver.received(2)
            await operator.daemon.kill()
        gate.opened.set()
        async with operated(on_postgresql, confidential=[webhook["secret"]]) as operator:
            await operator.until_nothing_is_pending()
            operator.http.headers["Idempotency-Key"] = "once"
            assert await operator.call("POST", "/v1/events", make_event(2), expect=202) == receipt
            assert [delivery["status"] for delivery in await operator.deliveries()] == ["succeeded"] * 3
            assert (await operator.call("GET", "/v1/credits", teamId="acme"))["balance"] == -6
    assert [number_of(request) for request in receiver.requests] == [1, 2, 2, 3]
    for request in receiver.requests:
        Webhook(webhook["secret"]).verify(request.body, {name.lower(): value for name, value in request.headers})
    assert not [file.name for file in on_postgresql.state_dir.iterdir() if ".db" in file.name]


@ends_within(30)
async def test_each_line_of_the_log_names_the_node(
    new_installation: MakeInstallation, postgresql: tuple[PostgresqlServer, str]
) -> None:
    server, _ = postgresql
    with server.database() as address:
        async with operated(new_installation(store={"url": address.url, "node_name": "hooks-1"})) as operator:
            await operator.make_team()
        lines = [json.loads(line) for line in operator.daemon.stderr]
        assert len(lines) > 3
        assert {line["node"] for line in lines} == {"hooks-1"}


@pytest.mark.parametrize("secret", ["generate", None], ids=["with a secret", "without"])
@ends_within(30)
async def test_a_start_with_another_key_is_refused_and_leaves_none(
    on_postgresql: Installation, new_installation: MakeInstallation, secret: str | None
) -> None:
    async with open_receiver() as receiver, operated(on_postgresql) as operator:
        await operator.make_team()
        await operator.make_webhook(receiver.url, secret=secret)
    other = new_installation(store={"url": _url_of(on_postgresql)})
    ended = await run_to_its_end(other)
    assert ended.returncode == 2
    [*_, last] = ended.stderr.decode().splitlines()
    assert last.startswith(f"kakiyo-webhooks: {other.state_dir / 'encryption.key'}: is not the encryption key that ")
    assert not (other.state_dir / "encryption.key").exists()
    async with operated(on_postgresql) as operator:
        assert len(await operator.list_all("/v1/webhooks")) == 1


def _url_of(installation: Installation) -> str:
    [line] = [line for line in installation.config.read_text().splitlines() if line.startswith("url = ")]
    url: str = json.loads(line.removeprefix("url = "))
    return url
