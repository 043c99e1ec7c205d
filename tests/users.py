"""Users for tests, made by the operator's command."""

import secrets
import shlex
import subprocess

import pytest

from clients import Stack, ValidatingClient


def create_user(stack: Stack) -> ValidatingClient:
    """Make a user; give a client with their password."""
    if "CREATE_USER" not in stack:
        pytest.skip("the stack does not say how to create a user (CREATE_USER)")
    username, password = f"user-{secrets.token_hex(4)}", secrets.token_urlsafe(12)
    command = stack["CREATE_USER"].replace("{username}", shlex.quote(username))
    subprocess.run(command, shell=True, input=password.encode(), check=True, capture_output=True, timeout=60)  # noqa: S602
    return ValidatingClient(stack["GATEWAY_URL"], (username, password))
