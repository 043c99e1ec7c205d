"""Faults of ha.yml: one of three brokers, or one of two databases, is lost under load, and more than one."""
