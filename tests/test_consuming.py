"""The recipes of docs/consuming.md, each run as it stands: none takes a name of the owner's from the public index."""

import gzip
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import uv
import yaml
from blocks import block
from rendering import ROOT, Run
from two_indexes import OURS, Indexes, installed, locked

pytest_plugins = ["two_indexes"]

ADDRESS = "https://git.example.org"
FLOOR = f">={sys.version_info.major}.{sys.version_info.minor}"
PYPROJECT = f'[project]\nname = "consumer"\nversion = "1"\nrequires-python = "{FLOOR}"\ndependencies = []\n'
LOGIN = {"me": "me", "…": "read-package-token"}


def here(name: str, indexes: Indexes) -> str:
    """Returns a block of the page for these indexes."""
    return block(name).replace(ADDRESS, indexes.server).replace("1.2.3", "1.0").replace("…", LOGIN["…"])


@pytest.fixture
def consumer(indexes: Indexes, tmp_path: Path, run: Run) -> Path:
    """A project that needs nothing, with an environment that has pip."""
    folder = tmp_path / "consumer"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(PYPROJECT)
    run("uv", "venv", "-q", "--seed", cwd=folder, env={"UV_INDEX": None})
    return folder


@pytest.fixture
def private(indexes: Indexes) -> Indexes:
    """The indexes, and the owner's asks who it is."""
    indexes.login = f"me:{LOGIN['…']}"
    return indexes


def follow(run: Run, folder: Path, indexes: Indexes, text: str, **env: str) -> str:
    """Runs the commands in an activated environment. Returns what they printed."""
    path = f'export PATH="{folder / ".venv/bin"}:$PATH" VIRTUAL_ENV="{folder / ".venv"}"\n'
    return run("bash", "-euc", path + text, cwd=folder, env={**indexes.env, **env}).stdout


def test_a_project(indexes: Indexes, consumer: Path, run: Run) -> None:
    """Now, and on each later lock."""
    follow(run, consumer, indexes, here("uv-project", indexes))
    assert locked(consumer) == OURS
    follow(run, consumer, indexes, "uv lock --upgrade && uv sync")
    assert installed(run, consumer / ".venv/bin/python", consumer) == OURS


def test_exclude_newer_needs_its_second_line(indexes: Indexes, consumer: Path, run: Run) -> None:
    """Without, nothing of the index is seen."""
    follow(run, consumer, indexes, here("uv-project", indexes))
    first, *lines = block("exclude-newer").splitlines()
    text = (consumer / "pyproject.toml").read_text()
    assert "[tool.uv]\n" not in text
    (consumer / "pyproject.toml").write_text(f"{text}\n{first}\n{lines[0]}\n")
    done = run("uv", "lock", "--upgrade", cwd=consumer, env=indexes.env, code=1)
    assert "handler-base" in done.stderr
    (consumer / "pyproject.toml").write_text("\n".join([text, first, *lines, ""]))
    follow(run, consumer, indexes, "uv lock --upgrade")
    assert locked(consumer) == OURS


@pytest.mark.parametrize("name", ["uv-pip", "pip-hashes", "pip-one"])
def test_an_environment(indexes: Indexes, consumer: Path, run: Run, name: str) -> None:
    """What the package needs in turn is the owner's as well."""
    texts = {"uv-pip": block("uv-pip"), "pip-hashes": block("pip-hashes"), "pip-one": block("pip-one")}
    text = texts[name].replace(ADDRESS, indexes.server).replace("1.2.3", "1.0")
    follow(run, consumer, indexes, text)
    assert installed(run, consumer / ".venv/bin/python", consumer) == OURS


def test_pip_takes_no_file_with_another_hash(indexes: Indexes, consumer: Path, run: Run) -> None:
    """Neither another version of the same name, nor another file of the same version."""
    lock, install = here("pip-hashes", indexes).splitlines()[1:]
    (consumer / "requirements.in").write_text("handler-base==1.0\n")
    follow(run, consumer, indexes, lock)
    python = consumer / ".venv/bin/python"

    def refused() -> str:
        said = run(python, "-m", *install.split(), cwd=consumer, env=indexes.env, code=1).stderr
        assert installed(run, python, consumer) == {}
        return said

    text = (consumer / "requirements.txt").read_text()
    (consumer / "requirements.txt").write_text(re.sub("sha256:[0-9a-f]{8}", "sha256:01234567", text))
    assert "DO NOT MATCH THE HASHES" in refused()
    (consumer / "requirements.txt").write_text(text)
    indexes.gone |= {"handler-base", "mlflow-utils"}
    assert "No matching distribution found for handler-base==1.0" in refused()


