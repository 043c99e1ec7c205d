"""Users, passwords and API keys of imghost."""
