"""Lay out the pages of the documentation site: the Markdown of the repository, and the API document as Markdown.

`docs_site.py FOLDER` writes them into FOLDER, whose former content is deleted. README.md is taken apart by its
headings, since it is for clients and operators alike. A link to a file that is no page, such as one of the code,
becomes its text.
"""

import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from markdown.extensions.toc import slugify

from gateway.web.docs import document
from gateway.web.problem_pages import problems

ROOT = Path(__file__).resolve().parents[1]
README = "README.md"
# Which pages have the sections of README.md; the others are the first page.
SECTIONS = {
    "Use it": "site/clients.md",
    "For operators": "site/operators.md",
    "Settings": "site/settings.md",
}
PICTURES = (".svg", ".png")
_FENCE = re.compile(r"^ *(```|~~~)")
_HEADING = re.compile(r"^(#{1,4}) (.+)$")
_LINK = re.compile(r"(!?)\[((?:[^][]|\[[^][]*\])*)\]\(([^() ]+)\)")


def sources() -> list[str]:
    """Return the paths of all Markdown files, and of the pictures of `docs`, that belong to the repository."""
    found = []
    for folder, folders, files in os.walk(ROOT):
        # What is hidden, and what npm installs, is not ours; git might not be here to tell.
        folders[:] = [name for name in folders if not name.startswith(".") and name != "node_modules"]
        found += [str((Path(folder) / name).relative_to(ROOT)) for name in files]
    kept = (path for path in found if path.endswith((".md", *PICTURES)))
    return sorted(path for path in kept if path.endswith(".md") or path.startswith("docs/"))


def lines_outside_code(text: str) -> Iterator[tuple[str, bool]]:
    """Yield each line of `text`, and whether it is outside of blocks of code."""
    is_code = False
    for line in text.split("\n"):
        is_fence = _FENCE.match(line) is not None
        yield line, not is_code and not is_fence
        is_code ^= is_fence


def split_readme(text: str) -> dict[str, str]:
    """Return the pages that README.md is taken apart into, by their paths. A section's heading becomes its page's."""
    pages: dict[str, list[str]] = {README: [], **{page: [] for page in SECTIONS.values()}}
    page, depth = README, 0
    for line, is_text in lines_outside_code(text):
        heading = _HEADING.match(line) if is_text else None
        if heading and heading[1] == "##":
            page, depth = SECTIONS.get(heading[2], README), 1 if heading[2] in SECTIONS else 0
        pages[page].append(line[depth:] if heading else line)
    return {name: "\n".join(lines) for name, lines in pages.items()}


def anchors(pages: Mapping[str, str]) -> dict[str, str]:
    """Return on which of `pages` each heading is, by its anchor."""
    return {
        slugify(heading[2], "-"): name
        for name, text in pages.items()
        for line, is_text in lines_outside_code(text)
        if is_text and (heading := _HEADING.match(line))
    }


def relink(text: str, source: str, page: str, target_of: Callable[[str, str], str | None]) -> str:
    """Return `text` of the file `source` with its links as they are on `page`."""

    def link(match: re.Match[str]) -> str:
        mark, label, address = match.groups()
        if re.match(r"[a-z]+:", address):
            return match[0]
        path, _, anchor = address.partition("#")
        named = os.path.normpath(os.path.join(os.path.dirname(source), path)) if path else source  # noqa: PTH118, PTH120
        target = target_of(named, anchor)
        if target is None:
            return f"`{label}`" if "/" in label and "`" not in label else label
        relative = os.path.relpath(target, os.path.dirname(page) or ".")  # noqa: PTH120
        return f"{mark}[{label}]({relative}{f'#{anchor}' if anchor else ''})"

    return "\n".join(_LINK.sub(link, line) if is_text else line for line, is_text in lines_outside_code(text))


