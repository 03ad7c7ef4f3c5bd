"""The durable state: the only room with SQL."""
