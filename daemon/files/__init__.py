"""Files and descriptors that others may have touched: opened and written so that nothing is followed or lost."""
