"""What actors are made of, and nothing of this product: supervision, answers, waits, turns, threads."""
