"""The language of webhooks' filters: conditions on an event, checked when they are set and bounded when they run."""
