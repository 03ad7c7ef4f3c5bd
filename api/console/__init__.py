"""The web console under /console/: pages made on the server, which work without scripts and are livelier with them."""
