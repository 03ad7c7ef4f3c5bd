"""The key pair of a webhook in the console: chosen, shown, rotated."""

from tests.support.api_client import PUBLIC_URL, RunningApi
from tests.support.console_client import ConsoleClient

NEW = {"name": "CRM Sync", "url": PUBLIC_URL, "events": ["*"]}


async def test_a_webhook_with_a_key_pair_is_made_in_the_form_and_shows_its_public_key(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    led = await acme.post(f"{root}/webhooks/new", **NEW, signatureScheme="ed25519")
    [webhook] = (await api.as_acme.get("/v1/webhooks")).value["items"]
    page = await acme.get(led.location)
    assert webhook["signatureScheme"] == "ed25519"
    assert f'data-copy="{webhook["publicKey"]}" aria-label="Copy the public key"' in page.text
    assert "With a key pair (ed25519)" in page.text
    assert "Ed25519PublicKey" in page.text


async def test_the_form_shows_the_scheme_and_folds_what_is_as_usual(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    usual, chosen = (await api.webhook())["id"], (await api.webhook(signatureScheme="both"))["id"]
    pages = [(await acme.get(f"{root}/webhooks/{webhook}/edit")).text for webhook in (usual, chosen)]
    assert ['<details class="more" open>' in page for page in pages] == [False, True]
    assert '<option value="both" selected>' in pages[1]


async def test_a_key_pair_is_rotated_and_the_previous_one_shown_until_it_ends(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    webhook = await api.webhook(signatureScheme="both", secret="generate")
    path = f"{root}/webhooks/{webhook['id']}"
    assert "Rotate the key pair" in (await acme.get(f"{path}/secret")).text
    led = await acme.post(f"{path}/secret/key", keyHours="5")
    page = await acme.get(led.location)
    rotated = (await api.as_acme.get(f"/v1/webhooks/{webhook['id']}")).value
    assert rotated["publicKey"] != webhook["publicKey"]
    for key in (rotated["publicKey"], webhook["publicKey"]):
        assert f'data-copy="{key}"' in page.text
    assert "The webhook has a new key pair" in page.text


async def test_an_overlap_that_cannot_be_is_told_beside_its_field(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    webhook = await api.webhook(signatureScheme="ed25519")
    page = await acme.post(f"{root}/webhooks/{webhook['id']}/secret/key", keyHours="9999")
    assert (page.status, page.mistake("keyHours")) == (422, "Enter a whole number of hours from 0 to 720.")
    assert (await api.as_acme.get(f"/v1/webhooks/{webhook['id']}")).value["publicKey"] == webhook["publicKey"]


async def test_the_secret_of_a_webhook_that_its_key_pair_signs_can_still_be_set(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    webhook = await api.webhook(signatureScheme="ed25519")
    led = await acme.post(f"{root}/webhooks/{webhook['id']}/secret", secret="a secret", hours="1")
    assert led.status == 303
    shown = (await api.as_acme.get(f"/v1/webhooks/{webhook['id']}")).value
    assert (shown["hasSecret"], shown["publicKey"]) == (True, webhook["publicKey"])
