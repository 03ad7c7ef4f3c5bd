"""The web console under /console/: pages rendered on the server; they work without scripts, and are live with them."""
