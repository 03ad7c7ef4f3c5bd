"""Where the console begins, and where addresses without a team lead to."""

from quart import Response

from api.console.session.page_request import Visit, address, see_other
from api.http.auth import owned
from daemon.store.reads import api_reads


async def show_home(visit: Visit) -> Response:
    """Lead to the webhooks of the team, or have the operator choose one."""
    if visit.remembered is None:
        return see_other(address("teams"))
    return see_other(address("teams", visit.remembered.id, "webhooks"))


async def find_webhook(visit: Visit, webhook_id: str) -> Response:
    """Lead to a webhook's page: the email about its disabling knows no more than its id."""
    found = await visit.handles.reader.fetch(api_reads.get_webhook, webhook_id)
    webhook = owned(visit.call, found, "webhook")
    return see_other(address("teams", webhook.team_id, "webhooks", webhook.id))
