"""A Docker engine for the jobs, and the images that they run in, made of this machine's own /usr."""

import io
import os
import secrets
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterable
from pathlib import Path

import httpx
import uv

from .daemon import HERE, Daemon, Red, wait_for

DEFAULT_HOST = "unix:///var/run/docker.sock"
TOOLS = ("bash", "curl", "git", "node", "python3")
# What a job sees of this machine, read-only.
CERTIFICATES = ("/etc/ssl", "/etc/pki")
SHOWN = ("/usr", "/etc/alternatives", *CERTIFICATES)
PATH = "/opt/ci:/usr/bin:/usr/sbin"
# Debian's own images: what of a release a job needs, and how to have a Python that the template asks for.
PACKAGES = "bash,ca-certificates,curl,git"
NEWER_PYTHON = (
    'grep -h bullseye "$1/etc/apt/sources.list" | sed s/bullseye/bookworm/ > "$1/etc/apt/sources.list.d/newer.list"',
    'chroot "$1" apt-get --quiet update',
    'chroot "$1" apt-get --quiet --yes --no-install-recommends install --target-release bookworm python3.11-venv',
)
DEBIAN = {"bullseye": NEWER_PYTHON, "trixie": ('chroot "$1" apt-get --quiet --yes install python3',)}
# The engine's state is in memory and, as all its mounts are, in a mount namespace of its own: it is gone with the last
# process, however that ends. It is where a shim of containerd puts its sockets in any case.
START = """
mkdir -p /run/containerd && mount -t tmpfs engine /run/containerd && cd /run/containerd || exit
exec dockerd --host "unix://$1" --data-root "$PWD/data" --exec-root "$PWD/run" --pidfile "$PWD/pid" \
  --cgroup-parent "/$2" --exec-opt native.cgroupdriver=cgroupfs --storage-driver=overlay2 \
  --bridge=none --iptables=false --ip6tables=false
"""


def client(host: str) -> httpx.Client:
    """Returns a client of the engine at this address."""
    transport = httpx.HTTPTransport(uds=host.removeprefix("unix://"))
    return httpx.Client(transport=transport, base_url="http://engine", timeout=60)


def answers(host: str) -> bool:
    """Returns whether an engine listens at this address."""
    try:
        return client(host).get("/_ping").is_success
    except (httpx.HTTPError, OSError):
        return False


def startable() -> bool:
    """Returns whether an engine of the tests' own can be started: it needs dockerd, and root."""
    return os.geteuid() == 0 and bool(shutil.which("dockerd") and shutil.which("unshare"))


def available() -> bool:
    """Returns whether jobs can run in containers here."""
    return startable() or answers(os.environ.get("DOCKER_HOST", DEFAULT_HOST))


