"""A webhook that gets several deliveries at once, over real sockets (contract "Options of a webhook")."""

import trio

from tests.e2e.deadline import ends_within
from tests.e2e.operating import operated
from tests.support.process import Installation
from tests.support.receivers import Exchange, open_receiver, respond

AT_ONCE = 8


@ends_within(30)
async def test_a_webhook_gets_as_many_deliveries_at_once_as_it_takes(installation: Installation) -> None:
    """Each of the first ones is answered when all have come."""
    came, all_came, answer = list[str](), trio.Event(), respond(200)

    async def wait_for_all(exchange: Exchange) -> None:
        came.append(exchange.request.body.decode())
        if len(came) == AT_ONCE:
            all_came.set()
        await all_came.wait()
        await answer(exchange)

    async with open_receiver(wait_for_all) as receiver, operated(installation) as operator:
        await operator.make_team()
        await operator.make_webhook(receiver.url, concurrency=AT_ONCE)
        await operator.submit(*range(3 * AT_ONCE))
        await operator.until_nothing_is_pending()
        assert len(came) == len(set(came)) == 3 * AT_ONCE
