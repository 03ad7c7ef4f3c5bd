"""A webhook's certificates in its form and on its page (contract "Options of a webhook")."""

from typing import Any

import trustme

from tests.support.api_client import PUBLIC_URL, RunningApi
from tests.support.certificates import make_identity, pem_of
from tests.support.console_client import ConsoleClient

NEW: dict[str, Any] = {"name": "CRM", "url": PUBLIC_URL, "events": ["*"]}


async def test_certificates_are_chosen_in_the_form_shown_on_the_page_without_the_key_and_removed(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    authority = trustme.CA()
    own = make_identity(authority)
    typed = {"clientCertificate": own.certificate, "clientKey": own.key, "caCertificates": pem_of(authority)}
    led = await acme.post(f"{root}/webhooks/new", **NEW, **typed)
    [webhook] = (await api.operator.get("/v1/webhooks", teamId=api.acme.id)).value["items"]
    page, form = (await acme.get(led.location)).text, (await acme.get(f"{led.location}/edit")).text
    assert webhook["clientCertificate"]["fingerprint"] in page
    assert webhook["caCertificates"][0]["fingerprint"] in page
    assert "CN=client" in form
    assert "PRIVATE KEY" not in page + form
    empty = {"clientCertificate": "", "clientKey": "", "caCertificates": ""}
    await acme.post(f"{led.location}/edit", **NEW, **empty)
    [same] = (await api.operator.get("/v1/webhooks", teamId=api.acme.id)).value["items"]
    assert same["clientCertificate"] == webhook["clientCertificate"]
    removed = {"removeClientCertificate": "yes", "removeCaCertificates": "yes"}
    await acme.post(f"{led.location}/edit", **NEW, **empty, **removed)
    [bare] = (await api.operator.get("/v1/webhooks", teamId=api.acme.id)).value["items"]
    assert (bare["clientCertificate"], bare["caCertificates"]) == (None, None)


async def test_a_wrong_certificate_is_told_at_its_field_and_no_key_comes_back(acme: ConsoleClient, root: str) -> None:
    own, other = (make_identity(trustme.CA()) for _ in range(2))
    typed = {"clientCertificate": own.certificate, "clientKey": other.key, "caCertificates": "no PEM"}
    page = await acme.post(f"{root}/webhooks/new", **NEW, **typed)
    assert page.status == 422
    assert "does not belong to the certificate" in page.text
    assert "is not one or more certificates in PEM" in page.text
    assert "PRIVATE KEY" not in page.text
