"""What imaging needs of the world outside: S3."""
