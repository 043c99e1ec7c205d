"""Benchmarks of imghost, measured side by side with its peers."""
