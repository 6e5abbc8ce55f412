"""The same commit gives the same bytes in the images that runners use: Debian's last two releases, by mmdebstrap."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import uv
from release_world import Repository
from test_build import build

PYTHONS = {"bookworm": "3.11", "trixie": "3.13"}
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mmdebstrap"), reason="needs root and mmdebstrap")
@pytest.mark.parametrize("release", PYTHONS)
def test_same_bytes_in_an_image(history: Repository, tmp_path: Path, release: str) -> None:
    """Each with its own Python, git and zlib; what builds the package is downloaded there, with its hashes."""
    history.write("handler_base/data.txt", "a line of text\n" * 10_000)
    history.commit("feat: a")
    here, _ = build(history, until="build")
    root = tmp_path / "root"
    packages = "--include=python3,git,ca-certificates"
    subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", packages, release, root], check=True)
    shutil.copy(uv.find_uv_bin(), root / "usr/local/bin/uv")
    for name in ("/etc/resolv.conf", "/etc/hosts", CERTIFICATES):  # the machine's way to the index
        if Path(name).exists():
            shutil.copy(name, root / name.removeprefix("/"))
    shutil.copytree(history.path, root / "job")
    env = {name: value for name, value in history.environment.items() if name.lower().endswith(("proxy", "_index"))}
    env |= {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/tmp", "SSL_CERT_FILE": CERTIFICATES, "LC_ALL": "C"}
    env |= {"UV_PYTHON_DOWNLOADS": "never", "GIT_CONFIG_COUNT": "1"}
    env |= {"GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*", "RUNNER_TEMP": "/tmp"}
    script = "cd /job && python3 --version && python3 .gitea/dist.py build"
    chroot = shutil.which("chroot") or "chroot"
    done = subprocess.run([chroot, root, "sh", "-c", script], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"Python {PYTHONS[release]}.")
    for name, data in here.items():
        assert f"built {name}, sha256 {hashlib.sha256(data).hexdigest()}" in done.stdout
