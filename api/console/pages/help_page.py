"""The help page: keyboard shortcuts, and how live pages behave."""

from collections.abc import Mapping
from types import MappingProxyType

from quart import Response

from api.console.session.page_request import PageRequest

_SHORTCUTS: Mapping[str, str] = MappingProxyType(
    {
        "g w": "Go to the webhooks",
        "g d": "Go to the deliveries",
        "g e": "Go to the events",
        "g c": "Go to the credits",
        "g s": "Go to the settings",
        "/": "Search",
        "?": "Open this page",
    }
)


async def show_help(request: PageRequest) -> Response:
    """Show the page."""
    return await request.page("help.html", shortcuts=_SHORTCUTS)
