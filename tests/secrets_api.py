"""What the API of Kubernetes does with Secrets, as far as auth asks, and kubelets that show them to pods as files."""

import base64
import datetime as dt
import ipaddress
import json
import shutil
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

TOKEN = "token-of-the-account"


@dataclass
class SecretsApi:
    """Secrets of the namespace `imghost`, each with a version; a write that names another version is refused.

    `account` is the folder of a service account that may read and write them.
    """

    account: Path
    url: str = ""
    secrets: dict[str, dict[str, Any]] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def add(self, name: str) -> None:
        """Make a Secret without data, as the manifests do."""
        self.secrets[name] = {"kind": "Secret", "metadata": {"name": name, "resourceVersion": "1"}}

    def pem(self, name: str) -> str | None:
        """Return the key of a Secret."""
        encoded = self.secrets[name].get("data", {}).get("key.pem")
        return None if encoded is None else base64.b64decode(encoded).decode()

    def touch(self, name: str) -> None:
        """Change something else of a Secret, as somebody else might at the same time."""
        with self._lock:
            self._count(self.secrets[name])

    def get(self, name: str) -> tuple[int, dict[str, Any]]:
        """Return the answer to a GET."""
        with self._lock:
            found = self.secrets.get(name)
            return (200, found) if found else (404, {"message": f'secrets "{name}" not found'})

    def put(self, name: str, sent: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Return the answer to a PUT."""
        with self._lock:
            if sent["metadata"]["resourceVersion"] != self.secrets[name]["metadata"]["resourceVersion"]:
                return 409, {"message": "the object has been modified"}
            self.secrets[name] = json.loads(json.dumps(sent))
            self._count(self.secrets[name])
            self.writes.append(name)
            return 200, self.secrets[name]

    @staticmethod
    def _count(secret: dict[str, Any]) -> None:
        secret["metadata"]["resourceVersion"] = str(int(secret["metadata"]["resourceVersion"]) + 1)


@contextmanager
def secrets_api(folder: Path) -> Iterator[SecretsApi]:
    """Serve Secrets by TLS at a port of this machine; the folder of the account is in `folder`."""
    account = folder / "account"
    account.mkdir()
    certificate(account / "ca.crt", folder / "server.pem")
    (account / "token").write_text(f"{TOKEN}\n")
    (account / "namespace").write_text("imghost")
    api = SecretsApi(account)

    class Handler(BaseHTTPRequestHandler):
        def _answer(self, method: str) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            folder, _, name = self.path.rpartition("/")
            if self.headers["Authorization"] != f"Bearer {TOKEN}":
                status, said = 401, {"message": "Unauthorized"}
            elif folder != "/api/v1/namespaces/imghost/secrets":
                status, said = 403, {"message": "forbidden"}
            else:
                status, said = api.get(name) if method == "GET" else api.put(name, json.loads(sent))
            body = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self._answer("GET")

        def do_PUT(self) -> None:
            self._answer("PUT")

        def log_message(self, *_: object) -> None:
            """Keep silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    api.url = f"https://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def certificate(authority: Path, server: Path) -> None:
    """Write the certificate of a new authority, and one of a server at 127.0.0.1 with its key.

    As in many clusters they have none of the extensions that RFC 5280 asks for, but which of them may sign.
    """
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("kubernetes", "kube-apiserver")]
    now = dt.datetime.now(dt.UTC)
    extensions = (
        x509.BasicConstraints(ca=True, path_length=None),
        x509.SubjectAlternativeName([x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))]),
    )
    made = [
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(names[0])
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(extension, critical=False)
        .sign(keys[0], hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
        for name, key, extension in zip(names, keys, extensions, strict=True)
    ]
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    authority.write_bytes(made[0])
    server.write_bytes(made[1] + keys[1].private_bytes(*form))


@contextmanager
def kubelets(api: SecretsApi, files: dict[Path, tuple[str, float]]) -> Iterator[None]:
    """Show Secrets as files: each file that of a name, looked at every so many seconds, and replaced as kubelets do."""
    over = Event()

    def look(file: Path, name: str, every_s: float) -> None:
        number = 0
        while not over.wait(every_s):
            pem = api.pem(name)
            if pem is not None and (not file.exists() or file.read_text() != pem):
                number += 1
                content = file.with_name(f"{file.name}-content-{number}")
                content.mkdir()
                (content / "key.pem").write_text(pem)
                link = file.with_name(f"{file.name}-link")
                link.symlink_to(content / "key.pem")
                link.replace(file)
                shutil.rmtree(file.with_name(f"{file.name}-content-{number - 1}"), ignore_errors=True)

    threads = [Thread(target=look, args=(file, *of)) for file, of in files.items()]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
