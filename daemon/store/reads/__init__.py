"""Every read, by who asks: the API, the actors, the console, the gauges."""
