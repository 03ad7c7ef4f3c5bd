"""Names and notes that people can see, secrets, and times whose `+` a query made a space."""

from typing import Any

import pytest

from tests.support.api_client import RunningApi

UNSEEN = [
    *("", "   ", "\u200b", "\u2060\ufeff", "\u00a0", "\u200f", "\u200d"),
    *("\u3164", "\u115f\u1160", "\uffa0", "\u2800 \u2800", "\u034f", "\ufe0f", "\u0301", "\u17b4", "\U000e0100"),
    *("a\u3164b", "a\u2800b", "ac\u200dme", "acme\u200c", "acme\ufe0f", "\u200cacme", "株\u200d\u200d\u200d式"),
    *("a\x1b[2Jb", "a\u202eb", "a\u2028b", "a\x85b", "a\tb", "a\u2066b"),
]


def named(api: RunningApi, name: str) -> list[tuple[str, dict[str, Any]]]:
    """Every request that gives something a name, or a note."""
    webhook = {"teamId": api.acme.id, "name": name, "url": "https://example.com/", "events": ["*"]}
    return [
        ("/v1/teams", {"name": name}),
        (f"/v1/teams/{api.acme.id}/keys", {"name": name}),
        ("/v1/webhooks", webhook),
        ("/v1/credits/grants", {"teamId": api.acme.id, "amount": 1, "note": name}),
    ]


@pytest.mark.fault(
    "Names of nothing that can be seen, or with characters that steer a terminal or reverse a line",
    "422 naming the field; white space around a name is cut off",
    cases=len(UNSEEN),
)
async def test_a_name_that_cannot_be_seen_or_steers_is_refused(api: RunningApi) -> None:
    for name in UNSEEN:
        for path, body in named(api, name):
            refused = await api.operator.post(path, body)
            assert (refused.status, refused.paths) in [(422, ["$.name"]), (422, ["$.note"])], (ascii(name), path)


async def test_joiners_and_selectors_that_a_script_or_a_symbol_needs_are_taken(api: RunningApi) -> None:
    for name in (
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "👨\u200d👩\u200d👧",
        "ක්\u200dෂ",
        "Line 1\ufe0f\u20e3",
        "👁\ufe0f\u200d🗨\ufe0f",
        "café",
        "!",
    ):
        for path, body in named(api, name):
            assert (await api.operator.post(path, body)).status == 201, (ascii(name), path)


async def test_names_are_trimmed(api: RunningApi) -> None:
    for path, body in named(api, "  Größe 株式会社 \n"):
        made = await api.operator.post(path, body)
        assert made.status == 201
        assert (made.value.get("note") or made.value["name"]) == "Größe 株式会社"


async def test_a_secret_that_nearly_has_the_standard_form_is_refused(api: RunningApi) -> None:
    body = {"teamId": api.acme.id, "name": "n", "url": "https://example.com/", "events": ["*"]}
    for secret in (" padded", "padded ", "WHSEC_" + "A" * 44, "whsec-" + "A" * 44, "whsec_ " + "A" * 43 + "="):
        refused = await api.operator.post("/v1/webhooks", {**body, "secret": secret})
        assert (refused.status, refused.paths) == (422, ["$.secret"]), secret


async def test_a_plus_that_a_query_made_a_space_is_read_as_the_plus_of_an_offset(api: RunningApi) -> None:
    for query in ("since=2027-01-15T10:00:00+02:00", "since=2027-01-15T10:00:00%2B02:00"):
        assert (await api.operator.get(f"/v1/deliveries?{query}")).status == 200
    assert (await api.operator.get("/v1/deliveries?since=2027-01-15+10:00:00Z")).status == 422
