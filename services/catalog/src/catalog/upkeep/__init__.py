"""Operators' tasks, each with its command in a module of its own: `x.py` is the task, `x_command.py` the command."""
