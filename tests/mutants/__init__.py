"""Defects put in on purpose, to see the tests catch them: `make mutants`."""
