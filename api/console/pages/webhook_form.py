"""The form of a webhook: its values and the mistakes in them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from api.console.pages.headers_form import header_mistakes
from api.console.pages.way_out_form import way_out_mistakes
from api.console.pages.webhook_options_form import OPTION_MISTAKES, options_of, read_options
from api.console.session.forms import Form
from api.console.session.page_request import PageRequest
from api.console.session.refusals import field_mistakes
from api.http.errors import ApiError, from_daemon
from api.http.json_body import validate
from api.routes.webhook_models import NewWebhook
from api.routes.webhooks import chosen_secret
from daemon.domain.errors import UrlNotAllowed
from daemon.domain.event_types import WILDCARD
from daemon.domain.model import Webhook
from daemon.domain.operations import About, BodyFormat

_WORDS = {
    "name": "Enter a name of 1 to 200 characters: a label for people, such as CRM Sync.",
    "events": "Choose at least one event, or all events.",
    **OPTION_MISTAKES,
}
_NO_URL = "Enter the address that deliveries are posted to, such as https://crm.example.com/hooks."


@dataclass(frozen=True, slots=True)
class WebhookForm:
    """The values of the form's fields; options by their names in the API (`webhook_options_form`)."""

    name: str = ""
    url: str = ""
    secret: str = ""
    events: tuple[str, ...] = ()
    about: About = About.EVENTS
    body_format: BodyFormat = BodyFormat.STANDARD
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def all_events(self) -> bool:
        """Whether it subscribes to all events, including future ones."""
        return WILDCARD in self.events

    @property
    def is_operational(self) -> bool:
        """Whether it is the form of an operational webhook."""
        return self.about is About.OPERATIONS


def read_webhook_form(form: Form) -> WebhookForm:
    """Return the values. With "all events" ticked, other events do not count."""
    events = form.each("events")
    return WebhookForm(
        form.text("name"),
        form.text("url"),
        secret=form.text("secret"),
        events=(WILDCARD,) if WILDCARD in events else events,
        about=About.OPERATIONS if form.text("about") == About.OPERATIONS else About.EVENTS,
        body_format=BodyFormat.SLACK if form.text("bodyFormat") == BodyFormat.SLACK else BodyFormat.STANDARD,
        options=read_options(form),
    )


def form_of(webhook: Webhook) -> WebhookForm:
    """Return the form for editing a webhook, without its secret."""
    return WebhookForm(
        webhook.name,
        webhook.url,
        secret="",
        events=webhook.events,
        about=webhook.about,
        body_format=webhook.body_format,
        options=options_of(webhook),
    )


async def mistakes_in(
    request: PageRequest, team_id: str, typed: WebhookForm, *, edited: Webhook | None = None
) -> dict[str, str]:
    """Return all mistakes, by field; `edited` is the webhook that there is already."""
    mistakes: dict[str, str] = {}
    try:
        named: dict[str, Any] = {"name": typed.name, "url": typed.url, "events": list(typed.events)}
        validate({**named, **typed.options}, NewWebhook, request.call.known)
    except ApiError as error:
        mistakes = {name: _WORDS.get(name, message) for name, message in field_mistakes(error).items()}
    mistakes.pop("headers", None)
    mistakes |= header_mistakes(request, typed.options, url=typed.url, webhook=edited)
    if any(event != WILDCARD and event not in request.handles.types_about(typed.about) for event in typed.events):
        mistakes["events"] = "One of the events does not exist any more: choose again."
    if wrong := secret_mistake(typed.secret):
        mistakes["secret"] = wrong
    if wrong := await _url_mistake(request, team_id, typed.url):
        mistakes["url"] = wrong
    return {**mistakes, **await way_out_mistakes(request, team_id, typed.options)}


def secret_mistake(secret: str) -> str:
    """Return the mistake in a secret, "" if there is none."""
    try:
        chosen_secret(secret) if secret else None
    except ApiError as error:
        return _as_sentence(field_mistakes(error)["secret"])
    return ""


async def _url_mistake(request: PageRequest, team_id: str, url: str) -> str:
    if not url:
        return _NO_URL
    try:
        await request.handles.check_url(url, team_id)
    except UrlNotAllowed as error:
        return from_daemon(error).detail
    return ""


def _as_sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."
