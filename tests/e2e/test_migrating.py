"""A daemon answers the same before and after its store was migrated, and goes on where it was (contract)."""

import json
import shutil
from collections.abc import Mapping
from typing import Any

from tests.e2e.conftest import MakeInstallation
from tests.e2e.deadline import ends_within
from tests.e2e.operating import Operator, make_event, operated
from tests.support.forked_command import run_command
from tests.support.postgresql import PostgresqlServer
from tests.support.process import Installation
from tests.support.receivers import open_receiver

LISTS = ("/v1/teams", "/v1/webhooks", "/v1/deliveries", "/v1/teams/acme/keys")


async def answers_of(operator: Operator) -> Mapping[str, Any]:
    """Return what the API says of everything."""
    found: dict[str, Any] = {path: await operator.list_all(path) for path in LISTS}
    for delivery in found["/v1/deliveries"]:
        path = f"/v1/deliveries/{delivery['id']}"
        found[path] = await operator.call("GET", path)
    for path in ("/v1/credits", "/v1/credits/entries"):
        found[path] = await operator.call("GET", path, teamId="acme")
    return found


def migrated(installation: Installation, *options: str) -> None:
    ended = run_command("migrate-store", "--state-dir", str(installation.state_dir), *options)
    assert (ended.returncode, ended.stderr) == (0, "")


@ends_within(60)
async def test_the_api_answers_the_same_on_either_engine(
    new_installation: MakeInstallation, postgresql: tuple[PostgresqlServer, str]
) -> None:
    first = new_installation()
    async with open_receiver() as receiver:
        async with operated(first) as operator:
            await operator.make_team()
            await operator.make_key()
            await operator.make_webhook(receiver.url, secret="generate")
            await operator.submit(1, 2, 3)
            await operator.until_nothing_is_pending()
            operator.http.headers["Idempotency-Key"] = "once"
            receipt = await operator.call("POST", "/v1/events", make_event(4), expect=202)
            del operator.http.headers["Idempotency-Key"]
            await operator.until_nothing_is_pending()
            before = await answers_of(operator)
        with postgresql[0].database() as address:
            migrated(first, "--to", address.url)
            second = new_installation(store={"url": address.url})
            shutil.copytree(first.state_dir, second.state_dir, dirs_exist_ok=True)
            async with operated(second) as operator:
                assert await answers_of(operator) == before
                operator.http.headers["Idempotency-Key"] = "once"
                assert await operator.call("POST", "/v1/events", make_event(4), expect=202) == receipt
                del operator.http.headers["Idempotency-Key"]
                await operator.submit(5)
                await operator.until_nothing_is_pending()
                between = await answers_of(operator)
            migrated(first, "--to", "sqlite", "--from", address.url)
            async with operated(first) as operator:
                assert await answers_of(operator) == between
                await operator.submit(6)
                await operator.until_nothing_is_pending()
    assert [json.loads(request.body)["data"]["n"] for request in receiver.requests] == [1, 2, 3, 4, 5, 6]
