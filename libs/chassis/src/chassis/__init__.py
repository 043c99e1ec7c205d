"""Mechanics that all services of imghost share; nothing here is about images or users."""
