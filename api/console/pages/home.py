"""The console's home page, and redirects from URLs without a team."""

from quart import Response

from api.console.session.page_request import PageRequest, address, see_other
from api.http.auth import owned
from daemon.store.reads import api_reads


async def show_home(request: PageRequest) -> Response:
    """Redirect to the team's webhooks, or the operator to the list of teams."""
    if request.remembered is None:
        return see_other(address("teams"))
    return see_other(address("teams", request.remembered.id, "webhooks"))


async def find_webhook(request: PageRequest, webhook_id: str) -> Response:
    """Redirect to a webhook's page: the email about its disabling has a link with the webhook's id only."""
    found = await request.handles.reader.fetch(api_reads.get_webhook, webhook_id)
    webhook = owned(request.call, found, "webhook")
    return see_other(address("teams", webhook.team_id, "webhooks", webhook.id))