def lay_out(folder: Path) -> None:
    """Write all pages into `folder`."""
    shutil.rmtree(folder, ignore_errors=True)
    found = sources()
    parts = split_readme((ROOT / README).read_text(encoding="utf-8"))
    of_readme = anchors(parts)

    def target_of(named: str, anchor: str) -> str | None:
        named = f"{named}/{README}" if f"{named}/{README}" in found else named
        if named == README and anchor in of_readme:
            return of_readme[anchor]
        return named if named in found else None

    texts = {path: (path, (ROOT / path).read_text(encoding="utf-8")) for path in found if path.endswith(".md")}
    texts |= {page: (README, text) for page, text in parts.items()}
    for page, (source, text) in texts.items():
        write(folder / page, relink(text, source, page, target_of))
    for path in found:
        if path.endswith(PICTURES):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / path, folder / path)
    described = document()
    write(folder / "site/api.md", api_page(described))
    write(folder / "site/problems.md", problems_page(described))


def write(file: Path, text: str) -> None:
    """Write `text` into `file`, whose folder is made if it is missing."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


# --- the API ---


def api_page(described: Mapping[str, Any]) -> str:
    """Return the page of all operations; those with HEAD and OPTIONS are like others, and left out."""
    operations = [
        (f"{method.upper()} {path}", operation)
        for path, item in described["paths"].items()
        for method, operation in item.items()
        if method not in {"head", "options"}
    ]
    lines = ["# The API", "", "As an installation shows it at `/api/docs`.", "", described["info"]["description"], ""]
    for tag in described["tags"]:
        own = [(name, operation) for name, operation in operations if tag["name"] in operation["tags"]]
        if own:
            lines += [f"## {tag['name']}", "", tag["description"], ""]
        for name, operation in own:
            lines += [f"### `{name}`", "", f"**{operation['summary']}.** {_who(operation)}", ""]
            lines += [operation.get("description", ""), "", *_parameters(described, operation), ""]
            lines += [*_answers(described, operation), ""]
    return "\n".join(lines)


def _who(operation: Mapping[str, Any]) -> str:
    if operation.get("security") == []:
        return "For everybody."
    scopes = sorted({scope for each in operation.get("security", []) for names in each.values() for scope in names})
    return (
        f"API keys need the scope {' or '.join(f'`{scope}`' for scope in scopes)}." if scopes else "With credentials."
    )


def _resolved(described: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    for part in node["$ref"].removeprefix("#/").split("/") if "$ref" in node else ():
        described = described[part]
    return described if "$ref" in node else node


def _parameters(described: Mapping[str, Any], operation: Mapping[str, Any]) -> list[str]:
    found = [_resolved(described, each) for each in operation["parameters"]]
    rows = [f"| `{each['name']}` | {each['in']} | {_cell(each.get('description', ''))} |" for each in found]
    return ["| Parameter | In | |", "| --- | --- | --- |", *rows] if rows else []


def _answers(described: Mapping[str, Any], operation: Mapping[str, Any]) -> list[str]:
    rows = []
    for status, reference in operation["responses"].items():
        response = _resolved(described, reference)
        codes = ", ".join(f"[`{code}`](problems.md#{code})" for code in _codes(response))
        rows.append(f"| {status} | {_cell(response['description'])} {codes} |")
    return ["| Status | |", "| --- | --- |", *rows]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _codes(response: Mapping[str, Any]) -> list[str]:
    media = response.get("content", {}).get("application/problem+json")
    return _named(media["schema"], "code") if media else []


def _named(schema: Mapping[str, Any], name: str) -> list[Any]:
    """Return the values that the member `name` of a problem may have."""
    member = schema["properties"][name]
    return list(member.get("enum", [member.get("const")]))


def problems_page(described: Mapping[str, Any]) -> str:
    """Return the page of all codes of problems: what an installation shows of each, and an example."""
    responses = described["components"]["responses"].values()
    media = [response.get("content", {}).get("application/problem+json", {}) for response in responses]
    examples = {each["example"]["code"]: each["example"] for each in reversed(media) if "example" in each}
    text = (
        "Every error is a problem document (RFC 9457). Build on its `code`; `title` and `detail` may change. Its "
        "`type` is the address of a page of the installation, which says the same as this one."
    )
    lines = ["# Problem codes", "", text, ""]
    for code, problem in problems().items():
        lines += [f"## {code}", "", f"**{problem.title}.** Status {problem.status}.", "", problem.means, ""]
        lines += [f"*What to do:* {problem.do}", ""]
        if (example := examples.get(code)) is not None:
            lines += ["```json", json.dumps(example, indent=2, ensure_ascii=False), "```", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    lay_out(Path(sys.argv[1]))
