"""The pages of problems, made of `problems.yaml` at start: the `type` of a problem is the address of one of them.

They are for people, run no script, and name each other by relative addresses, so that they work below every prefix.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml
from flask import Blueprint, Response, abort
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from gateway.web.static_answers import StaticAnswer

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True)
class Problem:
    """One kind of problem: its status, and for people a title, what it `means`, and what to `do`."""

    status: int
    title: str
    means: str
    do: str


@cache
def problems() -> dict[str, Problem]:
    """Return all problems of `problems.yaml` by their codes."""
    text = files("gateway").joinpath("problems.yaml").read_text(encoding="utf-8")
    return {code: Problem(**members) for code, members in yaml.safe_load(text).items()}


def problem_pages(max_age_s: int) -> Blueprint:
    """Return the routes of the page of each problem and of their list, which caches keep for `max_age_s` seconds."""
    routes = Blueprint("problems", __name__)
    headers = {"Cache-Control": f"public, max-age={max_age_s}", "Content-Security-Policy": POLICY}
    loader = PackageLoader("gateway", "page")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["words"] = _words

    def page(template: str, **values: object) -> StaticAnswer:
        """Render a page; `api` is where the addresses below `/api/` begin, relative to it."""
        text = environment.get_template(template).render(**values)
        return StaticAnswer(text.encode(), "text/html; charset=utf-8", headers)

    all_of_them = page("problems.html", api="", problems=problems())
    pages = {code: page("problem.html", api="../", code=code, problem=each) for code, each in problems().items()}

    @routes.get("/api/problems", provide_automatic_options=False)
    def list_problems() -> Response:
        return all_of_them.present()

    @routes.get("/api/problems/<code>", provide_automatic_options=False)
    def show_problem(code: str) -> Response:
        return pages[code].present() if code in pages else abort(404)

    return routes


def _words(text: str) -> Markup:
    """Return `text` as HTML, in which what is in backticks is code."""
    code = Markup("<code>{}</code>")
    parts = enumerate(text.split("`"))
    return Markup("").join(code.format(part) if number % 2 else escape(part) for number, part in parts)
