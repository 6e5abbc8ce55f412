"""docs/consuming.md: its Dockerfile is built by a real engine with a secret, which is in nothing that it makes."""

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from blocks import block
from live.engine import Engine, startable
from rendering import Run
from two_indexes import OURS, Indexes

pytest_plugins = ["two_indexes"]
pytestmark = pytest.mark.slow
TOKEN = "read-package-token"
TAG = "git.example.org/acme/pipelines:1.2.3"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


@cache
def client() -> str:
    """Returns a command line of Docker's that builds with secrets, which needs buildx or an older one; or nothing."""
    for folder in os.environ["PATH"].split(os.pathsep):
        words = [f"{folder}/docker", "build", "--help"]
        if Path(words[0]).is_file():
            env = os.environ | {"DOCKER_BUILDKIT": "1"}
            said = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
            if not said.returncode and "--secret" in said.stdout:
                return words[0]
    return ""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine with an image of Debian's Python under the name that the Dockerfile has."""
    if not (startable() and client() and shutil.which("mmdebstrap")):
        pytest.skip("needs root, dockerd, a docker that builds with secrets, and mmdebstrap")
    folder = tmp_path_factory.mktemp("engine")
    tar = folder / "python.tar"
    hooks = [
        'rm "$1"/usr/lib/python3.*/EXTERNALLY-MANAGED',
        'ln -s python3 "$1/usr/bin/python"',
        f'cp {CERTIFICATES} "$1{CERTIFICATES}"',
    ]
    packages = "--include=ca-certificates,python3-pip,python3-venv"
    words = ["mmdebstrap", "--quiet", "--variant=minbase", packages, *(f"--customize-hook={hook}" for hook in hooks)]
    subprocess.run([*words, "trixie", str(tar)], check=True, capture_output=True, stdin=subprocess.DEVNULL)
    made = Engine(folder)
    with tar.open("rb") as file:
        made.image("python:3.13-slim", file, f"ENV PIP_CERT={CERTIFICATES}", f"ENV SSL_CERT_FILE={CERTIFICATES}")
    tar.unlink()
    yield made
    made.stop()


class Build:
    """Builds Dockerfiles with the command of the page, and looks at what comes of it."""

    def __init__(self, engine: Engine, folder: Path, run: Run) -> None:
        """Put the docker that can build with secrets first."""
        self.folder = folder
        (folder / "bin").mkdir()
        (folder / "bin/docker").symlink_to(client())
        (folder / "home").mkdir()
        path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        env = {"HOME": str(folder / "home"), "DOCKER_HOST": engine.host, "DOCKER_BUILDKIT": "1", "PATH": path}
        self.sh = lambda text: run("bash", "-euc", text, cwd=folder, env=env).stdout

    def build(self, text: str, more: str = "") -> None:
        """Build a Dockerfile. The engine of the tests has no network of its own."""
        (self.folder / "Dockerfile").write_text(text)
        command = block("docker-build")
        self.sh(command.replace("docker build", f"docker build --network host --no-cache {more}"))

    def tokens(self) -> list[str]:
        """Returns which files of the image, as `docker save` writes it, have the token: settings, history, layers."""
        self.sh(f"docker save -o image.tar {TAG}")
        found = []
        with tarfile.open(self.folder / "image.tar") as image:
            for name, content in files(image):
                if name.endswith(".tar"):
                    with tarfile.open(fileobj=io.BytesIO(content)) as layer:
                        found += [inner for inner, text in files(layer) if TOKEN.encode() in text]
                elif TOKEN.encode() in content:
                    found.append(name)
        return found


def files(archive: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    """Returns the files of an archive with their contents."""
    for member in archive:
        if content := archive.extractfile(member) if member.isfile() else None:
            yield member.name, content.read()


@pytest.fixture
def docker(engine: Engine, indexes: Indexes, run: Run, tmp_path: Path) -> Build:
    """A project with its uv.lock, and the token of a private owner in the file that the page names."""
    indexes.login = f"me:{TOKEN}"
    folder = tmp_path / "pipelines"
    folder.mkdir()
    text = '[project]\nname = "pipelines"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = []\n'
    (folder / "pyproject.toml").write_text(text)
    login = {"UV_INDEX_GITEA_USERNAME": "me", "UV_INDEX_GITEA_PASSWORD": TOKEN}
    add = block("uv-project").replace("https://git.example.org", indexes.server)
    run("bash", "-euc", add, cwd=folder, env={**indexes.env, **login})
    (folder / "token.txt").write_text(TOKEN)
    return Build(engine, folder, run)


def test_the_image_has_the_packages_and_no_token(docker: Build) -> None:
    """As it stands, by BuildKit: the owner's versions are in it; no layer, setting or history has the token."""
    docker.build(block("dockerfile"))
    code = f"import importlib.metadata as m; print({{name: m.version(name) for name in {list(OURS)}}})"
    assert docker.sh(f'docker run --rm --network none {TAG} python -c "{code}"') == f"{OURS}\n"
    assert docker.sh(f"docker run --rm --network none {TAG} handler-base") == f"{OURS['handler-base']}\n"
    assert docker.tokens() == []
    assert TOKEN not in docker.sh(f"docker history --no-trunc {TAG}")


def test_an_argument_stays_in_the_image(docker: Build) -> None:
    """What the page warns of, and what the other test would find."""
    docker.build("FROM python:3.13-slim\nARG TOKEN\nRUN echo $TOKEN > /left\n", f"--build-arg TOKEN={TOKEN}")
    assert "left" in docker.tokens()
    assert TOKEN in docker.sh(f"docker history --no-trunc {TAG}")
