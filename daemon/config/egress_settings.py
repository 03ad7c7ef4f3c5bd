"""The settings of the way out."""

from typing import Self

from pydantic import field_validator, model_validator

from daemon.config.fields import NameServerAddress, Network, OptionalPath, Section


class EgressSettings(Section):
    """`[egress]`: which receivers may be reached and how, who knows their addresses, and whom to trust for TLS."""

    allow_http: bool = False
    allow_networks: tuple[Network, ...] = ()
    nameservers: tuple[NameServerAddress, ...] = ()
    ca_file: OptionalPath = None
    proxy: str = ""
    proxy_password_file: OptionalPath = None
    proxy_resolves: bool = False
    webhook_proxies: bool = False

    @field_validator("proxy")
    @classmethod
    def _is_a_proxy(cls, value: str) -> str:
        if value:
            from daemon.egress.proxy import parse_proxy

            parse_proxy(value)
        return value

    @model_validator(mode="after")
    def _has_a_proxy(self) -> Self:
        if not self.proxy and (self.proxy_password_file or self.proxy_resolves):
            raise ValueError("expected proxy, too: proxy_password_file and proxy_resolves belong to it")
        return self

    @property
    def lets_webhooks_have_proxies(self) -> bool:
        """Whether a webhook may have a proxy of its own: it is reached past the one of the settings."""
        return self.webhook_proxies or not self.proxy