class Engine:
    """A Docker engine with two images of this machine's programs: a job is root in one and another user in the other.

    Images of Debian's own programs are made when a test asks for them.
    """

    def __init__(self, folder: Path) -> None:
        """Start an engine in the folder, or take the one that answers, and make the images."""
        self.name = f"live-{secrets.token_hex(4)}"
        self.root, self.user = f"{self.name}:root", f"{self.name}:user"
        # Jobs may write here, and the tests see what they wrote.
        self.shared = folder / "shared"
        self.shared.mkdir(parents=True)
        self.shared.chmod(0o1777)
        self.folder = folder
        for tool in TOOLS:
            if not Path("/usr/bin", tool).exists():
                raise Red(f"the image is made of /usr, and /usr/bin/{tool} is not there: install it, or --runner host")
        log = folder / "engine.log"
        if startable():
            socket = f"/run/{self.name}.sock"  # in the folder its name could be too long
            self.host = f"unix://{socket}"
            words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", START, "sh"]
            last = [sys.executable, str(HERE / "sweep.py"), "engine", self.name]
            self.daemon = Daemon([*words, socket, self.name], log, folder, os.environ, last)
        else:
            self.host = os.environ.get("DOCKER_HOST", DEFAULT_HOST)
            self.daemon = Daemon(["sleep", "infinity"], log, folder, os.environ, self.sweep(f"live={self.name}"))
        try:
            wait_for("the Docker engine to answer", lambda: answers(self.host), pause=0.1)
            self.http = client(self.host)
            # The wheels of one job are there for the next, as on a runner whose owner cares.
            cache = "ENV UV_CACHE_DIR=/opt/hostedtoolcache/uv"
            self.image(self.root, base(), f"ENV PATH={PATH}", "USER root", "ENV HOME=/root", cache)
            self.image(self.user, base(), f"ENV PATH={PATH}", "USER ci", "ENV HOME=/home/ci")
        except Exception as failed:
            self.stop()
            raise Red(f"no Docker engine (--runner host needs none): {failed!r}\n{log.read_text()[-3000:]}") from None

    def image(self, name: str, content: bytes | Iterable[bytes], *changes: str) -> None:
        """Make an image of a file system as tar."""
        more = ["ENV LANG=C.UTF-8", f"LABEL live={self.name}", 'CMD ["bash"]']
        repo, _, tag = name.partition(":")
        query = {"fromSrc": "-", "repo": repo, "tag": tag, "changes": [*more, *changes]}
        answer = self.http.post("/images/create", params=query, content=content)
        if not answer.is_success or "error" in answer.text:
            raise Red(f"the image {name}: {answer.status_code} {answer.text}")

    def debian(self, release: str) -> str:
        """Make an image of a release of Debian, whose jobs run as another user than root. Returns its name."""
        name, tar = f"{self.name}:{release}", self.folder / f"{release}.tar"
        hooks = [f"--customize-hook={line}" for line in (*DEBIAN[release], 'chroot "$1" useradd --create-home ci')]
        words = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", *hooks, release, str(tar)]
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Red(f"{' '.join(words)}\n{done.stderr[-2000:]}")
        with tar.open("rb") as file:
            self.image(name, file, "USER ci", "ENV HOME=/home/ci")
        tar.unlink()
        return name

    def options(self, runner: str, *more: str, shown: tuple[str, ...] = SHOWN) -> str:
        """Returns what `docker run` is told for each job of a runner: its volumes, and more of them."""
        tools = Path(uv.find_uv_bin()).parent
        volumes = [f"{path}:{path}:ro" for path in shown if Path(path).exists()]
        volumes += [f"{tools / name}:/opt/uv/{name}:ro" for name in ("uv", "uvx")]
        volumes += [f"{self.shared}:{self.shared}", *more]
        last = {volume.split(":")[1]: volume for volume in volumes}  # one for each place
        return " ".join([f"--label live-runner={runner}", *(f"-v {volume}" for volume in last.values())])

    def own_tools(self) -> list[str]:
        """Returns the volumes that give an image of Debian's the node of this machine, and the stand-in for curl."""
        curl = self.folder / "curl"
        curl.write_text(stand_in("/usr/bin/curl", "/opt/uv"))
        curl.chmod(0o755)
        node = Path(shutil.which("node") or "node").resolve()
        return [f"{curl}:/usr/local/bin/curl:ro", f"{node}:/usr/local/bin/node:ro"]

    def sweep(self, label: str) -> list[str]:
        """Returns a command that removes what has this label."""
        return [sys.executable, str(HERE / "sweep.py"), self.host, label]

    def stop(self) -> None:
        """End the engine with all its containers, or remove what the tests made on one that was there."""
        self.daemon.kill()


def base() -> bytes:
    """Returns a file system as tar: links into /usr, two users, and the stand-in for curl."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:

        def add(name: str, mode: int, text: str | None = None, link: str = "", user: int = 0) -> None:
            entry = tarfile.TarInfo(name)
            entry.mode, entry.uid, entry.gid, entry.mtime = mode, user, user, int(time.time())
            entry.type = tarfile.SYMTYPE if link else tarfile.DIRTYPE if text is None else tarfile.REGTYPE
            entry.linkname, content = link, (text or "").encode()
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))

        for name in ("etc", "home", "opt", "opt/ci", "opt/uv", "usr", "var"):
            add(name, 0o755)
        add("root", 0o700)
        add("home/ci", 0o755, user=1000)
        # A new volume takes the mode of the folder that it is mounted on.
        for name in ("tmp", "var/tmp", "opt/hostedtoolcache"):
            add(name, 0o1777)
        for name in ("bin", "lib", "lib32", "lib64", "sbin"):
            if Path("/", name).is_symlink():
                add(name, 0o777, link=f"usr/{name}")
        add("etc/passwd", 0o644, "root:x:0:0::/root:/bin/bash\nci:x:1000:1000::/home/ci:/bin/bash\n")
        add("etc/group", 0o644, "root:x:0:\nci:x:1000:\n")
        add("opt/ci/curl", 0o755, stand_in("/usr/bin/curl", "/opt/uv"))
    return stream.getvalue()


def stand_in(curl: str, tools: str) -> str:
    """Returns the stand-in for curl: it hands out the uv of a folder for uv's installer."""
    return (HERE / "curl.sh").read_text().replace("@CURL@", curl).replace("@UV@", tools)
