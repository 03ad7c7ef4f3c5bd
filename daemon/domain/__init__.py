"""The words and the rules of the product, with no input or output: retries, disabling, events, time."""
