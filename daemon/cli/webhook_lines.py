"""Webhooks as commands print them."""

from typing import Any

from daemon.cli.replies import print_reply
from daemon.cli.webhook_options import option_lines

COLUMNS = ("id", "name", "state", "failures", "about", "events", "url")


def _state(webhook: dict[str, Any]) -> str:
    if not webhook["active"]:
        return "disabled"
    if webhook.get("pausedAt"):
        return "paused"
    return "live" if webhook.get("live") else "active"


def row(webhook: dict[str, Any]) -> tuple[Any, ...]:
    """Return a webhook's values in the columns of a list."""
    name, failures, about = webhook["name"], webhook["consecutiveFailures"], webhook.get("about", "events")
    return webhook["id"], name, _state(webhook), failures, about, webhook["events"], webhook["url"]


def print_webhook(reply: Any, as_json: bool) -> None:
    """Print a webhook that was answered, with a secret that is shown this once."""
    print_reply(reply, as_json, fields=_fields, not_shown=_secret_not_shown(reply.value))


def public_key_fields(answer: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the lines of a public key, and of the one before while it counts."""
    fields = [("public key", answer["publicKey"]), ("made", answer["createdAt"])]
    if previous := answer["previous"]:
        fields += [("previous public key", previous["publicKey"]), ("it signs, too, until", previous["expiresAt"])]
    return fields


def _secret_not_shown(webhook: dict[str, Any]) -> str | None:
    if not webhook.get("secret"):
        return None
    return (
        f"The secret of webhook {webhook['id']} was not shown, and is not shown again: "
        f"give it another with `webhooks rotate-secret {webhook['id']} --overlap-hours 0`."
    )


def _fields(webhook: dict[str, Any]) -> list[tuple[str, Any]]:
    fields = [
        ("id", webhook["id"]),
        ("team", webhook["teamId"]),
        ("name", webhook["name"]),
        ("url", webhook["url"]),
        ("about", webhook.get("about", "events")),
        ("body", webhook.get("bodyFormat", "standard")),
        ("events", webhook["events"]),
        ("state", _state(webhook)),
        ("failures in a row", webhook["consecutiveFailures"]),
        ("disabled because", webhook["disabledReason"]),
        ("disabled at", webhook["disabledAt"]),
        ("paused at", webhook.get("pausedAt")),
        ("resumes at", webhook.get("resumesAt")),
        ("signed", webhook["hasSecret"]),
        *option_lines(webhook),
        ("created", webhook["createdAt"]),
        ("updated", webhook["updatedAt"]),
    ]
    if until := webhook.get("previousSecretExpiresAt"):
        fields.append(("the old secret signs until", until))
        fields.append(("X-Kakiyo-Signature goes over at", webhook.get("signatureSwitchesAt")))
    if until := webhook.get("previousPublicKeyExpiresAt"):
        fields.append(("the old key pair signs until", until))
    return [*fields, ("secret (shown this once)", webhook["secret"])] if webhook.get("secret") else fields
