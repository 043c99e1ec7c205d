"""Access: which scopes each operation of a service needs. An operation that is not declared keeps the service down."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flask import Flask, g, request

from chassis import audit, tokens
from chassis.audit import Actor
from chassis.errors import InsufficientScopeError
from chassis.tokens import Keys, Principal


@dataclass(frozen=True)
class Rule:
    """What an operation needs: a token of a caller with one of `scopes`, of which the narrowest is the first.

    A caller without such a scope is admitted, too, if `exempts` returns True.
    """

    scopes: tuple[str, ...]
    exempts: Callable[[Principal], bool] = lambda _: False


# The address of the client, as the gateway tells it.
SOURCE_HEADER = "X-Source"
# What needs no token, since anybody may do it, or since the gateway asks before there is a token.
OPEN = None
Rules = Mapping[str, Rule | None]

_HEALTH: Rules = {"GET /healthz": OPEN, "GET /readyz": OPEN}


def guard(app: Flask, rules: Rules, keys: Keys, audience: str) -> None:
    """Have `app`, whose routes are complete, admit to each operation only whom its rule lets.

    `rules` has an entry for each operation, named as `GET /images`, and tokens are signed with one of `keys`. Raise
    `ValueError` if a rule is missing or left over.
    """
    rules = {**rules, **_HEALTH}
    operations = {
        f"{method} {route.rule}" for route in app.url_map.iter_rules() for method in (route.methods or set()) - {"HEAD"}
    }
    if operations != set(rules):
        raise ValueError(f"operations without a rule, or rules without one: {sorted(operations ^ set(rules))}")

    @app.before_request
    def admit() -> None:
        if request.url_rule is None:
            return  # 404 or 405
        method = "GET" if request.method == "HEAD" else request.method
        rule = rules[f"{method} {request.url_rule.rule}"]
        if rule is None:
            return
        g.caller = tokens.verify(keys, audience, request.headers.get("Authorization"))
        if not g.caller.has_any(rule.scopes) and not rule.exempts(g.caller):
            fault = InsufficientScopeError(rule.scopes)
            audit.refused("request", actor(), fault.code, operation=f"{method} {request.url_rule.rule}")
            raise fault


def caller() -> Principal:
    """Return who sent the current request, to an operation that needs a token."""
    found: Principal = g.caller
    return found


def actor() -> Actor:
    """Return who sent the current request, for the audit log."""
    who = caller()
    return Actor("user", who.user_id, who.username, who.key_id, request.headers.get(SOURCE_HEADER))
