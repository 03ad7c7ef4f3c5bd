"""Where the console begins, and where addresses without a team lead to."""

from quart import Response

from api.console.session.page_request import PageRequest, address, see_other
from api.http.auth import owned
from daemon.store.reads import api_reads


async def show_home(request: PageRequest) -> Response:
    """Lead to the webhooks of the team, or have the operator choose one."""
    if request.remembered is None:
        return see_other(address("teams"))
    return see_other(address("teams", request.remembered.id, "webhooks"))


async def find_webhook(request: PageRequest, webhook_id: str) -> Response:
    """Lead to a webhook's page: the email about its disabling knows no more than its id."""
    found = await request.handles.reader.fetch(api_reads.get_webhook, webhook_id)
    webhook = owned(request.call, found, "webhook")
    return see_other(address("teams", webhook.team_id, "webhooks", webhook.id))
