"""A webhook's pace over real sockets (contract "Options of a webhook")."""

import trio

from tests.e2e.deadline import ends_within
from tests.e2e.operating import operated
from tests.support.process import Installation
from tests.support.receivers import Exchange, open_receiver, respond


@ends_within(30)
async def test_a_webhook_gets_no_more_deliveries_a_second_than_it_takes(installation: Installation) -> None:
    came, answer = list[float](), respond(200)

    async def note(exchange: Exchange) -> None:
        came.append(trio.current_time())
        await answer(exchange)

    async with open_receiver(note) as receiver, operated(installation) as operator:
        await operator.make_team()
        await operator.make_webhook(receiver.url, maxPerSecond=8)
        await operator.submit(*range(9))
        await operator.until_nothing_is_pending()
        # Slowness of this machine can bring two closer together, but not all of them.
        assert came[-1] - came[0] >= 7 / 8
