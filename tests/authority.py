"""A certificate authority as a homelab has one, which only those trust that were told of it."""

import shutil
import ssl
import subprocess
from functools import cached_property
from pathlib import Path

STORE = Path("/etc/ssl")
BUNDLE = "certs/ca-certificates.crt"


class Authority:
    """An authority, and one certificate of it for loopback."""

    def __init__(self, folder: Path) -> None:
        """Make both in a new folder."""
        self.folder = folder
        folder.mkdir()
        new = "req -x509 -newkey rsa:2048 -nodes -days 2 -keyout ca.key -out ca.pem -subj /CN=Homelab"
        self.openssl(*new.split(), "-addext", "keyUsage=critical,keyCertSign")
        self.openssl(*"req -newkey rsa:2048 -nodes -keyout key.pem -out ask.pem -subj /CN=gitea".split())
        (folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\nauthorityKeyIdentifier=keyid\n")
        sign = "x509 -req -in ask.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out cert.pem"
        self.openssl(*sign.split())
        self.certificate = folder / "ca.pem"
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        self.client = ssl.create_default_context(cafile=str(self.certificate))

    def openssl(self, *words: str) -> None:
        """Run openssl in the folder."""
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)

    @cached_property
    def store(self) -> Path:
        """Returns a copy of this machine's store that trusts it, as update-ca-certificates leaves one.

        That is a bundle, and a link by the certificate's hash for what reads the folder. A job may be any user.
        """
        store = self.folder / "ssl"
        shutil.copytree(STORE, store, symlinks=True, ignore=shutil.ignore_patterns("private"))
        with (store / BUNDLE).open("a") as bundle:
            bundle.write(self.certificate.read_text())
        shutil.copy(self.certificate, store / "certs/homelab.pem")
        self.openssl("rehash", str(store / "certs"))
        for path in (store, store / "certs", store / BUNDLE):
            path.chmod(0o755 if path.is_dir() else 0o644)
        return store

    @property
    def settings(self) -> dict[str, object]:
        """Returns what Gitea needs to serve with the certificate."""
        return {"CERT_FILE": self.folder / "cert.pem", "KEY_FILE": self.folder / "key.pem"}

    @property
    def trusted(self) -> dict[str, str]:
        """Returns what makes programs of this machine trust it: git, Gitea's runner, uv, and Copier's own git."""
        return dict.fromkeys(("SSL_CERT_FILE", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS"), str(self.store / BUNDLE))
