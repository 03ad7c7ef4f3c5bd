"""The table of who gets where: one row for each route, one column for each kind of key (contract "HTTP API")."""

from collections.abc import Mapping
from dataclasses import dataclass
from string import Template
from types import MappingProxyType

EVENT = '"event": "linkedin.message.sent"'
WEBHOOK = '"name": "n", "url": "https://example.com/in", "events": ["*"]'


@dataclass(frozen=True, slots=True)
class Row:
    """A request about something of acme's, and the status for acme's own key, another team's, and the operator's.

    `roles` are those of acme's keys that may do it beside its admins: the others get 403.

    `$acme`, `$webhook`, `$event`, `$delivery`, `$key`, `$link`, `$listener` and `$job` stand for ids of acme's. An
    endless answer ends with the daemon.
    """

    own: int
    other: int
    operator: int
    body: str | None = None
    query: str = ""
    roles: tuple[str, ...] = ()
    is_endless: bool = False

    def request(self, route: str, ids: Mapping[str, str]) -> tuple[str, str, bytes | None]:
        """Return method, path with query, and body."""
        method, _, path = route.partition(" ")
        named = path.replace("{team_id}", "$acme").replace("{event}", "linkedin.message.sent").replace("{name}", "n")
        for kind in ("webhook", "event", "delivery", "key", "link", "listener", "job"):
            named = named.replace(f"{{{kind}_id}}", f"${kind}")
        target, body = Template(named + self.query).substitute(ids), self.body
        return method, target, None if body is None else Template(body).substitute(ids).encode()


READ, SUBMIT, ALL = ("read",), ("submit",), ("read", "submit")

