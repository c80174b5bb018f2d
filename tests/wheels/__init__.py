"""Checks of self-contained wheels, in bare systems and beside other libraries: `make test-wheels`."""
