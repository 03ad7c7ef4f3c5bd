"""How much one may send, and how often: sizes of bodies and pages, rates, what is read at once."""
