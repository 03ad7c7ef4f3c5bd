"""A webhook's client certificate and authorities over the API (contract "Options of a webhook")."""

from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa

from daemon.store.reads import api_reads
from tests.support.api_client import PUBLIC_URL, RunningApi
from tests.support.certificates import Identity, key_in_pem, make_identity, pem_of, with_passphrase

CA = trustme.CA()
OWN = make_identity(CA)
SHOWN = {"subject", "issuer", "fingerprint", "notBefore", "notAfter"}


async def mistake(api: RunningApi, option: dict[str, Any]) -> tuple[int, str, str]:
    """Return the status, and the place and message of the one mistake, which PATCH tells like POST."""
    body = {"name": "n", "url": PUBLIC_URL, "events": ["*"], **option}
    path = f"/v1/webhooks/{(await api.webhook())['id']}"
    answers = (await api.as_acme.post("/v1/webhooks", body), await api.as_acme.patch(path, option))
    told = set()
    for answer in answers:
        [wrong] = answer.value["errors"]
        told.add((answer.status, str(wrong["path"]), str(wrong["message"])))
    [same] = told
    return same


@pytest.mark.usefixtures("each_engine")
async def test_a_client_certificate_is_chosen_shown_without_its_key_and_set_back(api: RunningApi) -> None:
    webhook = await api.webhook(clientCertificate=OWN.given)
    path = f"/v1/webhooks/{webhook['id']}"
    shown = webhook["clientCertificate"]
    assert shown == (await api.as_acme.get(path)).value["clientCertificate"]
    assert set(shown) == SHOWN
    assert "CN=client" in shown["subject"]
    kept = await api.daemon.parts.store.reader.fetch(api_reads.get_webhook, webhook["id"])
    assert kept is not None
    assert kept.options.client_certificate is not None
    key = api.daemon.parts.vault.open(kept.options.client_certificate.private_key.sealed, webhook["id"])
    assert "BEGIN PRIVATE KEY" in key
    other = make_identity(CA)
    changed = (await api.as_acme.patch(path, {"clientCertificate": other.given})).value["clientCertificate"]
    assert changed["fingerprint"] != shown["fingerprint"]
    assert (await api.as_acme.patch(path, {"clientCertificate": None})).value["clientCertificate"] is None
    audit = str((await api.operator.get(f"/v1/teams/{api.acme.id}/audit")).value)
    assert "PRIVATE KEY" not in audit + str(shown) + api.daemon.log.getvalue().decode()


@pytest.mark.usefixtures("each_engine")
async def test_the_audit_trail_tells_whose_certificates_they_are_and_holds_no_pem(api: RunningApi) -> None:
    webhook = await api.webhook(clientCertificate=OWN.given)
    path = f"/v1/webhooks/{webhook['id']}"
    vouched = Identity(OWN.certificate + pem_of(CA), OWN.key)
    await api.as_acme.patch(path, {"clientCertificate": vouched.given})
    changed = (await api.as_acme.patch(path, {"caCertificates": pem_of(CA) * 20})).value
    page = (await api.operator.get(f"/v1/teams/{api.acme.id}/audit", subjectId=webhook["id"])).value
    authorities, chain, made = (entry["changes"] for entry in page["items"])
    assert made["clientCertificate"]["to"] == told(webhook["clientCertificate"])
    assert chain == {"clientCertificate": {"from": "set", "to": "replaced"}}
    assert authorities == {"caCertificates": {"from": None, "to": [told(one) for one in changed["caCertificates"]]}}
    assert "BEGIN CERTIFICATE" not in str(page)


def told(shown: dict[str, str]) -> dict[str, str]:
    """What the audit trail has of a certificate."""
    return {"subject": shown["subject"], "fingerprint": shown["fingerprint"]}


def files_in(directory: Path) -> bytes:
    """All that is in the files of a directory."""
    return b"".join(file.read_bytes() for file in directory.rglob("*") if file.is_file())


async def test_no_key_is_in_the_files_of_the_state_directory(api: RunningApi, tmp_path: Path) -> None:
    await api.webhook(clientCertificate=OWN.given)
    secret_lines = [line.encode() for line in OWN.key.splitlines() if "-----" not in line]
    kept = files_in(tmp_path)
    assert b"clientCertificate" in kept
    assert not any(line in kept for line in secret_lines)


@pytest.mark.usefixtures("each_engine")
async def test_authorities_are_chosen_shown_and_set_back(api: RunningApi) -> None:
    bundle = pem_of(CA) + pem_of(trustme.CA())
    webhook = await api.webhook(caCertificates=bundle)
    assert [set(one) for one in webhook["caCertificates"]] == [SHOWN, SHOWN]
    path = f"/v1/webhooks/{webhook['id']}"
    assert (await api.as_acme.patch(path, {"caCertificates": None})).value["caCertificates"] is None


@pytest.mark.parametrize(
    ("own", "field", "words"),
    [
        (Identity("no PEM", OWN.key), "certificate", "is not one or more certificates in PEM"),
        (Identity(OWN.certificate + OWN.key, OWN.key), "certificate", "has a private key in it"),
        (Identity(OWN.certificate * 6, OWN.key), "certificate", "has 6 certificates: send at most 5"),
        (make_identity(CA, expired=True), "certificate", "the certificate expired on"),
        (Identity(OWN.certificate, make_identity(CA).key), "privateKey", "does not belong to the certificate"),
        (Identity(pem_of(CA) + OWN.certificate, OWN.key), "privateKey", "put that one first"),
        (Identity(OWN.certificate, with_passphrase(OWN.key)), "privateKey", "is encrypted"),
        (Identity(OWN.certificate, "no PEM"), "privateKey", "is not a private key in PEM"),
        (Identity(OWN.certificate, key_in_pem(rsa.generate_private_key(65537, 1024))), "privateKey", "of a kind"),
        (Identity(OWN.certificate, key_in_pem(ec.generate_private_key(ec.SECP256K1()))), "privateKey", "of a kind"),
        (Identity(OWN.certificate, key_in_pem(ed448.Ed448PrivateKey.generate())), "privateKey", "of a kind"),
    ],
)
async def test_a_wrong_certificate_or_key_is_refused_with_its_place(
    api: RunningApi, own: Identity, field: str, words: str
) -> None:
    status, place, message = await mistake(api, {"clientCertificate": own.given})
    assert (status, place) == (422, f"$.clientCertificate.{field}")
    assert words in message


@pytest.mark.parametrize(
    ("bundle", "words"),
    [
        ("no PEM", "is not one or more certificates in PEM"),
        (pem_of(CA) + OWN.certificate, "certificate 2 is not that of an authority"),
        (pem_of(CA) + OWN.key, "has a private key in it"),
        (pem_of(CA) * 21, "has 21 certificates: send at most 20"),
    ],
)
async def test_a_wrong_bundle_of_authorities_is_refused_with_its_place(
    api: RunningApi, bundle: str, words: str
) -> None:
    status, place, message = await mistake(api, {"caCertificates": bundle})
    assert (status, place) == (422, "$.caCertificates")
    assert words in message
