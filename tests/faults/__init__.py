"""Fault tests: under load something is killed, cut off or filled up, and afterwards nothing is lost."""
