"""Every page of the console, bound to the daemon's handles."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Any

from quart import Request, Response

from api.console.pages import (
    addresses_page,
    api_page,
    audit_page,
    bulk_jobs_page,
    catalogue_page,
    credits_page,
    deliveries_page,
    delivery_page,
    event_erasing,
    event_page,
    event_types_page,
    events_page,
    exports,
    find_page,
    help_page,
    home,
    portal,
    portal_links_page,
    preferences_page,
    settings_page,
    sign_in,
    system_page,
    team_page,
    teams_page,
    webhook_actions,
    webhook_editing,
    webhook_page,
    webhook_secrets,
    webhooks_page,
)
from api.console.rendering.assets import load_assets
from api.console.rendering.templates import Templates
from api.console.session.access import answer_page, require_session
from api.console.session.messages import Messages
from api.console.session.page_request import ConsoleContext, PageRequest
from api.console.session.refusals import Refused, page_not_found
from api.console.session.sessions import Sessions, SignedIn
from api.console.session.shown_once import ShownOnce
from api.http.auth import require_role
from api.http.dispatch import Dispatcher, View
from api.http.route import ADMINS, READERS
from api.http.streamed import Streamed
from api.http.urls import MatchingRule, make_rule
from api.limits.exports import Exports
from api.limits.rate_limit import Buckets, RateLimits
from daemon.actors.threads import RunInThread
from daemon.domain.model import KeyRole
from daemon.handles import Handles

PREFIX = "/console/"
_ASSET, _WITHOUT_SLASH = "console asset", "console without slash"
_LINK_ONLY_READS = "Your link lets you look, not change anything: ask whoever gave it to you for one that does."

# Of one peer.
_CONFIRMATIONS_PER_S, _CONFIRMATIONS_AT_ONCE = 1, 20

Handler = Callable[..., Awaitable[Response | Streamed]]


class Audience(StrEnum):
    """Who may see a page."""

    ANYBODY = "anybody"
    SIGNED_IN = "signed in"
    TEAM = "a team"
    OPERATOR = "the operator"


@dataclass(frozen=True, slots=True)
class PageRoute:
    """One page: `handler(request, **path)`, or for anybody `handler(context, request, **path)`.

    Without `by_link` it does not exist for sessions of portal links.
    """

    method: str
    path: str
    handler: Handler
    audience: Audience = Audience.TEAM
    roles: tuple[KeyRole, ...] = READERS
    by_link: bool = True

    @property
    def may_use(self) -> tuple[KeyRole, ...]:
        """The roles of keys whose sessions may use it: one that only reads changes nothing, but may sign out."""
        return ADMINS if self.method == "POST" and self.audience is not Audience.SIGNED_IN else self.roles

    @property
    def name(self) -> str:
        """What no other view is called."""
        return f"console {self.method} {self.path}"


_WEBHOOK = "teams/<team_id>/webhooks/<webhook_id>"
_EVENT = "teams/<team_id>/events/<event_id>"
_JOBS = "teams/<team_id>/bulk-jobs"
_LINKS = "teams/<team_id>/portal-links"
_TYPE = "event-types/<event>"
_DELIVERY = "teams/<team_id>/deliveries/<delivery_id>"
PAGES = (
    PageRoute("GET", "sign-in", handler=sign_in.show_sign_in, audience=Audience.ANYBODY),
    PageRoute("POST", "sign-in", handler=sign_in.sign_in, audience=Audience.ANYBODY),
    PageRoute("GET", "portal", handler=portal.show_portal, audience=Audience.ANYBODY),
    PageRoute("POST", "portal", handler=portal.enter_portal, audience=Audience.ANYBODY),
    PageRoute("GET", "confirm-address", handler=addresses_page.show_confirmation, audience=Audience.ANYBODY),
    PageRoute("POST", "confirm-address", handler=addresses_page.confirm, audience=Audience.ANYBODY),
    PageRoute("POST", "sign-out", handler=sign_in.sign_out, audience=Audience.SIGNED_IN),
    PageRoute("GET", "", handler=home.show_home, audience=Audience.SIGNED_IN),
    PageRoute("GET", "webhooks/<webhook_id>", handler=home.find_webhook, audience=Audience.SIGNED_IN),
    PageRoute("GET", "teams/<team_id>/webhooks", webhooks_page.show_webhooks),
    PageRoute("GET", "teams/<team_id>/webhooks/live", webhooks_page.follow_webhooks),
    PageRoute("GET", "teams/<team_id>/webhooks/new", webhook_editing.show_new_webhook, roles=ADMINS),
    PageRoute("POST", "teams/<team_id>/webhooks/new", webhook_editing.create),
    PageRoute("GET", _WEBHOOK, webhook_page.show_webhook),
    PageRoute("GET", f"{_WEBHOOK}/live", webhook_page.follow_webhook),
    PageRoute("GET", f"{_WEBHOOK}/edit", webhook_editing.show_webhook_edit, roles=ADMINS),
    PageRoute("POST", f"{_WEBHOOK}/edit", webhook_editing.edit),
    PageRoute("POST", f"{_WEBHOOK}/enable", webhook_actions.enable),
    PageRoute("GET", f"{_WEBHOOK}/disable", webhook_actions.show_disable, roles=ADMINS),
    PageRoute("POST", f"{_WEBHOOK}/disable", webhook_actions.disable),
    PageRoute("POST", f"{_WEBHOOK}/pause", webhook_actions.pause),
    PageRoute("POST", f"{_WEBHOOK}/resume", webhook_actions.resume),
    PageRoute("POST", f"{_WEBHOOK}/test", webhook_actions.send_test),
    PageRoute("POST", f"{_WEBHOOK}/recover", webhook_actions.recover),
    PageRoute("GET", f"{_WEBHOOK}/secret", webhook_secrets.show_secret, roles=ADMINS),
    PageRoute("POST", f"{_WEBHOOK}/secret", webhook_secrets.rotate),
    PageRoute("POST", f"{_WEBHOOK}/secret/switch", webhook_secrets.switch),
    PageRoute("POST", f"{_WEBHOOK}/secret/key", webhook_secrets.rotate_key),
    PageRoute("GET", f"{_WEBHOOK}/secret/remove", webhook_secrets.show_remove, roles=ADMINS),
    PageRoute("POST", f"{_WEBHOOK}/secret/remove", webhook_secrets.remove),
    PageRoute("GET", f"{_WEBHOOK}/delete", webhook_actions.show_delete, roles=ADMINS),
    PageRoute("POST", f"{_WEBHOOK}/delete", webhook_actions.delete),
    PageRoute("GET", "find", find_page.find_anywhere, audience=Audience.OPERATOR),
    PageRoute("GET", "teams/<team_id>/find", find_page.find_in_team),
    PageRoute("GET", "teams/<team_id>/events", events_page.show_events),
    PageRoute("GET", _EVENT, event_page.show_event),
    PageRoute("GET", f"{_EVENT}/live", event_page.follow_event),
    PageRoute("GET", f"{_EVENT}/body", event_page.download_event),
    PageRoute("GET", f"{_EVENT}/erase", event_erasing.show_erase, roles=ADMINS),
    PageRoute("POST", f"{_EVENT}/erase", event_erasing.erase),
    PageRoute("GET", "teams/<team_id>/deliveries", deliveries_page.show_deliveries),
    PageRoute("GET", "teams/<team_id>/deliveries/live", deliveries_page.follow_deliveries),
    PageRoute("GET", "teams/<team_id>/deliveries/export", exports.export_deliveries),
    PageRoute("GET", _DELIVERY, delivery_page.show_delivery),
    PageRoute("GET", f"{_DELIVERY}/live", delivery_page.follow_delivery),
    PageRoute("GET", f"{_DELIVERY}/body", delivery_page.download_body),
    PageRoute("POST", f"{_DELIVERY}/resend", delivery_page.resend),
    PageRoute("GET", _JOBS, bulk_jobs_page.show_bulk_jobs),
    PageRoute("POST", _JOBS, bulk_jobs_page.create),
    PageRoute("GET", f"{_JOBS}/new", bulk_jobs_page.ask, roles=ADMINS),
    PageRoute("GET", f"{_JOBS}/<job_id>", bulk_jobs_page.show_bulk_job),
    PageRoute("GET", f"{_JOBS}/<job_id>/live", bulk_jobs_page.follow_bulk_job),
    PageRoute("POST", f"{_JOBS}/<job_id>/cancel", bulk_jobs_page.cancel),
    PageRoute("GET", "teams/<team_id>/event-types", event_types_page.show_event_types),
    PageRoute("GET", "teams/<team_id>/event-types/<event>", event_types_page.show_event_type),
    PageRoute("POST", "teams/<team_id>/event-types/<event>/test", event_types_page.send_test),
    PageRoute("GET", "teams/<team_id>/credits", credits_page.show_credits),
    PageRoute("GET", "teams/<team_id>/credits/export", exports.export_ledger),
    PageRoute("GET", "teams/<team_id>/settings", settings_page.show_settings, by_link=False),
    PageRoute("POST", "teams/<team_id>/settings", settings_page.save, by_link=False),
    PageRoute("POST", "teams/<team_id>/settings/addresses", settings_page.add_address, by_link=False),
    PageRoute("POST", "teams/<team_id>/settings/addresses/remove", settings_page.remove_address, by_link=False),
    PageRoute("POST", "teams/<team_id>/settings/keys", settings_page.create_key, by_link=False),
    PageRoute("POST", "teams/<team_id>/settings/keys/<key_id>/revoke", settings_page.revoke_key, by_link=False),
    PageRoute("GET", "teams/<team_id>/audit", audit_page.show_audit_trail, roles=ADMINS, by_link=False),
    PageRoute("GET", "event-types", handler=catalogue_page.show_catalogue, audience=Audience.OPERATOR),
    PageRoute("POST", "event-types", handler=catalogue_page.add, audience=Audience.OPERATOR),
    PageRoute("GET", _TYPE, handler=catalogue_page.show_type, audience=Audience.OPERATOR),
    PageRoute("POST", _TYPE, handler=catalogue_page.change, audience=Audience.OPERATOR),
    PageRoute("POST", f"{_TYPE}/versions", handler=catalogue_page.add_version, audience=Audience.OPERATOR),
    PageRoute("POST", f"{_TYPE}/state", handler=catalogue_page.set_state, audience=Audience.OPERATOR),
    PageRoute("POST", f"{_TYPE}/remove", handler=catalogue_page.remove, audience=Audience.OPERATOR),
    PageRoute("GET", "teams", handler=teams_page.show_teams, audience=Audience.OPERATOR),
    PageRoute("POST", "teams", handler=teams_page.create, audience=Audience.OPERATOR),
    PageRoute("POST", "operational-webhooks", handler=teams_page.open_operators, audience=Audience.OPERATOR),
    PageRoute("GET", "teams/<team_id>", handler=team_page.show_team, audience=Audience.OPERATOR),
    PageRoute("POST", "teams/<team_id>", handler=team_page.save, audience=Audience.OPERATOR),
    PageRoute("POST", "teams/<team_id>/keys", handler=team_page.create_key, audience=Audience.OPERATOR),
    PageRoute("POST", "teams/<team_id>/keys/<key_id>/revoke", handler=team_page.revoke_key, audience=Audience.OPERATOR),
    PageRoute("GET", _LINKS, handler=portal_links_page.show_links, audience=Audience.OPERATOR),
    PageRoute("POST", _LINKS, handler=portal_links_page.create, audience=Audience.OPERATOR),
    PageRoute("POST", f"{_LINKS}/<link_id>/revoke", handler=portal_links_page.revoke, audience=Audience.OPERATOR),
    PageRoute("POST", "teams/<team_id>/grants", handler=team_page.grant, audience=Audience.OPERATOR),
    PageRoute("GET", "api", handler=api_page.show_api, audience=Audience.SIGNED_IN),
    PageRoute("GET", "api/<tag>", handler=api_page.show_api_chapter, audience=Audience.SIGNED_IN),
    PageRoute("GET", "help", handler=help_page.show_help, audience=Audience.SIGNED_IN),
    PageRoute("GET", "preferences", handler=preferences_page.show_preferences, audience=Audience.SIGNED_IN),
    PageRoute("POST", "preferences", handler=preferences_page.save, audience=Audience.SIGNED_IN),
    PageRoute("GET", "system", handler=system_page.show_system, audience=Audience.OPERATOR),
    PageRoute("GET", "system/live", handler=system_page.follow_system, audience=Audience.OPERATOR),
)


def console_rules() -> Iterator[MatchingRule]:
    """Yield where each page and file of the console is."""
    yield make_rule("GET", f"{PREFIX}assets/<fingerprint>/<name>", _ASSET)
    yield make_rule("GET", "/console", _WITHOUT_SLASH)
    for page in PAGES:
        yield make_rule(page.method, PREFIX + page.path, page.name)


def add_console(
    app: Dispatcher,
    handles: Handles,
    limits: RateLimits,
    shared_exports: Exports,
    run_in_thread: RunInThread,
    reserved_ids: frozenset[str],
    api_document: Callable[[], Mapping[str, Any]],
) -> ConsoleContext:
    """Add every page to the application; return the pages' context, which the error pages need.

    `api_document()` is the OpenAPI document of the HTTP API.
    """
    assets = load_assets()
    sessions = Sessions(
        handles.console.session_key,
        handles.api_keys,
        now_ms=handles.now_ms,
        sign_outs=handles.console.sign_outs,
        find_link=handles.portal_links.find,
    )
    context = ConsoleContext(
        handles=handles,
        sessions=sessions,
        limits=limits,
        exports=shared_exports,
        templates=Templates(run_in_thread),
        shown_once=ShownOnce(handles.console.shown_once_key, handles.now_ms),
        messages=Messages(handles.console.session_key, handles.now_ms),
        confirmations=Buckets(per_s=_CONFIRMATIONS_PER_S, burst=_CONFIRMATIONS_AT_ONCE),
        reserved_ids=reserved_ids,
        api_document=api_document,
    )

    async def show_asset(_request: Request, fingerprint: str, name: str) -> Response:
        response = assets.answer(fingerprint, name)
        if response is None:
            raise page_not_found()
        return response

    async def redirect_to_console(_request: Request) -> Response:
        return Response(b"", HTTPStatus.PERMANENT_REDIRECT, headers={"Location": PREFIX})

    app.views[_ASSET], app.views[_WITHOUT_SLASH] = show_asset, redirect_to_console
    for page in PAGES:
        app.views[page.name] = _bind(page, context, run_in_thread)
    return context


def _bind(route: PageRoute, context: ConsoleContext, run_in_thread: RunInThread) -> View:
    async def view_for_anybody(request: Request, **path: str) -> Response | Streamed:
        return await route.handler(context, request, **path)

    async def view(request: Request, **path: str) -> Response | Streamed:
        signed_in = await require_session(context, request)
        _require_page(route, signed_in)
        team_id = path.pop("team_id") if route.audience is Audience.TEAM else None

        async def answer(page_request: PageRequest) -> Response | Streamed:
            return await route.handler(page_request, **path)

        return await answer_page(
            context,
            request,
            signed_in=signed_in,
            team_id=team_id,
            run_in_thread=run_in_thread,
            answer=answer,
        )

    return view_for_anybody if route.audience is Audience.ANYBODY else view


def _require_page(route: PageRoute, signed_in: SignedIn) -> None:
    """Raise Refused (404, 403) or ApiError (403) if the page is not for this session."""
    link = signed_in.link
    if link is not None and not route.by_link:
        raise page_not_found()
    if link is not None and link.role not in route.may_use:
        raise Refused(HTTPStatus.FORBIDDEN, _LINK_ONLY_READS)
    require_role(signed_in.principal, route.may_use)
    if route.audience is Audience.OPERATOR and not signed_in.principal.is_operator:
        raise page_not_found()
