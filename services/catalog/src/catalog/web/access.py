"""Who may call the operations of catalog: the scopes that each of them needs."""

from chassis.web.access import OPEN, Rule, Rules

_READ, WRITE, _UPLOAD = Rule(("read",)), Rule(("write",)), Rule(("upload",))
# What was uploaded is registered with the same key.
REGISTER = Rule(("upload", "write"))

RULES: Rules = {
    "GET /public/image": OPEN,
    "POST /public/images": OPEN,
    "GET /public/collection": OPEN,
    "GET /public/collection/image": OPEN,
    "GET /public/collection/newest": OPEN,
    "GET /use": _READ,
    "GET /images": _READ,
    "POST /images": REGISTER,
    # Each operation in it takes the scope that it takes by itself.
    "POST /batch": REGISTER,
    "GET /stats": _READ,
    "GET /image": _READ,
    "PUT /image": WRITE,
    "DELETE /image": WRITE,
    "GET /collections": _READ,
    "POST /collections": WRITE,
    "GET /collection": _READ,
    "PUT /collection": WRITE,
    "DELETE /collection": WRITE,
    "GET /collection/images": _READ,
    "POST /collection/images": WRITE,
    "GET /collection/image": _READ,
    "PUT /collection/image": WRITE,
    "DELETE /collection/image": WRITE,
    "GET /signed-post": _UPLOAD,
    "GET /signed-post-sample": _UPLOAD,
    "POST /signed-put": _UPLOAD,
    "GET /upload": _UPLOAD,
    "POST /upload": _UPLOAD,
}
