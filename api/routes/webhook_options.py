"""The options of a webhook as they go over the wire (contract "HTTP API"): each is null where it is as usual."""

from typing import Annotated

from pydantic import Field

from api.routes.filter_options import FILTER_EXAMPLE, FilterFields, ShownFilter
from api.routes.header_options import HEADERS_EXAMPLE, HeaderFields, ShownHeaders, given_headers, shown_headers
from api.routes.retry_options import RETRIES_EXAMPLE, RetryFields, ShownRetries, given_retries
from api.routes.way_out_options import (
    WAY_OUT_EXAMPLE,
    ShownWayOut,
    WayOutFields,
    given_way_out,
    shown_certificates,
    shown_proxy,
)
from daemon.domain.signature_schemes import SignatureScheme
from daemon.domain.webhook_options import WebhookOptions

_TIMEOUT = (
    "Seconds that an attempt may take, 1 to 30. null: those of the settings, 10 unless the operator says otherwise."
)
_SCHEME = (
    "What signs its deliveries. `hmac`: its secret. `ed25519`: a key pair that the daemon makes, whose public half GET "
    "/v1/webhooks/{webhook_id}/public-key shows. `both`: the secret, if it has one, and the key pair."
)


# Which are left out, and so stay as they are, `model_fields_set` tells: no default is shown.
class OptionFields(RetryFields, WayOutFields, HeaderFields, FilterFields):
    """The options that a client may send."""

    timeout_s: Annotated[float, Field(ge=1, le=30, allow_inf_nan=False)] | None = Field(
        default_factory=lambda: None, description=_TIMEOUT
    )
    signature_scheme: SignatureScheme | None = Field(
        default_factory=lambda: None, description=f"{_SCHEME} null: `hmac`.", strict=False
    )


class ShownOptions(ShownRetries, ShownWayOut, ShownHeaders, ShownFilter):
    """The options of a webhook."""

    timeout_s: float | None = Field(description=_TIMEOUT)
    signature_scheme: SignatureScheme = Field(description=_SCHEME)


OPTIONS_EXAMPLE = {
    "timeoutS": None,
    "signatureScheme": "hmac",
    **RETRIES_EXAMPLE,
    **WAY_OUT_EXAMPLE,
    **HEADERS_EXAMPLE,
    **FILTER_EXAMPLE,
}


def given_options(body: OptionFields) -> WebhookOptions:
    """Return the options that the body has; those that it leaves out are as usual."""
    return WebhookOptions(
        timeout_s=body.timeout_s,
        signature_scheme=body.signature_scheme or SignatureScheme.HMAC,
        **given_retries(body),
        **given_way_out(body),
        filter=body.filter,
        headers=given_headers(body),
    )


def names_of_given(body: OptionFields) -> tuple[str, ...]:
    """Return the attributes of the options that the body changes."""
    return tuple(name for name in WebhookOptions.__struct_fields__ if name in body.model_fields_set)


def shown_options(options: WebhookOptions) -> ShownOptions:
    """Return what is shown of them."""
    return ShownOptions(
        timeout_s=options.timeout_s,
        signature_scheme=options.signature_scheme,
        retry_schedule=options.retry_schedule,
        retry_jitter=options.retry_jitter,
        retry_after=options.retry_after,
        disable_on_gone=options.disable_on_gone,
        max_per_second=options.max_per_second,
        while_retrying=options.while_retrying,
        concurrency=options.concurrency,
        ip_version=options.ip_version,
        proxy=shown_proxy(options.proxy),
        **shown_certificates(options),
        filter=options.filter,
        headers=shown_headers(options.headers),
    )
