"""A webhook at which the daemon itself keeps failing is seen: in the API, in the console, by the operator."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import httpx
import trio
from trio.testing import MockClock

from api.app import create_app
from daemon.management.nodes import SharedNodes
from daemon.store.node_lives import Drained, NodeLife
from tests.support.api_client import RunningApi
from tests.support.console_client import ConsoleClient
from tests.support.daemon import EPOCH_MS


async def crash(_request: httpx.Request) -> httpx.Response:
    raise RuntimeError("a mistake in our own code")


async def test_a_parked_webhook_is_seen_everywhere_and_goes_on_when_it_is_enabled_anew(
    api: RunningApi, acme: ConsoleClient, operator: ConsoleClient, root: str, autojump_clock: MockClock
) -> None:
    webhook = await api.webhook(name="CRM Sync")
    assert webhook["parked"] is False
    api.daemon.receiver.answers[webhook["url"]] = crash
    await api.submit()
    await trio.sleep(60)
    path = f"/v1/webhooks/{webhook['id']}"
    assert (await api.as_acme.get(path)).value["parked"] is True
    assert (await api.as_acme.get("/v1/webhooks")).value["items"][0]["parked"] is True
    assert 'class="badge parked"' in (await acme.get(f"{root}/webhooks")).text
    page = (await acme.get(f"{root}/webhooks/{webhook['id']}")).text
    assert "the daemon crashed on them repeatedly" in page
    system = (await operator.get("/console/system")).text
    assert "Parked webhooks: 1" in system
    assert f"{root}/webhooks/{webhook['id']}" in system

    del api.daemon.receiver.answers[webhook["url"]]
    await api.as_acme.patch(path, {"active": True})
    await trio.sleep(60)
    assert (await api.as_acme.get(path)).value["parked"] is False
    assert "Parked webhooks: 0" in (await operator.get("/console/system")).text
    [delivery] = (await api.as_acme.get("/v1/deliveries")).value["items"]
    assert delivery["status"] == "succeeded"


async def test_the_system_page_shows_all_nodes_and_the_parked_webhooks_of_each(
    api: RunningApi, operator: ConsoleClient, root: str
) -> None:
    webhook = await api.webhook(name="CRM Sync")
    assert "Nodes:" not in (await operator.get("/console/system")).text
    living = NodeLife(
        number=7,
        name="hooks-1",
        host="machine-a",
        version="1.2.3",
        since=EPOCH_MS,
        shards=86,
        lease_age_ms=210,
        pace=41.5,
        parked=(webhook["id"],),
        differences=("public_url is http://<a> on hooks-1, and http://b on hooks-2",),
    )
    ended = NodeLife(
        number=6,
        name="hooks-2",
        host="machine-b",
        version="1.2.2",
        since=EPOCH_MS,
        shards=0,
        ended_at=EPOCH_MS,
        why="its <lease> was over",
    )
    nodes = SharedNodes(answering([living, ended]), answering(Drained.BEGUN))
    shown = ConsoleClient(create_app(replace(api.handles, nodes=nodes)), operator.cookie)
    page = (await shown.get("/console/system")).text
    assert "Nodes: 1 living" in page
    for part in ("hooks-1", "machine-a, version 1.2.3", "86 of 256", "41.5", "0.2 s ago"):
        assert part in page, part
    assert "its &lt;lease&gt; was over" in page
    assert "Give all nodes the same: public_url is http://&lt;a&gt; on hooks-1, and http://b on hooks-2." in page
    assert "Parked webhooks: 1" in page
    assert f"{root}/webhooks/{webhook['id']}" in page


def answering(answer: Any) -> Callable[..., Awaitable[Any]]:
    async def answer_always(*_: object) -> Any:
        return answer

    return answer_always