def test_a_command(indexes: Indexes, consumer: Path, run: Run) -> None:
    """Installed, or run once."""
    env = {"UV_TOOL_DIR": str(consumer / "tools"), "UV_TOOL_BIN_DIR": str(consumer / "bin")}
    text = here("uv-tool", indexes)
    assert follow(run, consumer, indexes, f"{text}bin/handler-base", **env).splitlines()[-1] == "1.0"
    python = consumer / "tools/handler-base/bin/python"
    assert installed(run, python, consumer) == OURS
    follow(run, consumer, indexes, "uv tool upgrade --reinstall handler-base", **env)
    assert installed(run, python, consumer) == OURS
    once = text.replace("uv tool install", "uvx")
    assert follow(run, consumer, indexes, once, **env).splitlines()[-1] == "1.0"


def test_a_private_owner_in_a_project(private: Indexes, consumer: Path, run: Run) -> None:
    """The credentials are in no file."""
    export, sync = here("uv-private", private).splitlines()
    follow(run, consumer, private, f"{export}\n{here('uv-project', private)}{sync}")
    assert installed(run, consumer / ".venv/bin/python", consumer) == OURS
    for name in ("pyproject.toml", "uv.lock"):
        assert LOGIN["…"] not in (consumer / name).read_text()
    # Without them uv stops, and goes to no other index.
    stopped = run("uv", "lock", "--upgrade", "--refresh", cwd=consumer, env=private.env, code=None)
    assert stopped.returncode != 0
    assert locked(consumer) == OURS


@pytest.mark.parametrize("name", ["uv-pip", "uv-tool"])
def test_a_private_owner_without_a_project(private: Indexes, consumer: Path, run: Run, name: str) -> None:
    """The same variables, as each command calls the index so; without them nothing is installed from elsewhere."""
    env = {"UV_TOOL_DIR": str(consumer / "tools"), "UV_TOOL_BIN_DIR": str(consumer / "bin")}
    texts = {"uv-pip": here("uv-pip", private), "uv-tool": here("uv-tool", private)}
    python = consumer / {"uv-pip": ".venv/bin/python", "uv-tool": "tools/handler-base/bin/python"}[name]
    with pytest.raises(AssertionError, match="401 Unauthorized"):
        follow(run, consumer, private, texts[name], **env)
    export = here("uv-private", private).splitlines()[0]
    follow(run, consumer, private, f"{export}\n{texts[name]}", **env)
    assert installed(run, python, consumer) == OURS


def test_a_private_owner_on_a_laptop(private: Indexes, consumer: Path, run: Run) -> None:
    """Signed in once, for each command of uv's: the token is typed, and stored where nobody else reads."""
    home = {"XDG_DATA_HOME": str(consumer / "data")}
    login, install = here("uv-login", private).splitlines()
    terminal = [sys.executable, str(ROOT / "tests/terminal.py"), LOGIN["…"], *login.split()]
    assert LOGIN["…"] not in follow(run, consumer, private, shlex.join(terminal), **home)
    (stored,) = (consumer / "data").rglob("credentials.toml")
    assert stored.stat().st_mode & 0o777 == 0o600
    follow(run, consumer, private, install, **home)
    assert installed(run, consumer / ".venv/bin/python", consumer) == OURS


def test_a_private_owner_and_pip(private: Indexes, consumer: Path, run: Run) -> None:
    """By the file that every HTTP client knows."""
    text = here("pip-netrc", private).replace("machine git.example.org", "machine 127.0.0.1")
    follow(run, consumer, private, text, HOME=str(consumer))
    assert installed(run, consumer / ".venv/bin/python", consumer) == OURS


@pytest.mark.slow
@pytest.mark.parametrize("name", ["handler-base", "mlflow-utils"])
def test_two_indexes_of_equal_rank_take_somebody_else_s(indexes: Indexes, consumer: Path, run: Run, name: str) -> None:
    """Why the page says what not to do: both of these options take the squatter's."""
    squatted = f"--index {indexes.owner} --index-strategy unsafe-best-match"
    follow(run, consumer, indexes, f"uv pip install {squatted} {name}")
    assert installed(run, consumer / ".venv/bin/python", consumer)[name] == "99.0"
    follow(run, consumer, indexes, f"pip install --force-reinstall --extra-index-url {indexes.owner} {name}")
    assert installed(run, consumer / ".venv/bin/python", consumer)[name] == "99.0"


