"""Credits: the balance, the daily consumption, the ledger, and deliveries that wait for credits."""

from quart import Response

from api.console.pages.lists import cursor, position
from api.console.rendering.charts import DAYS, day_chart
from api.console.session.page_request import PageRequest
from daemon.domain.clock import DAY_MS
from daemon.store.reads import api_reads, console_reads
from daemon.store.reads.backlog import count_backlog

_PAGE = 50
_COUNTED = 100_000


async def show_credits(request: PageRequest) -> Response:
    """Show the team's credits."""
    reader, settings, now = request.handles.reader, request.handles.settings.credits, request.now
    balance = await reader.fetch(api_reads.get_balance, request.team_id)
    days = await reader.fetch(console_reads.credit_days, request.team_id, (now // DAY_MS - DAYS + 1) * DAY_MS)
    ledger = await reader.fetch(api_reads.list_credit_entries, request.team_id, _PAGE, position(request, "credits"))
    waits = settings.enforce and balance < settings.per_delivery
    return await request.page(
        "credits.html",
        balance=balance,
        price=settings.per_delivery,
        enforced=settings.enforce,
        chart=day_chart(days, now),
        entries=ledger.items,
        next_page=request.path("credits", cursor=cursor(request, "credits", ledger.next_cursor))
        if ledger.next_cursor
        else "",
        first_page=request.path("credits") if request.query("cursor") else "",
        waiting=await count_backlog(reader, request.team_id, _COUNTED) if waits else None,
    )
