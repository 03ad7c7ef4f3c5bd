"""The durable state: the only package with SQL."""
