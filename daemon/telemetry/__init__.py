"""What the daemon says of itself: the log, metrics, traces, the event loop's lag."""
