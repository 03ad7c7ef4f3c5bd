"""Building blocks for actors, independent of this product: supervision, replies, waits, fair queues, threads."""
