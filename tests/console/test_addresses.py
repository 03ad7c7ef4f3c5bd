"""A team's notification addresses: added by its admin, confirmed by whoever reads them, and attacked."""

import pytest
import trio
import trio.testing

from daemon.domain.clock import DAY_MS
from daemon.domain.mails import Mail, MailKind
from tests.console.conftest import signed_in
from tests.support.api_client import RunningApi
from tests.support.console_client import ConsoleClient, Page

NEW = "new@acme.example"
OVER = "This link is not valid: it was used, was withdrawn or has expired."
Clock = trio.testing.MockClock


@pytest.fixture
def stranger(api: RunningApi) -> ConsoleClient:
    """The browser of somebody who has no key."""
    return ConsoleClient(api.operator.app)


async def asked(api: RunningApi, email: str = NEW) -> str:
    """Ask an address; return the token of the mail that it got."""
    answer = await api.as_acme.post(f"/v1/teams/{api.acme.id}/notification-emails", {"email": email})
    assert answer.status == 202, answer.body
    await trio.sleep(1)
    return token(api.daemon.mails[-1])


def token(mail: Mail) -> str:
    assert mail.link is not None
    assert mail.kind is MailKind.ADDRESS_CONFIRMATION
    return mail.link.token


async def confirm(browser: ConsoleClient, link: str, **headers: str) -> Page:
    return await browser.send("POST", "/console/confirm-address", {"link": link}, **headers)


async def emails(api: RunningApi) -> list[str]:
    return list((await api.operator.get(f"/v1/teams/{api.acme.id}")).value["notificationEmails"])


@pytest.mark.usefixtures("each_engine")
async def test_an_admin_adds_an_address_which_gets_mails_once_it_has_confirmed(
    api: RunningApi, acme: ConsoleClient, stranger: ConsoleClient, root: str, autojump_clock: Clock
) -> None:
    added = await acme.post(f"{root}/settings/addresses", email=f" {NEW} ")
    assert "asked, has not confirmed yet" in (await acme.get(added.location)).text
    await trio.sleep(1)
    [mail] = api.daemon.mails
    assert (mail.recipients, await emails(api)) == ((NEW,), [])
    done = await confirm(stranger, f"https://hooks.example.com/console/confirm-address#{token(mail)}")
    assert (done.status, "Confirmed</h1>" in done.text, "Set-Cookie" in done.headers) == (200, True, False)
    assert await emails(api) == [NEW]
    assert "gets mails" in (await acme.get(f"{root}/settings")).text
    entry = (await api.operator.get(f"/v1/teams/{api.acme.id}/audit", limit=1)).value["items"][0]
    assert (entry["action"], entry["keyId"], entry["keyName"]) == (
        "team.address_confirmed",
        mail.id,
        f"a reader of {NEW}",
    )
    assert entry["changes"]["notificationEmails"] == {"from": [], "to": [NEW]}
    await acme.post(f"{root}/settings/addresses/remove", email=NEW)
    assert await emails(api) == []


@pytest.mark.fault(
    "A scanner of mails opens the link that asks an address, before its reader does",
    "Nothing is confirmed: only the page's button does",
    cases=3,
)
async def test_looking_at_the_link_confirms_nothing(
    api: RunningApi, stranger: ConsoleClient, autojump_clock: Clock
) -> None:
    link = await asked(api)
    for path in (
        "/console/confirm-address",
        f"/console/confirm-address?link={link}",
        f"/console/confirm-address?{link}",
    ):
        assert (await stranger.get(path)).status == 200
    assert await emails(api) == []
    assert (await confirm(stranger, link)).status == 200


@pytest.mark.usefixtures("each_engine")
@pytest.mark.fault(
    "The link of a mail that asks an address is used again, after its time or after a removal, altered or made up",
    "422, the same sentence for all; no address is added",
    cases=8,
)
async def test_a_link_that_is_over_confirms_nothing(
    api: RunningApi, stranger: ConsoleClient, autojump_clock: Clock
) -> None:
    used, removed = await asked(api), await asked(api, "removed@acme.example")
    assert (await confirm(stranger, used)).status == 200
    await api.as_acme.delete(f"/v1/teams/{api.acme.id}/notification-emails?email=removed@acme.example")
    await api.as_acme.delete(f"/v1/teams/{api.acme.id}/notification-emails?email={NEW}")
    late = await asked(api, "late@acme.example")
    altered = late[:-2] + ("A" if late[-2] != "A" else "B") + late[-1]
    portal = (await api.operator.post(f"/v1/teams/{api.acme.id}/portal-links", {})).value["url"].partition("#")[2]
    wrong = [used, removed, altered, late[:-1], "", "kwc_", str(api.operator.key), portal.replace("kwp_", "kwc_")]
    for link in wrong:
        page = await confirm(stranger, link)
        assert (page.status, page.mistake("link").startswith(OVER)) == (422, True), link
        assert not link or link not in page.text
    api.daemon.clock.offset_ms += 3 * DAY_MS
    assert (await confirm(stranger, late)).status == 422
    assert await emails(api) == []
    portal_page = await stranger.send("POST", "/console/portal", {"link": late.replace("kwc_", "kwp_")})
    assert portal_page.status == 422


