"""The OpenAPI document: what the routes say of themselves, as one file."""
