"""Changes of the core that the tests must find: `make mutants`. pytest does not collect them."""
