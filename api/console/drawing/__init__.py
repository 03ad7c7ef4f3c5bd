"""What pages draw: charts, time lines, excerpts of long text, moments, names as people read them."""
