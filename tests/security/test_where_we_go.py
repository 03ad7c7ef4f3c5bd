"""No webhook is registered or edited to lead into the daemon's own network (contract "HTTP API", bad input)."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from daemon.domain.errors import UrlNotAllowed
from daemon.egress.resolver import Resolver
from daemon.egress.urls import EgressRules, check_url
from tests.security.where_we_go_addresses import FORBIDDEN_ADDRESSES, PUBLIC_ADDRESSES, as_url
from tests.security.where_we_go_resolver import TestResolver
from tests.security.where_we_go_urls import HARMLESS, REFUSED
from tests.support.api_client import Answer, RunningApi, running_api

NAME = "hooks.example.com"
BY_NAME = f"https://{NAME}/hook"
GOOD = "8.8.8.8"
STRICT = EgressRules()

SENTENCES = {
    "address": r"is not (a )?public( address)? \(",
    "host": "host is not a valid name or address|has no host",
    "characters": "space, control character or backslash",
    "user_info": "user name or password",
    "port": r"the URL's port",
    "fragment": "fragment",
    "scheme": "not https|is http,",
    "length": r"\d+ characters: use at most 2048",
}


@pytest.fixture
def resolver() -> TestResolver:
    return TestResolver()


@pytest.fixture
async def api(tmp_path: Path, resolver: TestResolver) -> AsyncIterator[RunningApi]:
    """The real API, with the real check of URLs against the resolver of the test."""

    async def check(url: str, _team_id: str) -> None:
        await check_url(url, STRICT, resolver)

    async with running_api(tmp_path, check_url=check) as api:
        yield api


def rule_of(answer: Answer) -> str:
    """Return the rule that a refusal names, or what else was answered."""
    if answer.status != 422 or answer.code != "url_not_allowed" or answer.paths != ["$.url"]:
        return f"{answer.status} {answer.body!r}"
    named = [rule for rule, sentence in SENTENCES.items() if re.search(sentence, answer.value["detail"], re.I)]
    return " and ".join(named)


async def register(api: RunningApi, url: str) -> Answer:
    body = {"teamId": api.acme.id, "name": "CRM sync", "url": url, "events": ["*"]}
    return await api.operator.post("/v1/webhooks", body)  # whose requests are not counted


async def edit(api: RunningApi, webhook: dict[str, Any], url: str) -> Answer:
    return await api.operator.patch(f"/v1/webhooks/{webhook['id']}", {"url": url})


@pytest.mark.fault(
    "A webhook's URL has an address that is not public (loopback, private, metadata, NAT64, …)",
    "Registration and edit answer 422 `url_not_allowed`; nothing is stored",
    cases=2 * len(FORBIDDEN_ADDRESSES),
)
async def test_no_address_that_is_not_public_is_taken_as_a_host(api: RunningApi, resolver: TestResolver) -> None:
    webhook = await api.webhook(url=as_url(GOOD))
    created = {address: rule_of(await register(api, as_url(address))) for address in FORBIDDEN_ADDRESSES}
    edited = {address: rule_of(await edit(api, webhook, as_url(address))) for address in FORBIDDEN_ADDRESSES}
    assert created == edited == dict.fromkeys(FORBIDDEN_ADDRESSES, "address")
    assert await stored_urls(api) == [as_url(GOOD)]
    assert resolver.asked == []


@pytest.mark.fault(
    "A webhook's name resolves to an address that is not public",
    "Registration and edit answer 422 `url_not_allowed`; nothing is stored",
    cases=2 * len(FORBIDDEN_ADDRESSES),
)
async def test_no_name_of_an_address_that_is_not_public_is_taken(api: RunningApi, resolver: TestResolver) -> None:
    webhook = await api.webhook(url=as_url(GOOD))
    created, edited = {}, {}
    for address in FORBIDDEN_ADDRESSES:
        resolver.set(NAME, (address,))
        created[address] = rule_of(await register(api, BY_NAME))
        edited[address] = rule_of(await edit(api, webhook, BY_NAME))
    assert created == edited == dict.fromkeys(FORBIDDEN_ADDRESSES, "address")
    assert await stored_urls(api) == [as_url(GOOD)]


@pytest.mark.fault(
    "A webhook's name has one public address and one that is not",
    "The whole name is refused, in whichever order its addresses come",
    cases=2 * len(FORBIDDEN_ADDRESSES),
)
async def test_one_bad_address_among_good_ones_refuses_the_name(api: RunningApi, resolver: TestResolver) -> None:
    found = {}
    for address in FORBIDDEN_ADDRESSES:
        resolver.set(NAME, (GOOD, address), (address, GOOD))
        found[address] = [rule_of(await register(api, BY_NAME)), rule_of(await register(api, BY_NAME))]
    assert found == {address: ["address", "address"] for address in FORBIDDEN_ADDRESSES}
    assert await stored_urls(api) == []


@pytest.mark.fault(
    "A URL hides where it leads: decimal, octal, hex and short addresses, user info, ports, schemes, backslashes, "
    "tabs, percent signs, Unicode and IDNA tricks, zones, over-long hosts",
    "Registration and edit answer 422 `url_not_allowed`, naming the rule",
    cases=2 * len(REFUSED),
)
async def test_every_trick_is_refused_by_the_name_of_its_rule(api: RunningApi, resolver: TestResolver) -> None:
    webhook = await api.webhook(url=as_url(GOOD))
    created = {url: rule_of(await register(api, url)) for url in REFUSED}
    edited = {url: rule_of(await edit(api, webhook, url)) for url in REFUSED}
    assert created == REFUSED
    assert edited == REFUSED
    assert await stored_urls(api) == [as_url(GOOD)]
    assert resolver.asked == []


async def test_public_addresses_and_harmless_urls_are_taken(api: RunningApi, resolver: TestResolver) -> None:
    urls = [*map(as_url, PUBLIC_ADDRESSES), *HARMLESS]
    answers = {url: (await register(api, url)).status for url in urls}
    assert answers == dict.fromkeys(urls, 201)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.1", "0x7f.1", "[::1]"])
async def test_the_system_s_own_names_for_this_machine_are_refused(tmp_path: Path, host: str) -> None:
    with pytest.raises(UrlNotAllowed) as refused:
        await check_url(f"https://{host}/", STRICT, Resolver().resolve)
    assert refused.value.rule == ("inside_name" if host.lower() == "localhost" else "address")


async def stored_urls(api: RunningApi) -> list[str]:
    return [webhook["url"] for webhook in (await api.operator.get("/v1/webhooks", limit=200)).value["items"]]
