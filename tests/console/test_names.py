"""Names that nobody can see, or that would reorder what stands around them."""

import re

import pytest

from api.console.rendering.names import named, plain
from daemon.domain.lifecycle import WebhookEdit
from daemon.domain.model import TeamEdit
from tests.support.api_client import RunningApi
from tests.support.console_client import ConsoleClient

MARK = '<span class="code-point">U+{}</span>'


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("CRM", "CRM"),
        ("\u200b", MARK.format("200B")),
        ("a\u202eb", f"a{MARK.format('202E')}b"),
        ("\u2066x\u2069", f"{MARK.format('2066')}x{MARK.format('2069')}"),
        ("a\x1b[2J", f"a{MARK.format('001B')}[2J"),
        ("\u3164", MARK.format("3164")),
        ("\u2028", MARK.format("2028")),
        ("<b>\u200f", f"&lt;b&gt;{MARK.format('200F')}"),
        ("שלום", "שלום"),
        ("\U0001f469\u200d\U0001f4bb", "\U0001f469\u200d\U0001f4bb"),
        ("a\u200db", f"a{MARK.format('200D')}b"),
    ],
)
def test_a_name_is_isolated_and_what_nobody_sees_is_shown(name: str, shown: str) -> None:
    assert named(name) == f"<bdi>{shown}</bdi>"


def test_a_title_shows_it_too() -> None:
    assert plain("a\u202e\u200bb") == "a[U+202E][U+200B]b"


@pytest.mark.fault(
    "A name of a webhook is invisible, or turns the text around it to the left",
    "Each page shows its characters by their code points, and isolates it",
)
async def test_no_page_has_a_name_that_nobody_can_see(api: RunningApi, acme: ConsoleClient, root: str) -> None:
    name = "x\u202e\u200b"
    webhook, parts = (await api.webhook(name="CRM"))["id"], api.daemon.parts
    # The API refuses such names; a database may have them from before.
    assert await parts.teams.change(api.acme.id, TeamEdit(name=name)) is not None
    assert await parts.webhooks.change(webhook, WebhookEdit(name=name)) is not None
    await api.submit()
    delivery = (await api.as_acme.get("/v1/deliveries")).value["items"][0]["id"]
    of_webhook = [f"/webhooks/{webhook}{page}" for page in ("", "/secret", "/delete", "/disable", "/edit")]
    for page in ("/webhooks", "/deliveries", f"/deliveries/{delivery}", "/credits", *of_webhook):
        text = (await acme.get(f"{root}{page}")).text
        assert MARK.format("202E") in text
        without_values = re.sub(r'value="[^"]*"', "", text)
        assert "\u202e" not in without_values, page
        assert "\u200b" not in without_values, page
