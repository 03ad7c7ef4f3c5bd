"""Deliveries that wait aside, over real sockets and across a kill (contract "Terms of an event")."""

import json
from datetime import UTC, datetime, timedelta

from tests.e2e.deadline import ends_within
from tests.e2e.operating import make_event, operated
from tests.support.process import Installation
from tests.support.receivers import Exchange, open_receiver, respond


@ends_within(30)
async def test_the_others_are_delivered_meanwhile_and_a_kill_loses_nothing(installation: Installation) -> None:
    async def answer(exchange: Exchange) -> None:
        is_first = json.loads(exchange.request.body)["data"]["n"] == 1
        await respond(503 if is_first and exchange.request.header("X-Kakiyo-Attempt") == "1" else 200)(exchange)

    async with open_receiver(answer) as receiver:
        async with operated(installation) as operator:
            await operator.make_team()
            await operator.make_webhook(receiver.url, retrySchedule=[1], whileRetrying="step_aside")
            await operator.submit(1, 2)
            await operator.daemon.logged("delivery_succeeded")
            await operator.daemon.kill()
        async with operated(installation) as operator:
            await operator.submit(3)
            await operator.until_nothing_is_pending()
        sent = [(json.loads(one.body)["data"]["n"], one.header("X-Kakiyo-Attempt")) for one in receiver.requests]
        assert sent[:2] == [(1, "1"), (2, "1")]
        assert sorted(sent[2:]) == [(1, "2"), (3, "1")]


@ends_within(30)
async def test_what_is_for_later_survives_a_kill_and_is_delivered_at_its_time(installation: Installation) -> None:
    async with open_receiver(respond(200)) as receiver:
        async with operated(installation) as operator:
            await operator.make_team()
            await operator.make_webhook(receiver.url)
            later = datetime.now(UTC) + timedelta(seconds=2)
            event = {**make_event(1), "deliverAt": later.isoformat()}
            await operator.call("POST", "/v1/events", event, expect=202)
            await operator.submit(2)
            await operator.daemon.logged("delivery_succeeded")
            await operator.daemon.kill()
        assert [json.loads(one.body)["data"]["n"] for one in receiver.requests] == [2]
        async with operated(installation) as operator:
            await operator.until_nothing_is_pending()
        assert datetime.now(UTC) >= later
        assert [json.loads(one.body)["data"]["n"] for one in receiver.requests] == [2, 1]
