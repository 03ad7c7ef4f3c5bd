"""The settings that change what is promised: nodes that share a database have to agree on them."""

import hashlib
from collections.abc import Mapping

from daemon.config.settings import EventTypeSettings, Settings

_SHOWN = 60


def shared_settings(settings: Settings) -> Mapping[str, str]:
    """Return them by name, each as a short text: what is long ends with a digest of all of it."""
    delivery, egress = settings.delivery, settings.effective_egress
    values = {
        "credits.enforce": _yes(settings.credits.enforce),
        "credits.per_delivery": str(settings.credits.per_delivery),
        "delivery.timeout_s": f"{delivery.timeout_s:g}",
        "delivery.retry_delays_s": ", ".join(f"{delay:g}" for delay in delivery.retry_delays_s),
        "delivery.disable_after": str(delivery.disable_after),
        "delivery.count": delivery.count,
        "egress.allow_http": _yes(egress.allow_http),
        "egress.allow_networks": ", ".join(sorted(map(str, egress.allow_networks))) or "none",
        "egress.proxy_resolves": _yes(egress.proxy_resolves),
        "egress.webhook_proxies": _yes(egress.webhook_proxies),
        "api.webhooks_per_team": str(settings.api.webhooks_per_team),
        "retention.days": str(settings.retention.days),
        "public_url": settings.public_url,
        "smtp.host": settings.smtp.host or "none",
        "smtp.from": settings.smtp.sender,
        "smtp.operator_address": settings.smtp.operator_address or "none",
        "console.embed_origins": ", ".join(sorted(settings.console.embed_origins)) or "none",
        "console.mail_link_days": str(settings.console.mail_link_days),
        "event_types": _digested(sorted(map(_as_text, settings.event_types))),
    }
    return {name: _shortened(value) for name, value in values.items()}


def _yes(value: bool) -> str:
    return "true" if value else "false"


def _as_text(event_type: EventTypeSettings) -> str:
    return event_type.model_dump_json()


def _digested(values: list[str]) -> str:
    return f"{len(values)} added ({_digest(repr(values))})" if values else "none added"


def _shortened(value: str) -> str:
    return value if len(value) <= _SHOWN else f"{value[:_SHOWN]}… ({_digest(value)})"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
