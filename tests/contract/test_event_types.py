"""What the product's own help page says of events (contract "Event types", "Payload and headers of a delivery")."""

from pathlib import Path

import orjson
import pytest
import trio

from tests.support.api_client import RunningApi, running_api
from tests.support.daemon import make_settings

DESCRIPTIONS = {
    "linkedin.message.sent": "Agent sends a message to a prospect",
    "linkedin.message.received": "Prospect responds to an agent",
    "linkedin.invitation.sent": "Agent sends a connection invitation",
    "linkedin.invitation.accepted": "Prospect accepts a connection invitation",
    "prospect.qualification.manual": "A prospect needs a manual qualification review",
    "prospect.unqualified": "A prospect was marked unqualified automatically",
}
ADDED = {"name": "prospect.archived", "description": "A prospect was archived", "example": {"prospectId": "prospect_1"}}


@pytest.fixture
async def described(api: RunningApi) -> dict[str, str]:
    listed = (await api.as_acme.get("/v1/webhooks/test/events")).value["items"]
    return {event_type["id"]: event_type["description"] for event_type in listed}


@pytest.mark.parametrize(("event", "description"), DESCRIPTIONS.items())
async def test_the_products_event_types_mean_what_its_page_says(
    described: dict[str, str], event: str, description: str
) -> None:
    assert described[event] == description


async def test_the_example_of_a_received_message_has_the_fields_of_the_products_page(api: RunningApi) -> None:
    example = (await api.as_acme.get("/v1/webhooks/test/example/linkedin.message.received")).value
    assert list(example) == ["event", "teamId", "timestamp", "data"]
    assert list(example["data"]) == ["agentId", "campaignId", "chatId", "prospectId", "message", "timestamp"]


async def test_an_operators_event_type_is_subscribed_to_listed_tested_and_delivered(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, event_types=[ADDED])
    async with running_api(tmp_path, settings=settings) as api:
        await api.webhook("prospect.archived")
        listed = (await api.as_acme.get("/v1/webhooks/test/events")).value["items"]
        assert (await api.as_acme.post("/v1/webhooks/test", {"event": "prospect.archived"})).status == 202
        await api.submit("prospect.archived", prospectId="prospect_2")
        with trio.fail_after(5):
            while len(arrivals := api.daemon.receiver.arrivals) < 2:
                await trio.lowlevel.checkpoint()
    assert ADDED["description"] in [event_type["description"] for event_type in listed]
    received = [orjson.loads(arrival.body) for arrival in arrivals]
    assert [(body["event"], body["data"]) for body in received] == [
        ("prospect.archived", {"prospectId": "prospect_1"}),
        ("prospect.archived", {"prospectId": "prospect_2"}),
    ]
