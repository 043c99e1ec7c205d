"""Who may call the operations of catalog: the scopes that each of them needs."""

from chassis.web.access import OPEN, Rule, Rules

READ, WRITE, _UPLOAD = Rule(("read",)), Rule(("write",)), Rule(("upload",))
# What was uploaded is registered with the same key.
REGISTER = Rule(("upload", "write"))

RULES: Rules = {
    "GET /public/image": OPEN,
    "POST /public/images": OPEN,
    # Each caller in it shows a token.
    "POST /own-images": OPEN,
    "GET /public/collection": OPEN,
    "GET /public/collection/image": OPEN,
    "GET /public/collection/newest": OPEN,
    "GET /use": READ,
    "GET /images": READ,
    "POST /images": REGISTER,
    # Each operation in it takes the scope that it takes by itself.
    "POST /batch": REGISTER,
    "GET /stats": READ,
    "GET /image": READ,
    "PUT /image": WRITE,
    "DELETE /image": WRITE,
    "GET /collections": READ,
    "POST /collections": WRITE,
    "GET /collection": READ,
    "PUT /collection": WRITE,
    "DELETE /collection": WRITE,
    "GET /collection/images": READ,
    "POST /collection/images": WRITE,
    "GET /collection/image": READ,
    "PUT /collection/image": WRITE,
    "DELETE /collection/image": WRITE,
    "GET /signed-post": _UPLOAD,
    "GET /signed-post-sample": _UPLOAD,
    "POST /signed-put": _UPLOAD,
    "GET /upload": _UPLOAD,
    "POST /upload": _UPLOAD,
}
