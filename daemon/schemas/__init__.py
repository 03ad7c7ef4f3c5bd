"""Validates what is submitted against JSON Schemas, in a process of its own."""
