"""The table of who gets where in the console: one row for each page, one column for each kind of key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from string import Template
from types import MappingProxyType

WEBHOOK: Mapping[str, str | Sequence[str]] = {"name": "n", "url": "https://example.com/in", "events": ["*"]}
_OF_WEBHOOK = "teams/<team_id>/webhooks/<webhook_id>"
_OF_EVENT = "teams/<team_id>/events/<event_id>"
_OF_DELIVERY = "teams/<team_id>/deliveries/<delivery_id>"


@dataclass(frozen=True, slots=True)
class Row:
    """The status of a page for acme's own key, another team's, and the operator's; `fields` are what is posted."""

    own: int
    other: int
    operator: int
    fields: Mapping[str, str | Sequence[str]] = field(default_factory=dict)

    def path(self, route: str, ids: Mapping[str, str]) -> str:
        """Return the address of the page about acme's things."""
        named = route.partition(" ")[2].replace("<event>", "linkedin.message.sent").replace("<tag>", "events")
        for kind in ("team", "webhook", "event", "delivery", "key", "link", "job"):
            named = named.replace(f"<{kind}_id>", f"${kind}")
        return "/console/" + Template(named).substitute(ids)


_READ, _CHANGE, _OPERATORS, _OPERATOR_CHANGES = (Row(*status) for status in (
    (200, 404, 200), (303, 404, 303), (404, 404, 200), (404, 404, 303)))  # fmt: skip

