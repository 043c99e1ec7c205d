"""S3 as servers really speak it: clients, conditional requests, checks for operators."""
