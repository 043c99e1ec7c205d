"""The HTTP edge of auth, reached by the gateway only."""
