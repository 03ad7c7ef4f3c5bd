"""Upkeep: deleting old data, gauges, indexing, checkpoints, backups, key rotation, the state directory."""
