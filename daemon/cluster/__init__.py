"""Nodes that share a database: who is one, who delivers for which webhook, what they tell each other."""
