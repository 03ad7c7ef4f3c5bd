"""A webhook's own retries over real sockets, across a kill (contract "Options of a webhook")."""

import json

import trio

from tests.e2e.deadline import ends_within
from tests.e2e.operating import operated
from tests.support.process import Installation
from tests.support.receivers import open_receiver, respond


@ends_within(30)
async def test_an_own_schedule_and_retry_after_hold_across_a_kill(installation: Installation) -> None:
    headers = [("Retry-After", "2")]
    async with open_receiver(respond(503, headers=headers)) as receiver:
        async with operated(installation) as operator:
            await operator.make_team()
            webhook = await operator.make_webhook(receiver.url, retrySchedule=[1, 1, 1, 1, 1], retryAfter=True)
            await operator.submit(1)
            await operator.daemon.logged("attempt_ended")
            first = trio.current_time()
            [delivery] = await operator.deliveries()
            shown = await operator.call("GET", f"/v1/deliveries/{delivery['id']}")
            assert shown["nextAttemptBecause"] == "retry_after"
            await operator.daemon.kill()
        receiver.answer = respond(200)
        async with operated(installation) as operator:
            await operator.until_nothing_is_pending()
            assert trio.current_time() - first >= 1.5
            assert [request.header("X-Kakiyo-Attempt") for request in receiver.requests] == ["1", "2"]
            assert (await operator.call("GET", f"/v1/webhooks/{webhook['id']}"))["active"]


@ends_within(30)
async def test_an_answer_410_disables_the_webhook_that_says_so(installation: Installation) -> None:
    async with open_receiver(respond(410)) as receiver, operated(installation) as operator:
        await operator.make_team("acme", "ann@example.com")
        webhook = await operator.make_webhook(receiver.url, disableOnGone=True)
        await operator.submit(1, 2)
        await operator.daemon.logged("webhook_disabled")
        shown = await operator.call("GET", f"/v1/webhooks/{webhook['id']}")
        assert (shown["active"], shown["disabledReason"]) == (False, "gone")
        assert [json.loads(request.body)["data"]["n"] for request in receiver.requests] == [1]
