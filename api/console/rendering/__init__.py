"""Rendering of pages: templates, style sheet, charts, timelines, excerpts, times and names for people."""
