"""Secrets: signing, sealing, the keys that do both, and API keys."""