TABLE: Mapping[str, Row] = MappingProxyType(
    {
        "POST /v1/events": Row(202, 404, 202, f'{{{EVENT}, "teamId": "$acme", "data": {{}}}}', roles=SUBMIT),
        "POST /v1/events/batch": Row(202, 404, 202, f'[{{{EVENT}, "teamId": "$acme", "data": {{}}}}]', roles=SUBMIT),
        "GET /v1/events": Row(200, 404, 200, query="?teamId=$acme", roles=READ),
        "GET /v1/search": Row(200, 404, 200, query="?teamId=$acme&q=$event", roles=READ),
        "GET /v1/events/{event_id}": Row(200, 404, 200, roles=READ),
        "DELETE /v1/events/{event_id}": Row(202, 404, 202),
        "POST /v1/webhooks": Row(201, 404, 201, f'{{{WEBHOOK}, "teamId": "$acme"}}'),
        "GET /v1/webhooks": Row(200, 404, 200, query="?teamId=$acme", roles=READ),
        "GET /v1/webhooks/{webhook_id}": Row(200, 404, 200, roles=READ),
        "GET /v1/webhooks/{webhook_id}/statistics": Row(200, 404, 200, roles=READ),
        "PATCH /v1/webhooks/{webhook_id}": Row(200, 404, 200, '{"name": "taken over"}'),
        "DELETE /v1/webhooks/{webhook_id}": Row(204, 404, 204),
        "GET /v1/webhooks/{webhook_id}/public-key": Row(200, 404, 200, roles=READ),
        "POST /v1/webhooks/{webhook_id}/rotate-secret": Row(200, 404, 200, "{}"),
        "POST /v1/webhooks/{webhook_id}/recover": Row(202, 404, 202, '{"since": "2020-01-01T00:00:00Z"}'),
        "POST /v1/webhooks/test": Row(202, 404, 202, f'{{{EVENT}, "teamId": "$acme"}}'),
        "POST /v1/webhooks/filter/test": Row(200, 404, 200, '{"filter": "data", "eventId": "$event"}'),
        "GET /v1/webhooks/test/example/{event}": Row(200, 200, 200, roles=ALL),
        "GET /v1/webhooks/test/events": Row(200, 200, 200, roles=ALL),
        "GET /v1/deliveries": Row(200, 404, 200, query="?teamId=$acme", roles=READ),
        "GET /v1/deliveries/changes": Row(200, 404, 200, query="?teamId=$acme", roles=READ, is_endless=True),
        "GET /v1/deliveries/export": Row(200, 404, 200, query="?teamId=$acme", roles=READ),
        "GET /v1/deliveries/attempts/export": Row(200, 404, 200, query="?teamId=$acme", roles=READ),
        "GET /v1/credits/entries/export": Row(200, 404, 200, query="?teamId=$acme", roles=READ),
        "GET /v1/deliveries/{delivery_id}": Row(200, 404, 200, roles=READ),
        "POST /v1/deliveries/{delivery_id}/resend": Row(202, 404, 202),
        "POST /v1/bulk-jobs/preview": Row(200, 404, 200, '{"teamId": "$acme", "action": "resend", "filter": {}}'),
        "POST /v1/bulk-jobs": Row(202, 404, 202, '{"teamId": "$acme", "action": "resend", "filter": {}}'),
        "GET /v1/bulk-jobs": Row(200, 404, 200, query="?teamId=$acme", roles=READ),
        "GET /v1/bulk-jobs/{job_id}": Row(200, 404, 200, roles=READ),
        "POST /v1/bulk-jobs/{job_id}/cancel": Row(200, 404, 200),
        "GET /v1/credits": Row(200, 404, 200, query="?teamId=$acme", roles=READ),
        "GET /v1/credits/entries": Row(200, 404, 200, query="?teamId=$acme", roles=READ),
        "POST /v1/credits/grants": Row(403, 403, 201, '{"teamId": "$acme", "amount": 5}'),
        "GET /v1/verify": Row(200, 200, 200, roles=ALL),
        "POST /v1/teams": Row(403, 403, 201, '{"name": "n"}'),
        "GET /v1/teams": Row(403, 403, 200),
        "GET /v1/teams/{team_id}": Row(200, 404, 200, roles=READ),
        "GET /v1/teams/{team_id}/audit": Row(200, 404, 200),
        "PATCH /v1/teams/{team_id}": Row(200, 404, 200, '{"name": "n"}'),
        "POST /v1/teams/{team_id}/keys": Row(201, 404, 201, '{"name": "n"}'),
        "GET /v1/teams/{team_id}/keys": Row(200, 404, 200),
        "POST /v1/teams/{team_id}/notification-emails": Row(202, 404, 202, '{"email": "new@acme.example"}'),
        "GET /v1/teams/{team_id}/notification-emails": Row(200, 404, 200, roles=READ),
        "DELETE /v1/teams/{team_id}/notification-emails": Row(204, 404, 204, query="?email=old@acme.example"),
        "GET /v1/event-types": Row(200, 200, 200, roles=ALL),
        "POST /v1/event-types": Row(403, 403, 201, '{"name": "a.new", "description": "d"}'),
        "GET /v1/event-types/{event}": Row(200, 200, 200, roles=ALL),
        "PATCH /v1/event-types/{event}": Row(403, 403, 409, '{"deprecated": true}'),
        "DELETE /v1/event-types/{event}": Row(403, 403, 409),
        "POST /v1/event-types/{event}/versions": Row(403, 403, 409, '{"schema": true}'),
        "GET /v1/event-types/{event}/versions": Row(200, 200, 200, roles=ALL),
        "GET /v1/event-types/{event}/versions/{version}": Row(404, 404, 404, roles=ALL),
        "POST /v1/teams/{team_id}/portal-links": Row(403, 403, 201, "{}"),
        "GET /v1/teams/{team_id}/portal-links": Row(403, 403, 200),
        "DELETE /v1/portal-links/{link_id}": Row(403, 403, 204),
        "DELETE /v1/keys/{key_id}": Row(204, 404, 204),
        "GET /v1/system": Row(403, 403, 200),
        "GET /v1/nodes": Row(403, 403, 200),
        "POST /v1/listeners": Row(200, 404, 200, '{"teamId": "$acme"}', is_endless=True),
        "POST /v1/listeners/{listener_id}/answers": Row(409, 404, 409, '{"attemptId": "att_x", "status": 200}'),
        "POST /v1/nodes/{name}/drain": Row(403, 403, 409),
        # as they are for whoever is not on this machine
        "GET /healthz": Row(200, 200, 200, roles=ALL),
        "GET /readyz": Row(200, 200, 200, roles=ALL),
        "GET /metrics": Row(403, 403, 200),
        "GET /openapi.json": Row(200, 200, 200, roles=ALL),
    }
)
