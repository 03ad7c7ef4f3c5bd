"""The button of the mail about a disabled webhook, which signs in, and what is attacked about it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
import trio.testing

from daemon.domain.clock import DAY_MS
from daemon.domain.mails import Mail, MailKind
from tests.console.conftest import enter
from tests.support.api_client import PUBLIC_URL, RunningApi, running_api
from tests.support.console_client import ConsoleClient, Page
from tests.support.daemon import FakeReceiver, make_settings, statuses

OVER = "This link is not valid"
SETTINGS = {
    "console": {"mail_link_days": 3},
    "smtp": {"operator_address": "root@example.com"},
    "delivery": {"retry_delays_s": ()},
}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[RunningApi]:
    receiver = FakeReceiver({PUBLIC_URL: statuses(500)})
    async with running_api(tmp_path, receiver=receiver, settings=make_settings(tmp_path, **SETTINGS)) as api:
        yield api


async def disabled(api: RunningApi) -> tuple[str, Mail]:
    """Have a webhook disabled; return its id and the team's mail."""
    emails = {"notificationEmails": ["ops@acme.example"]}
    assert (await api.operator.patch(f"/v1/teams/{api.acme.id}", emails)).status == 200
    webhook = await api.webhook()
    for _ in range(4):
        await api.submit()
    await trio.sleep(60)
    [mail] = [mail for mail in api.daemon.mails if mail.kind is MailKind.DISABLED and mail.webhook_id == webhook["id"]]
    return str(webhook["id"]), mail


def token(mail: Mail) -> str:
    assert mail.link is not None
    return mail.link.token


async def follow(browser: ConsoleClient, mail: Mail, next_page: str = "") -> Page:
    """Press the button of the page that the mail's button opens."""
    wanted = next_page or f"/console/webhooks/{mail.webhook_id}"
    page = await browser.send("POST", "/console/portal", {"link": token(mail), "next": wanted})
    browser.keep(page)
    return page


@pytest.mark.usefixtures("each_engine")
async def test_the_mails_button_leads_to_the_webhook_where_one_click_enables_it(
    api: RunningApi, autojump_clock: trio.testing.MockClock
) -> None:
    webhook, mail = await disabled(api)
    browser = ConsoleClient(api.operator.app)
    opened = await browser.get(f"/console/portal?next=/console/webhooks/{webhook}")
    assert f'name="next" value="/console/webhooks/{webhook}"' in opened.text
    page = await follow(browser, mail)
    assert page.location == f"/console/webhooks/{webhook}"
    page = await browser.get((await browser.get(page.location)).location)
    assert f"/webhooks/{webhook}/enable" in page.text
    assert (await browser.post(f"/console/teams/{api.acme.id}/webhooks/{webhook}/enable")).status == 303
    assert (await api.as_acme.get(f"/v1/webhooks/{webhook}")).value["active"]
    [made] = [
        entry
        for entry in (await api.operator.get(f"/v1/teams/{api.acme.id}/audit")).value["items"]
        if entry["action"] == "portal_link.created"
    ]
    assert (made["keyId"], made["changes"]) == ("daemon", {"mailId": mail.id, "webhookId": webhook})


async def test_only_the_teams_mail_about_a_disabled_webhook_has_a_link(
    api: RunningApi, autojump_clock: trio.testing.MockClock
) -> None:
    webhook, _ = await disabled(api)
    api.daemon.receiver.answers.clear()
    await api.as_acme.patch(f"/v1/webhooks/{webhook}", {"active": True})
    await api.submit()
    await trio.sleep(60)
    assert {mail.kind: mail.link is not None for mail in api.daemon.mails} == {
        MailKind.DISABLED: True,
        MailKind.DISABLED_FOR_OPERATOR: False,
        MailKind.RECOVERED: False,
    }


async def test_without_the_setting_no_mail_has_a_link(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    settings = make_settings(tmp_path, delivery=SETTINGS["delivery"])
    async with running_api(tmp_path, receiver=FakeReceiver({PUBLIC_URL: statuses(500)}), settings=settings) as api:
        _, mail = await disabled(api)
        assert mail.link is None
        assert (await api.operator.get(f"/v1/teams/{api.acme.id}/portal-links")).value["items"] == []


@pytest.mark.fault(
    "A mail server's scanner opens each address in a mail, before its reader does",
    "The link is not used up, and nobody is signed in",
    cases=5,
)
async def test_a_scanner_uses_nothing_up(api: RunningApi, autojump_clock: trio.testing.MockClock) -> None:
    webhook, mail = await disabled(api)
    scanner = ConsoleClient(api.operator.app)
    for _ in range(5):
        page = await scanner.get(f"/console/portal?next=/console/webhooks/{webhook}")
        assert (page.status, page.headers.getlist("Set-Cookie")) == (200, [])
    assert (await follow(ConsoleClient(api.operator.app), mail)).status == 303


@pytest.mark.fault(
    "The link of a mail is used to reach another team's webhook, or to be led to another site",
    "404; the console's own first page follows",
    cases=7,
)
async def test_the_link_leads_to_its_own_team_and_to_no_other_site(
    api: RunningApi, autojump_clock: trio.testing.MockClock
) -> None:
    _, mail = await disabled(api)
    other, as_other = await api.another_team()
    answer = await as_other.post("/v1/webhooks", {"name": "n", "url": PUBLIC_URL, "events": ["*"]})
    others = answer.value["id"]
    browser = ConsoleClient(api.operator.app)
    for path in (f"/console/webhooks/{others}", f"/console/teams/{other.id}/webhooks/{others}"):
        page = await follow(browser, mail, path)
        assert (await browser.get(page.location)).status == 404
    for wanted in (
        "https://evil.example/",
        "//evil.example",
        "/console//evil.example",
        "/\\evil.example",
        "javascript:1",
    ):
        assert (await follow(browser, mail, wanted)).location == "/console/", wanted


@pytest.mark.fault(
    "The link of an old mail, of one whose link was revoked, or one that is made up is used",
    "Nobody is signed in",
    cases=3,
)
async def test_a_link_that_is_over_signs_nobody_in(api: RunningApi, autojump_clock: trio.testing.MockClock) -> None:
    _, mail = await disabled(api)
    [link] = (await api.operator.get(f"/v1/teams/{api.acme.id}/portal-links")).value["items"]
    browser = ConsoleClient(api.operator.app)
    made_up = await enter(browser, {"url": f"#{token(mail)[:-1]}{'A' if token(mail)[-1] != 'A' else 'B'}"})
    assert (made_up.status, OVER in made_up.text) == (422, True)
    await follow(browser, mail)
    await api.operator.delete(f"/v1/portal-links/{link['id']}")
    assert (await browser.get(f"/console/teams/{api.acme.id}/webhooks")).status == 303
    assert (await follow(browser, mail)).status == 422
    _, mail = await disabled(api)
    assert mail.link is not None
    assert mail.link.expires_at - api.handles.now_ms() == pytest.approx(3 * DAY_MS, abs=120_000)
    api.daemon.clock.offset_ms += 3 * DAY_MS
    page = await follow(browser, mail)
    assert (page.status, 'href="/console/sign-in?next=/console/webhooks/' in page.text) == (422, True)
