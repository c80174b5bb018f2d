"""Checks of self-contained wheels, in bare systems and beside others: `make test-wheels`."""
