"""Deliveries that step aside, over real sockets and across a kill (contract "Options of a webhook")."""

import json

from tests.e2e.deadline import ends_within
from tests.e2e.operating import operated
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
