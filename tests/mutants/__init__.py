"""Defects that are put in on purpose, to see whether the tests catch them: `make mutants`."""
