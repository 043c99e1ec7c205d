"""Make the secrets of imghost on Kubernetes: passwords, addresses that contain them, and the keys of tokens.

Usage: trial_secrets.py [FOLDER]    k8s/overlays/trial/secrets by default, where its kustomization looks for them

The addresses are those of the trial. For production they are replaced: see k8s/overlays/production/README.md.

Run before anything is installed, so it uses the standard library only, and openssl for the keys. A folder that is there
stays as it is: the databases keep the passwords that they were made with.
"""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "k8s" / "overlays" / "trial" / "secrets"
S3_ACCOUNTS = {"catalog": "CATALOG_S3", "reconcile": "CATALOG_RECONCILE_S3", "imaging": "IMAGING_S3"}


def environments() -> Mapping[str, Mapping[str, str]]:
    """Return the variables of each secret, with new passwords of letters and digits: they become parts of URLs."""
    database = {service: secrets.token_hex(20) for service in ("auth", "catalog")}
    broker = secrets.token_hex(20)
    made = {
        "postgres": {
            "POSTGRES_PASSWORD": secrets.token_hex(20),
            **{f"{service.upper()}_DATABASE_PASSWORD": password for service, password in database.items()},
        },
        "rabbitmq": {"RABBITMQ_DEFAULT_PASS": broker},
        "auth-first-user": {"AUTH_FIRST_USERNAME": "demo", "AUTH_FIRST_PASSWORD": secrets.token_hex(10)},
        "s3-administrator": {"S3_ACCESS_KEY_ID": "administrator", "S3_SECRET_ACCESS_KEY": secrets.token_hex(20)},
    }
    for service, password in database.items():
        url = f"postgresql+psycopg://{service}:{password}@postgres:5432/{service}"
        made[f"{service}-database"] = {f"{service.upper()}_DATABASE_URL": url}
    for service in ("auth", "catalog", "imaging"):
        made[f"{service}-broker"] = {f"{service.upper()}_BROKER_URL": f"amqp://imghost:{broker}@rabbitmq:5672/%2F"}
    for account, prefix in S3_ACCOUNTS.items():
        secret = {f"{prefix}_ACCESS_KEY_ID": account, f"{prefix}_SECRET_ACCESS_KEY": secrets.token_hex(20)}
        made[prefix.lower().replace("_", "-")] = secret
    return made


def key_pair() -> tuple[str, str]:
    """Return the private and the public key of tokens, as PEM. Raise `OSError` or `CalledProcessError`."""

    def openssl(*words: str, text: str = "") -> str:
        command = ["openssl", *words]
        return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout

    private = openssl("genpkey", "-algorithm", "ed25519")
    return private, openssl("pkey", "-pubout", text=private)


def write(folder: Path) -> list[str]:
    """Write all secrets into `folder`, which must not exist, and which only its owner may read; return their names."""
    private, public = key_pair()
    files = {
        f"{name}.env": "".join(f"{variable}={value}\n" for variable, value in environment.items())
        for name, environment in environments().items()
    }
    files |= {"token-private-key.pem": private, "token-public-key.pem": public}
    # It appears whole or not at all.
    unfinished = Path(tempfile.mkdtemp(prefix=".secrets-", dir=folder.parent))
    try:
        for name, text in files.items():
            (unfinished / name).touch(mode=0o600)
            (unfinished / name).write_text(text)
        unfinished.rename(folder)
    except OSError:
        shutil.rmtree(unfinished)
        raise
    return sorted(files)


def main() -> None:
    """Write the folder, unless it is there already."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    shown = os.path.relpath(folder)
    if folder.exists():
        print(f"{shown} is there already; nothing was changed")
        return
    try:
        names = write(folder)
    except FileNotFoundError as fault:
        sys.exit(f"{fault.filename} is missing; on Debian or Ubuntu: apt install openssl")
    except OSError as fault:
        sys.exit(f"{shown}: {fault.strerror}")
    except subprocess.CalledProcessError as fault:
        sys.exit(f"openssl: {fault.stderr.strip()}")
    print(f"wrote {len(names)} secrets into {shown}, which git ignores")
    print("the user demo has the password in auth-first-user.env")


if __name__ == "__main__":
    main()
