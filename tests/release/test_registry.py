"""How the registry is asked: as an upload would be, by twine's own session, with certificates, proxies and logins."""

import base64
import http.server
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from authority import Authority
from release_world import JOB_TOKEN, TOKEN, USER, Repository, shipped
from test_preflight import NO_FILE, Recorded, handed_over, index_of, preflight, refused, wheel_and_sdist

UPLOAD = (sys.executable, str(Path(__file__).with_name("drive.py")), ".gitea/release.py", "upload")
STORES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/cert.pem", "/etc/ssl/cert.pem")


@pytest.fixture
def gitea() -> Iterator[Recorded]:
    """The stub."""
    with served(Recorded()) as stub:
        yield stub


@contextmanager
def served(stub: Recorded) -> Iterator[Recorded]:
    """Lets a server answer."""
    with stub:
        thread = threading.Thread(target=stub.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield stub
        stub.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority of the test's own."""
    return Authority(tmp_path_factory.mktemp("authority") / "made")


@pytest.fixture
def secure(authority: Authority) -> Iterator[str]:
    """Serves the stub with the authority's certificate; returns the registry's address."""
    stub = Recorded()
    stub.socket = authority.server.wrap_socket(stub.socket, server_side=True)
    with served(stub):
        yield stub.url.replace("http:", "https:")


def test_a_certificate_that_nobody_trusts(history: Repository, secure: str) -> None:
    """The sentence says why, before anything is reserved."""
    history.commit("feat: a")
    sentence = refused(history, secure)
    assert "certificate verify failed" in sentence
    assert "add the authority of its certificate to the runner's image. Then run this job again." in sentence


def test_an_authority_that_the_system_trusts(history: Repository, secure: str, authority: Authority) -> None:
    """In the system's store alone, as `update-ca-certificates` leaves it: no variable names a file."""
    unshare = ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount of its own here")
    store = next(Path(path) for path in STORES if Path(path).exists())
    more = history.path.parent / "store.crt"
    more.write_text(store.read_text() + (authority.certificate).read_text())
    history.commit("feat: a")
    temp = history.path.parent / "temp"
    handed = handed_over(history, temp / "release/dist")
    given = {"REGISTRY_URL": secure, "REGISTRY_USER": USER, "REGISTRY_TOKEN": TOKEN, "RUNNER_TEMP": str(temp)}
    here = {"GITHUB_SERVER_URL": history.path.parent.as_uri(), "GITHUB_REPOSITORY": history.path.name}
    script = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
    words = [*unshare, "sh", "-c", script, "sh", str(more), os.path.realpath(store)]
    words += [sys.executable, ".gitea/release.py", "preflight"]
    env = {key: value for key, value in history.environment.items() if not key.lower().startswith("ssl_cert")}
    env |= given | here | handed
    done = subprocess.run(words, cwd=history.path, env=env, capture_output=True, text=True, check=False)
    assert done.stdout == "release: version 0.1.0\n", done.stdout + done.stderr


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "TWINE_CERT"])
def test_an_authority_that_a_variable_names(history: Repository, secure: str, authority: Authority, name: str) -> None:
    """Each of the ways that uv, requests and twine know."""
    history.commit("feat: a")
    assert preflight(history, secure, **{name: str(authority.certificate)})[0] == 0


def test_a_proxy_that_refuses(history: Repository, gitea: Recorded) -> None:
    """It would refuse the upload; the sentence names the variable."""
    with served(Recorded()) as proxy:
        proxy.answer = (403, "not through me")
        history.commit("feat: a")
        sentence = refused(history, gitea.url, http_proxy=proxy.url.partition("/api")[0], no_proxy="")
    assert gitea.asked == []
    assert "A proxy is set (http_proxy), and may be what refuses." in sentence
    assert "It says: not through me" in sentence


