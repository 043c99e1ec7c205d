"""What auth needs of the world outside: its database."""