TABLE: Mapping[str, Row] = MappingProxyType(
    {
        "GET ": Row(303, 303, 303),
        "GET webhooks/<webhook_id>": Row(303, 404, 303),
        "POST sign-out": Row(303, 303, 303),
        "GET help": Row(200, 200, 200),
        "GET preferences": Row(200, 200, 200),
        "POST preferences": Row(303, 303, 303, {"theme": "dark", "zone": "UTC"}),
        "GET teams/<team_id>/webhooks": _READ,
        "GET teams/<team_id>/webhooks/live": _READ,
        "GET teams/<team_id>/webhooks/new": _READ,
        "POST teams/<team_id>/webhooks/new": Row(303, 404, 303, WEBHOOK),
        f"GET {_OF_WEBHOOK}": _READ,
        f"GET {_OF_WEBHOOK}/live": _READ,
        f"GET {_OF_WEBHOOK}/edit": _READ,
        f"POST {_OF_WEBHOOK}/edit": Row(303, 404, 303, WEBHOOK),
        f"POST {_OF_WEBHOOK}/enable": _CHANGE,
        f"GET {_OF_WEBHOOK}/disable": _READ,
        f"POST {_OF_WEBHOOK}/disable": _CHANGE,
        f"POST {_OF_WEBHOOK}/pause": _CHANGE,
        f"POST {_OF_WEBHOOK}/resume": _CHANGE,
        f"POST {_OF_WEBHOOK}/test": Row(303, 404, 303, {"event": "linkedin.message.sent"}),
        f"POST {_OF_WEBHOOK}/recover": Row(303, 404, 303, {"since": "2020-01-01T00:00"}),
        f"GET {_OF_WEBHOOK}/secret": _READ,
        f"POST {_OF_WEBHOOK}/secret": Row(303, 404, 303, {"secret": "s" * 20, "hours": "1"}),
        f"POST {_OF_WEBHOOK}/secret/switch": _CHANGE,
        f"POST {_OF_WEBHOOK}/secret/key": Row(303, 404, 303, {"keyHours": "1"}),
        f"GET {_OF_WEBHOOK}/secret/remove": _READ,
        f"POST {_OF_WEBHOOK}/secret/remove": _CHANGE,
        f"GET {_OF_WEBHOOK}/delete": _READ,
        f"POST {_OF_WEBHOOK}/delete": _CHANGE,
        "GET find": _OPERATORS,
        "GET teams/<team_id>/find": _READ,
        "GET teams/<team_id>/events": _READ,
        f"GET {_OF_EVENT}": _READ,
        f"GET {_OF_EVENT}/live": _READ,
        f"GET {_OF_EVENT}/body": _READ,
        f"GET {_OF_EVENT}/erase": _READ,
        f"POST {_OF_EVENT}/erase": _CHANGE,
        "GET teams/<team_id>/deliveries": _READ,
        "GET teams/<team_id>/deliveries/live": _READ,
        f"GET {_OF_DELIVERY}": _READ,
        f"GET {_OF_DELIVERY}/live": _READ,
        f"GET {_OF_DELIVERY}/body": _READ,
        f"POST {_OF_DELIVERY}/resend": _CHANGE,
        "GET teams/<team_id>/event-types": _READ,
        "GET teams/<team_id>/event-types/<event>": _READ,
        "POST teams/<team_id>/event-types/<event>/test": _CHANGE,
        "GET teams/<team_id>/credits": _READ,
        "GET api": Row(200, 200, 200),
        "GET api/<tag>": Row(200, 200, 200),
        "GET teams/<team_id>/deliveries/export": _READ,
        "GET teams/<team_id>/credits/export": _READ,
        "GET teams/<team_id>/settings": _READ,
        "POST teams/<team_id>/settings": Row(303, 404, 303, {"name": "n"}),
        "POST teams/<team_id>/settings/addresses": Row(303, 404, 303, {"email": "new@acme.example"}),
        "POST teams/<team_id>/settings/addresses/remove": Row(303, 404, 303, {"email": "new@acme.example"}),
        "POST teams/<team_id>/settings/keys": Row(303, 404, 303, {"key_name": "n", "role": "read"}),
        "POST teams/<team_id>/settings/keys/<key_id>/revoke": _CHANGE,
        "GET teams/<team_id>/audit": _READ,
        "GET teams": _OPERATORS,
        "POST teams": Row(404, 404, 303, {"name": "n"}),
        "POST operational-webhooks": _OPERATOR_CHANGES,
        "GET teams/<team_id>": _OPERATORS,
        "POST teams/<team_id>": Row(404, 404, 303, {"name": "n"}),
        "POST teams/<team_id>/keys": Row(404, 404, 303, {"key_name": "n"}),
        "POST teams/<team_id>/keys/<key_id>/revoke": _OPERATOR_CHANGES,
        "GET event-types": _OPERATORS,
        "POST event-types": Row(404, 404, 303, {"name": "a.new", "description": "d"}),
        "GET event-types/<event>": _OPERATORS,
        "POST event-types/<event>": Row(404, 404, 422, {"description": "d", "category": "c", "example": "{}"}),
        "POST event-types/<event>/versions": Row(404, 404, 422, {"schema": "true"}),
        "POST event-types/<event>/state": Row(404, 404, 422, {"state": "archived"}),
        "POST event-types/<event>/remove": Row(404, 404, 422),
        "GET teams/<team_id>/portal-links": _OPERATORS,
        "POST teams/<team_id>/portal-links": Row(404, 404, 303, {"expiresInMinutes": "5"}),
        "POST teams/<team_id>/portal-links/<link_id>/revoke": _OPERATOR_CHANGES,
        "POST teams/<team_id>/grants": Row(404, 404, 303, {"amount": "5"}),
        "GET teams/<team_id>/bulk-jobs": _READ,
        "GET teams/<team_id>/bulk-jobs/new": _READ,
        "POST teams/<team_id>/bulk-jobs": Row(303, 404, 303, {"asked": '{"action": "resend", "filter": {}}'}),
        "GET teams/<team_id>/bulk-jobs/<job_id>": _READ,
        "GET teams/<team_id>/bulk-jobs/<job_id>/live": _READ,
        "POST teams/<team_id>/bulk-jobs/<job_id>/cancel": _CHANGE,
        "GET system": _OPERATORS,
        "GET system/live": _OPERATORS,
    }
)

# The pages for admins alone: those with a form for a change, and the audit trail.
ADMINS_PAGES = frozenset(
    {
        "GET teams/<team_id>/webhooks/new",
        f"GET {_OF_WEBHOOK}/edit",
        f"GET {_OF_WEBHOOK}/disable",
        f"GET {_OF_WEBHOOK}/secret",
        f"GET {_OF_WEBHOOK}/secret/remove",
        f"GET {_OF_WEBHOOK}/delete",
        f"GET {_OF_EVENT}/erase",
        "GET teams/<team_id>/bulk-jobs/new",
        "GET teams/<team_id>/audit",
    }
)

# The pages that do not exist for who came by a portal link: those of keys and of who changed what.
NOT_BY_LINK = frozenset(
    {
        "GET teams/<team_id>/settings",
        "POST teams/<team_id>/settings",
        "POST teams/<team_id>/settings/addresses",
        "POST teams/<team_id>/settings/addresses/remove",
        "POST teams/<team_id>/settings/keys",
        "POST teams/<team_id>/settings/keys/<key_id>/revoke",
        "GET teams/<team_id>/audit",
    }
)

# What changes nothing but the browser: any key may.
BROWSERS_OWN = ("POST sign-out", "POST preferences")