def test_argo_takes_the_credentials_from_a_secret() -> None:
    """Each variable that uv reads, and none with a value of its own."""
    (workflow,) = [yaml.safe_load(block("argo"))]
    container = workflow["spec"]["templates"][0]["container"]
    assert {entry["name"] for entry in container["env"]} == {
        "UV_INDEX_GITEA_USERNAME",
        "UV_INDEX_GITEA_PASSWORD",
    }
    assert all("secretKeyRef" in entry["valueFrom"] and "value" not in entry for entry in container["env"])


# --- With the real libraries, each in an environment of its own


def pin(name: str) -> str:
    """Returns the pinned requirement of a library."""
    (line,) = re.findall(rf"(?m)^{name}==.*$", (ROOT / "tests/consuming.txt").read_text())
    return line


def venv_with(run: Run, folder: Path, name: str) -> Path:
    """Returns the Python of a new environment that has a library."""
    run("uv", "venv", "-q", folder / "libraries", cwd=folder)
    python = folder / "libraries/bin/python"
    run("uv", "pip", "install", "-q", "--python", python, pin(name), cwd=folder)
    return python


KFP = """
from kfp import compiler
compiler.Compiler().compile({name}, "compiled.yaml")
"""


@pytest.mark.slow
def test_kubeflow_pipelines(indexes: Indexes, tmp_path: Path, run: Run) -> None:
    """The recipe compiles to no pip install. What is not advised stores the token, and takes somebody else's."""
    python = venv_with(run, tmp_path, "kfp")
    script = tmp_path / "component.py"
    script.write_text(block("kfp") + KFP.format(name="train"))
    run(python, script, cwd=tmp_path)
    compiled = (tmp_path / "compiled.yaml").read_text()
    assert "git.example.org/acme/pipelines:1.2.3" in compiled
    assert "pip install" not in compiled

    address = indexes.owner.replace("http://", "http://me:the-token@")
    options = f'packages_to_install=["handler-base"], pip_index_urls=["{indexes.public}", "{address}"], '
    options += 'pip_trusted_hosts=["127.0.0.1"], install_kfp_package=False'
    text = re.sub(r"install_kfp_package=False", options, block("kfp"))
    script.write_text(text + KFP.format(name="train"))
    run(python, script, cwd=tmp_path)
    (executor,) = yaml.safe_load((tmp_path / "compiled.yaml").read_text())["deploymentSpec"]["executors"].values()
    (command,) = re.findall("python3 -m pip install .*(?= && )", executor["container"]["command"][2])
    assert f"--extra-index-url {address}" in command
    assert "me:the-token@" in command
    run("uv", "venv", "-q", "--seed", tmp_path / "image", cwd=tmp_path)
    image = tmp_path / "image/bin/python"
    run("bash", "-euc", command.replace("python3", str(image)), cwd=tmp_path, env=indexes.env)
    assert installed(run, image, tmp_path)["handler-base"] == "99.0"


@pytest.mark.slow
def test_mlflow(indexes: Indexes, tmp_path: Path, run: Run) -> None:
    """The recipe's model runs where the package is. With it in the requirements pip takes somebody else's."""
    python = venv_with(run, tmp_path, "mlflow")
    run("uv", "pip", "install", "-q", "--python", python, "--index", indexes.owner, "handler-base", cwd=tmp_path)
    env = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db", "GIT_PYTHON_REFRESH": "quiet", **indexes.env}
    script = tmp_path / "log.py"

    def logged(text: str) -> Path:
        shutil.rmtree(tmp_path / "mlruns", ignore_errors=True)
        script.write_text(text)
        run(python, script, cwd=tmp_path, env=env)
        (stored,) = (tmp_path / "mlruns").rglob("requirements.txt")
        return stored

    stored = logged(block("mlflow"))
    assert stored.read_text().split() == ["mlflow==3.17.2"]
    (tmp_path / "asked.json").write_text('{"inputs": ["a", "b"]}')
    words = f"-m mlflow models predict --env-manager local -m {stored.parent} -i asked.json -t json"
    assert '["handler_base", "handler_base"]' in run(python, *words.split(), cwd=tmp_path, env=env).stdout
    line = "--extra-index-url https://me:the-token@git.example.org/simple/"
    stored = logged(block("mlflow").replace('"mlflow==3.17.2"', f'"{line}", "handler-base"'))
    assert line in stored.read_text()
    stored.write_text(f"--extra-index-url {indexes.owner}\nhandler-base\n")
    run("uv", "venv", "-q", "--seed", tmp_path / "server", cwd=tmp_path)
    server = tmp_path / "server/bin/python"
    run(server, "-m", "pip", "install", "-r", stored, cwd=tmp_path, env=indexes.env)
    assert installed(run, server, tmp_path)["handler-base"] == "99.0"


