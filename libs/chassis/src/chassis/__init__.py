"""Mechanics that several imghost deployables need; it knows no noun of theirs."""
