"""What catalog needs of the world outside: its database, and S3 to sign uploads."""
