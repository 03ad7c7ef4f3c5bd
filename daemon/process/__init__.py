"""The process itself: its signals, and the descriptors that it was started with."""
