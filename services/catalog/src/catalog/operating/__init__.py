"""The operator's commands of catalog, beside those that run the service: one module each."""
