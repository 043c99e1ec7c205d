"""Access: which scopes each operation of a service needs. An operation that is not declared keeps the service down."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

from flask import Flask, Response, current_app, g, request

from chassis import repeated_refusals, tokens
from chassis.audit import Actor
from chassis.errors import ClocksApartError, InsufficientScopeError, TokenRefusedError
from chassis.tokens import Keys, Principal
from chassis.web.metrics import CLOCKS_APART
from chassis.web.observation import SOURCE_HEADER, note_caller


@dataclass(frozen=True)
class Rule:
    """What an operation needs: a token of a caller with one of `scopes`, of which the narrowest is the first.

    A caller without such a scope is admitted, too, if `exempts` returns True.
    """

    scopes: tuple[str, ...]
    exempts: Callable[[Principal], bool] = lambda _: False


# What needs no token, since anybody may do it, or since the gateway asks before there is a token.
OPEN = None
Rules = Mapping[str, Rule | None]

# Where the application has what verifies tokens.
_TOKENS = "imghost.tokens"
_HEALTH: Rules = {"GET /healthz": OPEN, "GET /readyz": OPEN}


def guard(app: Flask, rules: Rules, keys: Keys, audience: str, own_lines: Collection[str] = ()) -> None:
    """Have `app`, whose routes are complete, admit to each operation only whom its rule lets.

    `rules` has an entry for each operation, named as `GET /images`, and tokens are signed with one of `keys`. Raise
    `ValueError` if a rule is missing or left over. Every 403 to a caller is told by the audit log, by a count if it
    comes again and again, but for the codes `own_lines`, of which the views write lines of their own.
    """
    app.extensions[_TOKENS] = partial(tokens.verify, keys, audience)
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
        try:
            g.caller = _verify(request.headers.get("Authorization"))
        except ClocksApartError:
            CLOCKS_APART.inc()
            raise
        note_caller(g.caller.user_id, g.caller.key_id)
        require(rule)

    @app.after_request
    def tell_refusal(answer: Response) -> Response:
        if answer.status_code == HTTPStatus.FORBIDDEN and "caller" in g and request.url_rule is not None:
            code = answer.get_json()["code"]
            if code not in own_lines:
                note_refusal(f"{request.method} {request.url_rule.rule}", code)
        return answer


def admitted(authorization: str, rule: Rule) -> Principal | None:
    """Return whom a token lets in to what `rule` is about, None if it lets in nobody.

    For operations that answer about requests of several callers: each of these shows a token.
    """
    try:
        principal = _verify(authorization)
    except (TokenRefusedError, ClocksApartError):
        return None
    return principal if principal.has_any(rule.scopes) else None


def _verify(authorization: str | None) -> Principal:
    verify: Callable[[str | None], Principal] = current_app.extensions[_TOKENS]
    return verify(authorization)


def require(rule: Rule) -> None:
    """Raise `InsufficientScopeError` unless the caller may do what `rule` is about."""
    if not caller().has_any(rule.scopes) and not rule.exempts(caller()):
        raise InsufficientScopeError(rule.scopes)


def note_refusal(operation: str, code: str) -> None:
    """Have the audit log tell that the caller was refused `operation`, named as in the rules."""
    repeated_refusals.refused("request", actor(), code, operation=operation, **g.get("about", {}))


def about(**target: str) -> None:
    """Have the audit log name what the current request is about, if it is refused."""
    g.about = target


def caller() -> Principal:
    """Return who sent the current request, to an operation that needs a token."""
    found: Principal = g.caller
    return found


def actor() -> Actor:
    """Return who sent the current request, for the audit log."""
    who = caller()
    return Actor("user", who.user_id, who.username, who.key_id, request.headers.get(SOURCE_HEADER))
