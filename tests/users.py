"""Users for tests, created by the operator's commands."""

import secrets
import shlex
import subprocess

import pytest

from clients import Stack, ValidatingClient


def create_user(stack: Stack) -> ValidatingClient:
    """Create a user; return a client with their password."""
    username, password = f"user-{secrets.token_hex(4)}", secrets.token_urlsafe(12)
    auth(stack, "create-user", username, "--password-stdin", answer=password)
    return ValidatingClient(stack["GATEWAY_URL"], (username, password))


def delete_user(stack: Stack, username: str) -> None:
    """Delete a user."""
    auth(stack, "delete-user", username, "--yes")


def auth(stack: Stack, *words: str, answer: str = "") -> None:
    """Run a command of auth on the stack, with `answer` on its standard input."""
    if "AUTH_COMMAND" not in stack:
        pytest.skip("the stack does not say how to run commands of auth (AUTH_COMMAND)")
    command = [*shlex.split(stack["AUTH_COMMAND"]), *words]
    subprocess.run(command, input=answer.encode(), check=True, capture_output=True, timeout=60)
