"""What the daemon reports about itself: the log, metrics, traces, the event loop's lag."""
