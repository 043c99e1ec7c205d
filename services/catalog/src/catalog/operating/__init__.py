"""The operator's commands of catalog, a module for each topic."""