@pytest.mark.slow
def test_ray(indexes: Indexes, consumer: Path, run: Run) -> None:
    """The workers have what uv.lock has."""
    follow(run, consumer, indexes, here("uv-project", indexes))
    follow(run, consumer, indexes, f"uv add -q {pin('ray')}")
    (consumer / "driver.py").write_text(block("ray"))
    with tempfile.TemporaryDirectory(dir="/tmp") as short:  # a socket's path has at most 107 bytes
        env = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_TMPDIR": short}
        said = follow(run, consumer, indexes, block("ray-run"), **env)
        assert "handler_base" in said.splitlines()
        for name in ("pip", "uv"):
            text = block("ray").replace("ray.init()", f"ray.init(runtime_env={{{name!r}: ['handler-base']}})")
            (consumer / "driver.py").write_text(text)
            path = {"PATH": f"{consumer / '.venv/bin'}{os.pathsep}{os.environ['PATH']}", **env}
            done = run("bash", "-euc", block("ray-run"), cwd=consumer, env={**indexes.env, **path}, code=1)
            assert "These are not compatible" in done.stderr
    assert locked(consumer) == OURS


@pytest.fixture(scope="session")
def base_image() -> Iterator[list[str]]:
    """The first words of podman, with a storage of the tests' own that has an image with Python: `localhost/base`."""
    if os.geteuid() or not (shutil.which("podman") and shutil.which("mmdebstrap")):
        pytest.skip("needs root, podman and mmdebstrap")
    folder = Path(tempfile.mkdtemp(dir="/tmp"))  # podman's paths have at most 50 characters
    podman = ["podman", "--root", str(folder / "root"), "--runroot", str(folder / "run"), "--storage-driver", "vfs"]
    packages = "--include=python3,ca-certificates"
    subprocess.run(["mmdebstrap", "-q", "--variant=minbase", packages, "bookworm", folder / "base.tar"], check=True)
    subprocess.run([*podman, "import", "-q", folder / "base.tar", "localhost/base"], check=True)
    yield podman
    subprocess.run([*podman, "rmi", "--all", "--force"], check=True, capture_output=True)
    shutil.rmtree(folder)


@pytest.mark.slow
def test_an_image(private: Indexes, consumer: Path, run: Run, base_image: list[str]) -> None:
    """It has what uv.lock has, and no layer has the token. uv is copied: the image's pip would load it from outside."""
    follow(run, consumer, private, f"{here('uv-private', private).splitlines()[0]}\n{here('uv-project', private)}")
    text = block("dockerfile")
    for written, mine in [
        ("python:3.13-slim", "localhost/base"),
        ("RUN pip install uv==0.13.9", f"COPY uv /usr/bin/uv\nENV UV_DEFAULT_INDEX={private.public}"),
    ]:
        assert written in text
        text = text.replace(written, mine)
    # A build fails if this does.
    text += 'RUN test "$(handler-base)" = 1.0 && test ! -e /usr/bin/uv && test ! -e /run/secrets/gitea\n'
    (consumer / "Dockerfile").write_text(text)
    (consumer / "token.txt").write_text(LOGIN["…"])
    (consumer / ".dockerignore").write_text(".venv\ntoken.txt\n")
    shutil.copy(uv.find_uv_bin(), consumer / "uv")
    build = block("docker-build").split()
    assert build[:2] == ["docker", "build"]
    options = ["--isolation", "chroot", "--network", "host", "--layers=false"]
    done = subprocess.run([*base_image, "build", *options, *build[2:]], cwd=consumer, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert LOGIN["…"] not in done.stdout + done.stderr
    image = build[build.index("-t") + 1]
    subprocess.run([*base_image, "save", "-q", "--format", "docker-dir", "-o", consumer / "saved", image], check=True)
    saved = [file for file in (consumer / "saved").iterdir() if file.is_file()]
    assert len(saved) > 3
    for file in saved:
        content = file.read_bytes()
        content = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
        assert LOGIN["…"].encode() not in content, file.name
    assert any(b"handler_base" in file.read_bytes() for file in saved), "the layers are read"
