"""The HTTP edge of catalog, reached by the gateway only."""
