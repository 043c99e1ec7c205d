"""Makes the fixtures of the modules beside this file known to all tests."""

pytest_plugins = ["containers", "databases", "homes", "stacks"]
