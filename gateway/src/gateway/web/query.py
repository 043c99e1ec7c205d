"""Query parameters: those that a route takes are passed on; a private route refuses all others, by name."""

from flask import Request

from chassis.web import bodies
from chassis.web.problems import FieldFault, InvalidFieldsError
from gateway.table import Route


def read(route: Route, request: Request, body: bytes | None) -> list[tuple[str, str]]:
    """Return the query parameters of `request` that `route` takes, as (name, value).

    Raise `InvalidFieldsError`, which names every other parameter, unless the route is public: links to what is public
    are passed around, and trackers add parameters to them. Faults of the `body` come first in the order of checks, and
    are raised first: `MalformedBodyError`, `UnsupportedMediaTypeError`.
    """
    taken = route.query_of(request.method)
    unknown = [name for name in request.args if name not in taken]
    if unknown and not route.public:
        if body is not None:
            bodies.parse(request, body)
        detail = f"There is no such parameter here; there are: {', '.join(taken)}." if taken else "Takes no parameters."
        raise InvalidFieldsError(
            [FieldFault(parameter=name, code="unknown-parameter", detail=detail) for name in unknown]
        )
    return [(name, value) for name in taken for value in request.args.getlist(name)]
