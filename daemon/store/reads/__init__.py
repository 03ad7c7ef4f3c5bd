"""Every read, by who uses it: the API, the actors, the console, the gauges."""
