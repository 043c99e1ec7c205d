"""The connections of clients: who gets one, how long they may be silent, and requests that cannot be read."""
