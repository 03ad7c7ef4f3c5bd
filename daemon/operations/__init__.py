"""Operational events: what operational webhooks are told of webhooks and credits."""