@pytest.mark.parametrize("token", ["é", "€", "100%", "a:b", "a@b", "a b", "ключ"])
def test_a_login_in_utf_8(history: Repository, gitea: Recorded, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Gitea reads it, in the question and in the upload."""
    seen: list[str] = []
    handler = gitea.RequestHandlerClass
    reply = handler.reply  # type: ignore[attr-defined]

    def noted(self: http.server.BaseHTTPRequestHandler, *words: object) -> None:
        seen.append(base64.b64decode(self.headers["Authorization"].split()[1]).decode())
        reply(self, *words)

    monkeypatch.setattr(handler, "reply", noted)
    history.commit("feat: a")
    assert preflight(history, gitea.url, REGISTRY_TOKEN=token)[0] == 0
    upload(history, gitea, REGISTRY_TOKEN=token)
    assert len(seen) > 3
    assert set(seen) == {f"{USER}:{token}"}


@pytest.mark.parametrize("name", ["REGISTRY_USER", "REGISTRY_TOKEN", "JOB_TOKEN"])
@pytest.mark.parametrize("value", ["secret\n", " secret", "sec\nret", "secret\r"])
def test_a_secret_with_a_line_break(history: Repository, gitea: Recorded, name: str, value: str) -> None:
    """As a browser or an editor leaves it. It is refused, and not shown."""
    history.commit("feat: a")
    sentence = refused(history, gitea.url, **{name: value})
    assert f"the secret {name} has a line break or a space at an end" in sentence
    assert "secret\\n" not in sentence
    assert "sec" not in sentence.replace("secret ", "")


def sums(temp: Path) -> str:
    """Returns what the test job hands on of its files."""
    files = shipped("shared").sums(temp / "release/dist")
    return " ".join(f"{name}={digest}" for name, digest in files.items())


def upload(repository: Repository, stub: Recorded, words: tuple[str, ...] = UPLOAD, **changes: str) -> tuple[int, str]:
    """Runs the upload of version 0.1.0; returns its exit code and its log."""
    temp = repository.path.parent / "upload"
    if not temp.exists():
        (temp / "release/dist").mkdir(parents=True)
        (temp / "release/version").write_text("0.1.0")
        wheel_and_sdist(temp / "release/dist", "handler-base", "0.1.0")
    env = {
        **repository.environment,
        "RUNNER_TEMP": str(temp),
        "FILES": sums(temp),
        "REGISTRY_URL": stub.url,
    }
    env |= {"REGISTRY_USER": USER, "REGISTRY_TOKEN": TOKEN, "JOB_TOKEN": JOB_TOKEN} | changes
    env |= {"GITHUB_SERVER_URL": repository.path.parent.as_uri(), "GITHUB_REPOSITORY": repository.path.name}
    done = subprocess.run(words, cwd=repository.path, env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((403, "upload size limit exceeded: 20 MiB"), ["It says: upload size limit exceeded: 20 MiB", "larger than"]),
        ((413, "quota exceeded"), ["the quota of acme", "raise it", "It says: quota exceeded"]),
        ((413, "<html>nginx</html>"), ["proxy in front of it", "raise it"]),
        ((400, "invalid version"), ["It says: invalid version", "correct handler-base"]),
        ((401, "no"), ["does not know REGISTRY_TOKEN"]),
        ((404, ""), ["no such owner"]),
        ((503, "starting"), ["answered 503", "It says: starting"]),
        ((302, "http://127.0.0.1:9/elsewhere"), ["answered 302"]),
    ],
)
def test_a_refused_upload(history: Repository, gitea: Recorded, answer: tuple[int, str], words: list[str]) -> None:
    """Gitea's own words are in the last line, with what to change; no secret is."""
    history.commit("feat: a")
    gitea.answer = answer
    code, log = upload(history, gitea)
    assert code == 1
    *_, last = log.splitlines()
    for word in words:
        assert word in last
    assert "<" not in last
    assert last.endswith("Then run this job again.")
    assert TOKEN not in log
    assert base64.b64encode(f"{USER}:{TOKEN}".encode()).decode() not in log


def test_text_of_a_registry_is_one_bounded_line(history: Repository, gitea: Recorded) -> None:
    """Whatever it answers, and nothing of it is a command to the runner."""
    history.commit("feat: a")
    gitea.answer = (403, "\n::add-mask::main\r\n\x1b[31m\u202e" + "x" * 100_000)
    code, log = upload(history, gitea)
    assert code == 1
    assert len(log) < 2_000
    assert not [line for line in log.splitlines() if line.startswith("::")]
    assert all(line.isprintable() for line in log.splitlines())


def test_too_many_requests(history: Repository, gitea: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job waits as long as it is told to, and says so."""
    handler, waits = gitea.RequestHandlerClass, iter(["2", None])

    def busy(self: http.server.BaseHTTPRequestHandler, status: int, text: str) -> None:
        wait = next(waits, None) if self.command == "POST" else None
        self.send_response(429 if wait else status)
        if wait:
            self.send_header("Retry-After", wait)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    monkeypatch.setattr(handler, "reply", busy)
    history.commit("feat: a")
    gitea.answer = NO_FILE
    code, log, _ = preflight(history, gitea.url)
    assert (code, log) == (0, "release: the registry asks to wait 2 seconds (429)\nrelease: version 0.1.0\n")


ALL = "run all jobs of this run again."


@pytest.mark.parametrize(
    ("listed", "words"),
    [
        (
            ["handler_base-0.1.0.tar.gz"],
            "has handler_base-0.1.0.tar.gz already, and there is no tag v0.1.0: push the tag",
        ),
        (["Handler.Base-0.1.0.tar.gz"], "has Handler.Base-0.1.0.tar.gz already, and there is no tag v0.1.0"),
        (["handler_base-0.1.0-1-cp311-cp311-linux_x86_64.whl"], "there is no tag v0.1.0"),
        (["handler_base-0.1-py3-none-any.whl"], "there is no tag v0.1.0"),
        (
            ["handler_base-1.4.0.tar.gz"],
            "has handler-base 1.4.0, 0.1.0 is lower, and there is no tag of it: push the tag",
        ),
        (["handler_base-0.0.9.tar.gz"], ""),
        (["handler_base-1.4.0rc1.tar.gz", "handler_base-1.4.0.dev3-py3-none-any.whl"], ""),
        (["notes.txt", "handler_base-next.tar.gz", "handler_base.whl"], ""),
    ],
)
def test_what_the_registry_has_in_the_way(history: Repository, gitea: Recorded, listed: list[str], words: str) -> None:
    """It is found before the tag, with what to do."""
    history.commit("feat: a")
    gitea.page = index_of(*listed)
    if not words:
        assert preflight(history, gitea.url)[0] == 0
        return
    sentence = refused(history, gitea.url)
    assert words in sentence
    assert sentence.endswith(ALL)


def test_a_higher_version_that_has_a_tag(history: Repository, gitea: Recorded) -> None:
    """On another branch, for example: that is meant."""
    history.commit("feat: a")
    history.git("checkout", "-q", "-b", "next")
    history.commit("feat: b")
    history.git("tag", "v1.4.0")
    history.git("checkout", "-q", "main")
    gitea.page = index_of("handler_base-1.4.0.tar.gz")
    assert preflight(history, gitea.url)[0] == 0


def test_a_version_with_an_epoch_has_no_tag(history: Repository, gitea: Recorded) -> None:
    """Installers take 1!0.0.1 for newer than 0.1.0, and v0.0.1 is not its tag."""
    history.commit("chore: start")
    history.git("tag", "v0.0.1")
    history.commit("feat: a")
    gitea.page = index_of("handler_base-1!0.0.1.tar.gz")
    sentence = refused(history, gitea.url)
    assert "has handler-base 1!0.0.1, 0.1.0 is lower" in sentence
    assert "or delete it in Gitea" in sentence


def test_the_same_bytes_are_not_in_the_way(history: Repository, gitea: Recorded) -> None:
    """A tag that was deleted is made again, and what is there stays."""
    history.commit("feat: a")
    temp = history.path.parent / "elsewhere"
    handed = handed_over(history, temp / "release/dist")
    gitea.page = (200, "".join(f'<a href="/files/{name}#sha256={digest}">{name}</a>' for name, digest in [
        entry.split("=") for entry in handed["FILES"].split()
    ]))  # fmt: skip
    assert preflight(history, gitea.url, RUNNER_TEMP=str(temp), **handed)[0] == 0


@pytest.mark.parametrize(("tag", "passes"), [("1.4.0", False), ("0.1.0", False), ("0.0.9", True), ("1.4.0rc1", True)])
def test_a_tag_without_v(history: Repository, gitea: Recorded, tag: str, passes: bool) -> None:
    """It does not count, and whoever pushed it thought that it would."""
    history.commit("feat: a")
    history.git("tag", tag)
    history.commit("fix: b")
    if passes:
        assert preflight(history, gitea.url)[0] == 0
        return
    sentence = refused(history, gitea.url)
    assert f"run `git tag v{tag} {tag} && git push origin v{tag}`, or delete {tag}" in sentence
    assert sentence.endswith(ALL)


def test_files_that_twine_cannot_read(history: Repository, gitea: Recorded) -> None:
    """Before the tag."""
    history.commit("feat: a")
    temp = history.path.parent / "elsewhere"
    handed_over(history, temp / "release/dist")
    broken = temp / "release/dist/handler_base-0.1.0.tar.gz"
    broken.write_bytes(b"none")
    sentence = refused(history, gitea.url, RUNNER_TEMP=str(temp), VERSION="0.1.0", FILES=sums(temp))
    assert "handler_base-0.1.0.tar.gz cannot be uploaded" in sentence


@pytest.mark.slow
def test_memory_does_not_grow_with_the_files(history: Repository, gitea: Recorded) -> None:
    """200 MB are compared and uploaded in pieces. (The stub is another process's memory: it is in this one.)"""
    history.commit("feat: a")
    temp = history.path.parent / "upload"
    (temp / "release/dist").mkdir(parents=True)
    (temp / "release/version").write_text("0.1.0")
    wheel, _ = wheel_and_sdist(temp / "release/dist", "handler-base", "0.1.0")
    path = temp / "release/dist" / wheel
    with zipfile.ZipFile(path, "a") as archive, archive.open("handler_base/large.bin", "w") as large:
        for _ in range(200):  # a child's peak begins at the size of whoever starts it
            large.write(os.urandom(1_000_000))
    code = "import resource, sys, runpy; sys.argv = sys.argv[1:]; sys.path.insert(0, sys.argv.pop())\ntry: "
    code += "runpy.run_path(sys.argv[0], run_name='__main__')\nfinally: "
    code += "print('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    gitea.answer = (413, "too large")
    words = (sys.executable, "-c", code, ".gitea/release.py", "upload", ".gitea")
    code_, log = upload(history, gitea, words=words)
    assert code_ == 1
    assert "too large" in log
    assert int(log.split("peak")[1].split()[0]) < 120  # MB
