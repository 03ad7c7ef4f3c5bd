"""The contract's words are used, and no others for the same things (contract "Words")."""

import re

from api.app import ROUTES
from daemon.domain.model import DeliveryStatus
from daemon.telemetry.log_events import FIELDS, LOG_EVENTS
from tests.contract.command_line import help_of_every_command
from tests.docs.pages import pages, read
from tests.docs.sources import ROOT
from tests.support.api_client import RunningApi

WORDS = ("team", "webhook", "event", "delivery", "attempt", "operator")
# What others call a team, a webhook, an event, a delivery, an attempt, an operator.
NOT_OURS = re.compile(
    r"\b(workspaces?|subscribers?|callbacks?|dispatches|notifications? (?:id|type)|tries|administrators?|superuser)\b",
    re.IGNORECASE,
)


def console() -> str:
    """Return all that the console's pages say by themselves."""
    templates = (ROOT / "api/console/templates").glob("*.html")
    return " ".join(re.sub(r"{%.*?%}|{{.*?}}|<.*?>", " ", each.read_text("utf-8")) for each in templates)


def documentation() -> str:
    """Return all pages that people read."""
    return " ".join(read(path) for path in pages())


async def document_of(api: RunningApi) -> str:
    return (await api.operator.get("/openapi.json")).body.decode()


async def test_the_contracts_words_are_those_of_api_log_console_and_docs(api: RunningApi) -> None:
    document = await document_of(api)
    logged = " ".join([*LOG_EVENTS, *FIELDS.values()])
    for word in WORDS:
        stem = word.removesuffix("y")
        assert stem in document
        assert stem in read("README.md")
        assert stem in console()
        assert word == "operator" or stem in logged


async def test_no_other_words_are_used_for_the_same_things(api: RunningApi) -> None:
    page = " ".join([*LOG_EVENTS, *FIELDS, *FIELDS.values(), *(event.meaning for event in LOG_EVENTS.values())])
    for text in (await document_of(api), page, documentation(), help_of_every_command(), console()):
        assert NOT_OURS.findall(text) == []


async def test_a_delivery_is_pending_succeeded_failed_or_cancelled(api: RunningApi) -> None:
    document = (await api.operator.get("/openapi.json")).value
    states = {"pending", "succeeded", "failed", "cancelled"}
    assert set(document["components"]["schemas"]["DeliveryStatus"]["enum"]) == states == set(DeliveryStatus)


def test_the_routes_are_named_after_the_contracts_words() -> None:
    first = {route.path.split("/")[2] for route in ROUTES if route.path.startswith("/v1/")}
    assert first == {
        "teams",
        "webhooks",
        "events",
        "event-types",
        "deliveries",
        "credits",
        "keys",
        "nodes",
        "system",
        "verify",
        "search",
        "portal-links",
        "listeners",
        "bulk-jobs",
    }
