"""The routes of the HTTP API: what each takes, does and answers (contract "HTTP API")."""
