"""What pages draw: templates, style sheet, charts, time lines, excerpts, moments, names as people read them."""
