"""Headers of a webhook's own over real sockets, across a kill (contract "Options of a webhook")."""

from tests.e2e.deadline import ends_within
from tests.e2e.operating import Operator, operated
from tests.support.process import Installation
from tests.support.receivers import Receiver, open_receiver, respond

TOKEN = "Bearer s3cret-token"
HEADERS = [{"name": "Authorization", "value": TOKEN}, {"name": "x-Tenant", "value": "acme  &\tsons"}]


async def until_killed(operator: Operator, receiver: Receiver) -> None:
    await operator.make_team()
    await operator.make_webhook(receiver.url, headers=HEADERS, retrySchedule=[1])
    await operator.submit(1)
    await operator.daemon.logged("attempt_ended")
    await operator.daemon.kill()


@ends_within(30)
async def test_its_headers_reach_the_receiver_as_they_were_given_also_after_a_kill(installation: Installation) -> None:
    async with open_receiver(respond(500)) as receiver:
        async with operated(installation, confidential=[TOKEN]) as operator:
            await until_killed(operator, receiver)
        receiver.answer = respond(302, headers=[("Location", f"{receiver.url}elsewhere")])
        async with operated(installation, confidential=[TOKEN]) as operator:
            await operator.until_nothing_is_pending()
            [delivery] = await operator.deliveries()
            assert TOKEN not in str(await operator.delivery(delivery["id"]))
        sent = [request.headers[-2:] for request in receiver.requests]
        assert sent == [[("Authorization", TOKEN), ("x-Tenant", "acme  &\tsons")]] * 2
