"""The sandbox: pictures are decoded in child processes, which hold no credentials and may crash."""
