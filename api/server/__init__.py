"""The HTTP server: sockets, connections, the first lines of a request."""
