"""The secret and the key pair of a webhook on the command line: how a secret is given, and rotating both."""

from pathlib import Path
from typing import Annotated

from daemon.cli.declared import argument, option
from daemon.cli.options import ApiOptions, AsJson, IdempotencyKey, idempotency_headers, with_api_options
from daemon.domain.signature_schemes import SignatureScheme

WebhookId = Annotated[str, argument(metavar="WEBHOOK")]
SecretFile = Annotated[
    Path | None,
    option("--secret-file", metavar="FILE", help="A file that holds the secret ('-': standard input)."),
]
GenerateSecret = Annotated[bool, option("--generate-secret", help="Have a whsec_ secret made; it is shown once.")]


@with_api_options
def rotate_secret(
    webhook_id: WebhookId,
    secret_file: SecretFile = None,
    overlap_hours: Annotated[
        int | None,
        option("--overlap-hours", min=0, max=720, help="How long the old secret signs too; 24 without it."),
    ] = None,
    signature_scheme: Annotated[
        SignatureScheme | None,
        option("--signature-scheme", help="What to replace; without it, what signs the deliveries."),
    ] = None,
    switch_now: Annotated[
        bool,
        option(
            "--switch-now",
            help="Sign X-Kakiyo-Signature with the new secret at once; alone: with that of the last rotation.",
        ),
    ] = False,
    idempotency_key: IdempotencyKey = None,
    as_json: AsJson = False,
    *,
    api: ApiOptions,
) -> None:
    """Give a webhook a new secret (made, unless one is given) or key pair; for a while the ones before sign, too.

    X-Kakiyo-Signature has room for one: the old secret for half of that time, unless --switch-now is given.
    """
    from daemon.cli.client import connect, path_of, present
    from daemon.cli.inputs import read_secret
    from daemon.cli.webhook_lines import print_webhook

    body = present({"secret": read_secret(secret_file), "overlapHours": overlap_hours, "switchNow": switch_now or None})
    body |= present({"signatureScheme": signature_scheme})
    with connect(api) as client:
        print_webhook(
            client.send(
                "POST",
                path_of("webhooks", webhook_id, "rotate-secret"),
                body=body,
                headers=idempotency_headers(idempotency_key),
            ),
            as_json,
        )


@with_api_options
def public_key(
    webhook_id: WebhookId,
    pem: Annotated[bool, option("--pem", help="Print the key alone, as PEM.")] = False,
    as_json: AsJson = False,
    *,
    api: ApiOptions,
) -> None:
    """Show the public key that verifies a webhook's v1a signatures, and during a rotation the one before."""
    from daemon.cli.client import connect, path_of
    from daemon.cli.output import print_line
    from daemon.cli.replies import print_reply
    from daemon.cli.webhook_lines import public_key_fields

    with connect(api) as client:
        reply = client.get(path_of("webhooks", webhook_id, "public-key"))
        if pem and not as_json:
            print_line(reply.value["pem"].rstrip())
        else:
            print_reply(reply, as_json, fields=public_key_fields)
