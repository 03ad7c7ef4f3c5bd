"""The receiver's side of the contract: a local receiver, its check of signatures, and the demo built on both."""
