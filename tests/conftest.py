"""Makes the fixtures of the modules beside this file known to all tests."""

pytest_plugins = ["catalog_steps", "containers", "databases", "homes", "poolers", "s3", "stacks", "web_stack"]
