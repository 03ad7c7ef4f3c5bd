"""The way out: address rules, resolution, TLS and the transport that carries the deliveries."""
