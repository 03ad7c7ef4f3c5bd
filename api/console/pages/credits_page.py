"""Credits: the balance, what is consumed a day, the ledger, and what waits for them."""

from quart import Response

from api.console.drawing.charts import DAY_MS, DAYS, day_chart
from api.console.page_request import Visit
from api.console.pages.lists import cursor, position
from daemon.store.backlog import count_backlog
from daemon.store.reads import api_reads, console_reads

_PAGE = 50
_COUNTED = 100_000


async def show_credits(visit: Visit) -> Response:
    """Show the team's credits."""
    reader, settings, now = visit.handles.reader, visit.handles.settings.credits, visit.now
    balance = await reader.fetch(api_reads.get_balance, visit.team_id)
    days = await reader.fetch(console_reads.credit_days, visit.team_id, (now // DAY_MS - DAYS + 1) * DAY_MS)
    ledger = await reader.fetch(api_reads.list_credit_entries, visit.team_id, _PAGE, position(visit, "credits"))
    waits = settings.enforce and balance < settings.per_delivery
    return await visit.page(
        "credits.html",
        balance=balance,
        price=settings.per_delivery,
        enforced=settings.enforce,
        chart=day_chart(days, now),
        entries=ledger.items,
        next_page=visit.path("credits", cursor=cursor(visit, "credits", ledger.next_cursor))
        if ledger.next_cursor
        else "",
        first_page=visit.path("credits") if visit.query("cursor") else "",
        waiting=await count_backlog(reader, visit.team_id, _COUNTED) if waits else None,
    )
