"""Gunicorn's configuration, as workers ask for it at each request."""

from typing import Any


class RememberedConfiguration:
    """Gunicorn's configuration, each value looked up once: gunicorn asks for some thirty of them at each request."""

    def __init__(self, configuration: Any) -> None:
        self._configuration = configuration

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._configuration, name)
        setattr(self, name, value)
        return value