@pytest.mark.fault("Another site's page sends the form that confirms an address", "403; no address is added", cases=3)
async def test_only_the_consoles_own_page_confirms(
    api: RunningApi, stranger: ConsoleClient, autojump_clock: Clock
) -> None:
    link = await asked(api)
    for headers in ({"Origin": "https://evil.example"}, {"Sec_Fetch_Site": "cross-site"}, {"Origin": "null"}):
        assert (await confirm(stranger, link, **headers)).status == 403, headers
    assert await emails(api) == []


@pytest.mark.fault("Somebody guesses links without end", "429 for that peer after 20 at once; others still confirm")
async def test_a_peer_confirms_so_often(api: RunningApi, stranger: ConsoleClient, autojump_clock: Clock) -> None:
    await stranger.get("/console/confirm-address")  # a thread reads the templates, while the virtual clock runs on
    answers = [(await confirm(stranger, f"kwc_{number:043}")).status for number in range(25)]
    assert answers == [422] * 20 + [429] * 5
    await trio.sleep(30)
    api.daemon.clock.offset_ms += 30_000
    assert (await confirm(stranger, await asked(api))).status == 200


@pytest.mark.fault(
    "A team's admin has a stranger's mailbox filled with mails that ask it",
    "After 3 to one mailbox, whatever its tag or case, and 10 of the team in 24 hours: 429 with `Retry-After`",
    cases=2,
)
async def test_nobody_fills_a_strangers_mailbox(api: RunningApi, root: str, autojump_clock: Clock) -> None:
    path = f"/v1/teams/{api.acme.id}/notification-emails"
    victims = [f"Victim+{number}@example.com" for number in range(5)]
    answers = [await api.as_acme.post(path, {"email": email}) for email in victims]
    assert [answer.status for answer in answers] == [202] * 3 + [429] * 2
    assert 86_000 < int(answers[-1].headers["Retry-After"]) <= 86_400
    answers = [await api.as_acme.post(path, {"email": f"a{number}@example.com"}) for number in range(9)]
    assert [answer.status for answer in answers] == [202] * 7 + [429] * 2
    await trio.sleep(60)
    assert len(api.daemon.mails) == 10
    acme = await signed_in(api, str(api.as_acme.key))
    page = await acme.post(f"{root}/settings/addresses", email="more@example.com")
    assert (page.status, page.mistake("email")) == (
        422,
        "As many mails that ask an address were sent as may be in 24 hours: try again later.",
    )


async def test_nothing_else_goes_to_an_address_that_has_not_confirmed(
    api: RunningApi, stranger: ConsoleClient, autojump_clock: Clock
) -> None:
    await api.operator.patch(f"/v1/teams/{api.acme.id}", {"notificationEmails": ["ops@acme.example"], "lowCredits": 50})
    link = await asked(api)
    await api.operator.post("/v1/credits/grants", {"teamId": api.acme.id, "amount": 60})
    await api.operator.post("/v1/credits/grants", {"teamId": api.acme.id, "amount": -20, "note": "x"})
    await trio.sleep(5)
    assert [mail.recipients for mail in api.daemon.mails] == [(NEW,), ("ops@acme.example",)]
    await confirm(stranger, link)
    await api.operator.post("/v1/credits/grants", {"teamId": api.acme.id, "amount": 60})
    await api.operator.post("/v1/credits/grants", {"teamId": api.acme.id, "amount": -60, "note": "x"})
    await trio.sleep(5)
    assert api.daemon.mails[-1].recipients == ("ops@acme.example", NEW)


async def test_what_becomes_of_an_address_is_told_beside_its_field_or_above_the_page(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    await api.operator.patch(f"/v1/teams/{api.acme.id}", {"notificationEmails": ["ops@acme.example"]})
    for email, sentence in (
        ("nobody", "Enter an email address such as ops@example.com."),
        ("", "Enter an email address such as ops@example.com."),
        ("ops@acme.example", "The team's mails go to ops@acme.example already: there is nothing to confirm."),
    ):
        page = await acme.post(f"{root}/settings/addresses", email=email)
        assert (page.status, page.mistake("email")) == (422, sentence)
    added = await acme.post(f"{root}/settings/addresses", email=NEW)
    assert "The address is asked by a mail." in (await acme.get(added.location)).text
    removed = await acme.post(f"{root}/settings/addresses/remove", email=NEW)
    assert "Nothing more is sent to that address." in (await acme.get(removed.location)).text
