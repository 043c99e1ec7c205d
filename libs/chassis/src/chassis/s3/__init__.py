"""S3: clients, conditional requests, checks for operators."""
