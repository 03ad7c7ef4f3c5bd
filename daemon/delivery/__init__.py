"""The way of an event: accepted, matched, queued, sent, retried, recorded."""
