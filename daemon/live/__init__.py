"""Live listeners: the deliveries of their webhooks go to streams of the API instead of to receivers."""
