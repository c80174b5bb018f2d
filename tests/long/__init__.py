"""Tests that take minutes: `make test-long` and `make soak`. pytest does not collect them."""
