"""Outgoing HTTP: URL and address rules, name resolution, TLS, and the transport of the deliveries."""
