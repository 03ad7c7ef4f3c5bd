"""The HTTP edge of the daemon."""
