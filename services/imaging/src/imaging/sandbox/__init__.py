"""The sandbox: pictures are decoded in child processes that hold no credentials and die of what they decode."""
