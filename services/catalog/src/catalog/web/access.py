"""Who may call the operations of catalog: the scopes that each of them needs."""

from chassis.web.access import OPEN, Rule, Rules

_READ, _WRITE, _UPLOAD = Rule(("read",)), Rule(("write",)), Rule(("upload",))
# What was uploaded is registered with the same key.
_REGISTER = Rule(("upload", "write"))

RULES: Rules = {
    "GET /public/image": OPEN,
    "POST /public/images": OPEN,
    "GET /public/collection": OPEN,
    "GET /use": _READ,
    "GET /images": _READ,
    "POST /images": _REGISTER,
    "GET /stats": _READ,
    "GET /image": _READ,
    "PUT /image": _WRITE,
    "DELETE /image": _WRITE,
    "GET /collections": _READ,
    "POST /collections": _WRITE,
    "GET /collection": _READ,
    "PUT /collection": _WRITE,
    "DELETE /collection": _WRITE,
    "GET /collection/images": _READ,
    "GET /collection/image": _READ,
    "PUT /collection/image": _WRITE,
    "DELETE /collection/image": _WRITE,
    "GET /signed-post": _UPLOAD,
    "GET /signed-post-sample": _UPLOAD,
}
