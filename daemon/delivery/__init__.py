"""What happens to an event: accepted, matched, queued, sent, retried, recorded."""
