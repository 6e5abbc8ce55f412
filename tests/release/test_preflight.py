"""What a refused upload says, against the answers that a real Gitea was seen to give."""

import hashlib
import http.server
import io
import shutil
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from release_world import DRIVE, TOKEN, USER, Registry, Repository, planned

NO_FILE = (400, "http: no such file\n")
NO_ACCESS = (401, '{"errors":[{"code":"UNAUTHORIZED","message":""}]}reqPackageAccess')
UNKNOWN_TOKEN = (401, "Failed to authenticate user\n")


class Recorded(http.server.ThreadingHTTPServer):
    """A stub, no Gitea: it gives one recorded answer to every upload, and a recorded index page."""

    def __init__(self) -> None:
        """Listen on a free port."""
        self.answer: tuple[int, str] = NO_FILE
        self.page: tuple[int, str] = (404, "package does not exist")
        self.asked: list[tuple[str, str, bytes]] = []
        stub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                """Say nothing."""

            def do_POST(self) -> None:
                """Returns what was recorded."""
                stub.asked.append((self.command, self.path, self.rfile.read(int(self.headers["Content-Length"] or 0))))
                self.reply(*stub.answer)

            def do_GET(self) -> None:
                """Returns the index page."""
                stub.asked.append((self.command, self.path, b""))
                self.reply(*stub.page)

            def reply(self, status: int, text: str) -> None:
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", text)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        """The registry's address, as Gitea's."""
        return f"http://127.0.0.1:{self.server_port}/api/packages/acme/pypi"


@pytest.fixture
def gitea() -> Iterator[Recorded]:
    """The stub."""
    with Recorded() as stub:
        thread = threading.Thread(target=stub.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield stub
        stub.shutdown()
        thread.join()


def wheel_and_sdist(folder: Path, name: str, version: str) -> dict[str, bytes]:
    """Makes the smallest files that twine can read; returns their names and bytes."""
    module, told = name.replace("-", "_"), f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n".encode()
    wheel, sdist = f"{module}-{version}-py3-none-any.whl", f"{module}-{version}.tar.gz"
    with zipfile.ZipFile(folder / wheel, "w") as archive:
        archive.writestr(f"{module}-{version}.dist-info/METADATA", told)
        archive.writestr(f"{module}-{version}.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
    with tarfile.open(folder / sdist, "w:gz") as packed:
        for file in ("PKG-INFO", "pyproject.toml"):
            entry = tarfile.TarInfo(f"{module}-{version}/{file}")
            entry.size = len(told)
            packed.addfile(entry, io.BytesIO(told))
    return {file: (folder / file).read_bytes() for file in (wheel, sdist)}


def handed_over(repository: Repository, folder: Path) -> dict[str, str]:
    """Make what came from a test job of HEAD, in a folder, and give the variables that name it."""
    version = planned(repository)[0] or "0.1.0"
    folder.mkdir(parents=True)
    files = wheel_and_sdist(folder, "handler-base", version)
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    return {"VERSION": version, "FILES": " ".join(f"{name}={digest}" for name, digest in digests.items())}


def preflight(repository: Repository, url: str, **changes: str) -> tuple[int, str, str]:
    """Run the step; give its exit code, its log and what it hands on."""
    output, temp = repository.path.parent / "output", repository.path.parent / "temp"
    output.write_text("")
    shutil.rmtree(temp, ignore_errors=True)
    handed = {} if "VERSION" in changes else handed_over(repository, temp / "release/dist")
    given = {"REGISTRY_URL": url, "REGISTRY_USER": USER, "REGISTRY_TOKEN": TOKEN, "GITHUB_OUTPUT": str(output)}
    here = {"GITHUB_SERVER_URL": repository.path.parent.as_uri(), "GITHUB_REPOSITORY": repository.path.name}
    env = {**repository.environment, **here, "RUNNER_TEMP": str(temp), **given, **handed, **changes}
    words = [sys.executable, str(DRIVE), ".gitea/release.py", "preflight"]
    done = subprocess.run(words, cwd=repository.path, env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr, output.read_text()


def refused(repository: Repository, url: str, **changes: str) -> str:
    """Run the step, which must fail with one sentence, and give that sentence."""
    code, log, _ = preflight(repository, url, **changes)
    assert code == 1, log
    *before, sentence = log.splitlines()
    assert not before or (len(before) == 1 and before[0].startswith("release: version ")), log
    assert sentence.startswith("release: ")
    assert TOKEN not in log
    return sentence


def test_good_credentials(history: Repository, gitea: Recorded) -> None:
    """An upload without a file is answered 400, and what the index has is looked at; nothing else is said or asked."""
    history.commit("feat: a")
    assert preflight(history, gitea.url) == (0, "release: version 0.1.0\n", "")
    posted, got = "/api/packages/acme/pypi", "/api/packages/acme/pypi/simple/handler-base/"
    assert [(method, path) for method, path, _ in gitea.asked] == [("POST", posted), ("GET", got)]
    assert b'name="content"' not in gitea.asked[0][2]


def test_good_credentials_of_a_real_registry(history: Repository, registry: Registry) -> None:
    """Pypiserver takes the same question; its wrong password is a 403."""
    history.commit("feat: a")
    url = f"http://127.0.0.1:{registry.port}"
    assert preflight(history, url) == (0, "release: version 0.1.0\n", "")
    assert "REGISTRY_TOKEN" in refused(history, url, REGISTRY_TOKEN="wrong")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (NO_ACCESS, ["REGISTRY_TOKEN", "acme", "write:package", "team", "Packages: write"]),
        (UNKNOWN_TOKEN, ["does not know", "REGISTRY_TOKEN", "write:package"]),
        ((401, "authGroup.Verify"), ["does not know", "REGISTRY_TOKEN"]),
        ((403, "quota exceeded"), ["quota", "REGISTRY_TOKEN"]),
        ((404, ""), ["/api/packages/acme/pypi", "no such owner", "switched off"]),
        ((413, ""), ["quota of acme", "larger than"]),
        ((302, "http://127.0.0.1:9/elsewhere"), ["302", "address"]),
        ((500, ""), ["500"]),
        ((200, "<html>"), ["200"]),
    ],
)
def test_refused(history: Repository, gitea: Recorded, answer: tuple[int, str], words: list[str]) -> None:
    """The one sentence names what is wrong."""
    history.commit("feat: a")
    gitea.answer = answer
    sentence = refused(history, gitea.url)
    for word in words:
        assert word in sentence


def test_bad_token_and_missing_right_differ(history: Repository, gitea: Recorded) -> None:
    """Both are 401."""
    history.commit("feat: a")
    gitea.answer = NO_ACCESS
    missing = refused(history, gitea.url)
    gitea.answer = UNKNOWN_TOKEN
    assert refused(history, gitea.url) != missing


@pytest.mark.parametrize("name", ["REGISTRY_USER", "REGISTRY_TOKEN"])
def test_missing_secret(history: Repository, gitea: Recorded, name: str) -> None:
    """The sentence names it, and nobody is asked."""
    history.commit("feat: a")
    assert f"the secret {name} is not set" in refused(history, gitea.url, **{name: ""})
    assert gitea.asked == []


def test_nobody_answers(history: Repository, gitea: Recorded) -> None:
    """The address is named."""
    history.commit("feat: a")
    gitea.server_close()
    sentence = refused(history, gitea.url)
    assert f"no answer from {gitea.url}" in sentence
    assert "run this job again" in sentence


def test_passing_trouble_is_asked_again(history: Repository, gitea: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is starting is no reason to be red."""
    history.commit("feat: a")
    answers = iter([(503, ""), (502, ""), NO_FILE])
    monkeypatch.setattr(Recorded, "answer", property(lambda _: next(answers), lambda *_: None), raising=False)
    gitea.__dict__.pop("answer")
    assert preflight(history, gitea.url)[0] == 0
    assert [method for method, _, _ in gitea.asked] == ["POST", "POST", "POST", "GET"]


def test_shallow_checkout(history: Repository, gitea: Recorded, tmp_path: Path) -> None:
    """It would give a wrong version."""
    history.commit("feat: a")
    history.commit("fix: b")
    history.git("clone", "-q", "--depth", "1", f"file://{history.path}", str(tmp_path / "shallow"))
    assert "fetch-depth: 0" in refused(Repository(tmp_path / "shallow", history.environment), gitea.url)


@pytest.mark.parametrize(
    ("build_system", "project", "tool"),
    [
        ('requires = ["hatchling"]\nbuild-backend = "hatchling.build"', "", '[tool.hatch.version]\npath = "a.py"'),
        (
            'requires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"',
            "",
            '[tool.setuptools.dynamic]\nversion = {attr = "a.b"}',
        ),
    ],
)
def test_version_from_a_file(history: Repository, gitea: Recorded, build_system: str, project: str, tool: str) -> None:
    """Refused before anything is reserved, with the change to make."""
    history.write(
        "pyproject.toml",
        f'[build-system]\n{build_system}\n[project]\nname = "a"\ndynamic = ["version"]\n{project}\n{tool}\n',
    )
    history.commit("feat: a")
    sentence = refused(history, gitea.url, VERSION="0.1.0")
    assert 'write version = "0.0.0" under [project]' in sentence


@pytest.mark.parametrize("text", ["", "[project]\n", '[project]\nname = "::set-output"\nversion = "1"\n'])
def test_no_name(history: Repository, gitea: Recorded, text: str) -> None:
    """A name that is none."""
    history.write("pyproject.toml", text)
    history.commit("feat: a")
    assert "project.name" in refused(history, gitea.url, VERSION="0.1.0")


def test_job_tree_does_not_count(history: Repository, gitea: Recorded) -> None:
    """A hook may have changed the file; the commit is what is released."""
    history.commit("feat: a")
    history.write("pyproject.toml", "broken")
    assert preflight(history, gitea.url)[0] == 0


def index_of(*names: str) -> tuple[int, str]:
    """Returns an index page as Gitea writes it, with its outside address in the links."""
    link = (
        '<a href="https://outside.example/api/packages/acme/pypi/files/handler-base/1.0.0/{0}#sha256={1}">{0}</a><br>'
    )
    return 200, "".join(link.format(name, "0" * 64) for name in names)


WHEEL, SDIST = "handler_base-1.0.0-py3-none-any.whl", "handler_base-1.0.0.tar.gz"


@pytest.mark.parametrize(
    ("page", "unfinished"),
    [
        ((404, "package does not exist"), True),
        (index_of(), True),
        (index_of(WHEEL), True),
        (index_of(SDIST), True),
        (index_of(WHEEL.replace("1.0.0", "0.9.9"), SDIST), True),
        (index_of(WHEEL, SDIST), False),
        (index_of(SDIST, WHEEL.replace("handler_base", "Handler.Base")), False),
    ],
)
def test_unfinished_release_is_named(
    history: Repository, gitea: Recorded, page: tuple[int, str], unfinished: bool
) -> None:
    """A tag of this workflow whose files are not there."""
    history.commit("feat: a")
    history.git("tag", "v1.0.0")
    history.commit("fix: b")
    gitea.page = page
    code, log, output = preflight(history, gitea.url)
    assert code == 0
    assert output == ("unfinished=1.0.0\n" if unfinished else "")
    assert ("v1.0.0" in log) is unfinished


def test_version_from_before_this_workflow_is_not_unfinished(history: Repository, gitea: Recorded) -> None:
    """Its tag holds no release.py; nobody published its files here."""
    (history.path / ".gitea/release.py").rename(history.path / "kept.py")
    history.commit("feat: a")
    history.git("tag", "v1.0.0")
    (history.path / ".gitea").mkdir(exist_ok=True)
    (history.path / "kept.py").rename(history.path / ".gitea/release.py")
    history.commit("fix: b")
    assert preflight(history, gitea.url) == (0, "release: version 1.0.1\n", "")


def test_every_unfinished_release_is_named(history: Repository, gitea: Recorded) -> None:
    """Two runs in a row may be cut off; what is older than a whole version is not looked at."""
    for subject, tag in (("feat: a", "v0.9.0"), ("feat: b", "v1.0.0"), ("fix: c", "v1.0.1"), ("fix: d", "v1.0.2")):
        history.commit(subject)
        history.git("tag", tag)
    history.commit("fix: e")
    gitea.page = index_of(WHEEL, SDIST)
    code, log, output = preflight(history, gitea.url)
    assert (code, output) == (0, "unfinished=1.0.2 1.0.1\n")
    assert "v1.0.2, v1.0.1" in log


def test_own_tag_is_finished_not_named(history: Repository, gitea: Recorded) -> None:
    """This very run uploads its files."""
    history.commit("feat: a")
    history.git("tag", "v1.0.0")
    assert preflight(history, gitea.url) == (0, "release: version 1.0.0\n", "")


def test_nothing_to_release_is_checked_all_the_same(history: Repository, gitea: Recorded) -> None:
    """A token that has run out is seen before the next release."""
    history.commit("docs: a")
    code, log, _ = preflight(history, gitea.url, VERSION="", FILES="")
    assert (code, log) == (0, "release: nothing to release: no major:, feat: or fix: since the first commit.\n")
    gitea.answer = UNKNOWN_TOKEN
    assert preflight(history, gitea.url, VERSION="", FILES="")[0] == 1


def test_stale_version_of_another_run_does_not_count(history: Repository, gitea: Recorded, tmp_path: Path) -> None:
    """In a folder that two runs share."""
    history.commit("docs: a")
    stale = tmp_path / "elsewhere/release/version"
    stale.parent.mkdir(parents=True)
    stale.write_text("9.9.9")
    assert preflight(history, gitea.url, VERSION="", FILES="", RUNNER_TEMP=str(tmp_path / "elsewhere"))[0] == 0
    assert not stale.exists()


ALL = "run all jobs of this run again"
GOOD = "handler_base-0.1.0-py3-none-any.whl={0} handler_base-0.1.0.tar.gz={0}".format("0" * 64)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"VERSION": ""}, "was built as version (none), and is now 0.1.0"),
        ({"VERSION": "0.2.0"}, "was built as version 0.2.0, and is now 0.1.0"),
        ({"VERSION": "0.1.0", "FILES": ""}, "no wheel and sdist of 0.1.0"),
        ({"VERSION": "0.1.0", "FILES": GOOD.replace("0.1.0.tar", "0.2.0.tar")}, "no wheel and sdist of 0.1.0"),
        ({"VERSION": "0.1.0", "FILES": GOOD}, "Gitea keeps them 30 days"),
    ],
)
def test_what_was_built_is_not_what_would_be_released(
    history: Repository, gitea: Recorded, changes: dict[str, str], words: str
) -> None:
    """Each is healed by a run of all jobs; nothing is uploaded."""
    history.commit("feat: a")
    sentence = refused(history, gitea.url, **changes)
    assert words in sentence
    assert ALL in sentence


@pytest.mark.parametrize("how", ["changed", "added", "gone"])
def test_files_that_are_not_those_that_were_built(
    history: Repository, gitea: Recorded, tmp_path: Path, how: str
) -> None:
    """Whoever changes them on the way is found out."""
    history.commit("feat: a")
    temp = tmp_path / "elsewhere"
    handed = handed_over(history, temp / "release/dist")
    wheel = temp / "release/dist/handler_base-0.1.0-py3-none-any.whl"
    match how:
        case "changed":
            wheel.write_bytes(b"another")
        case "added":
            wheel.with_name("other-0.1.0.tar.gz").write_bytes(b"")
        case "gone":
            wheel.unlink()
    sentence = refused(history, gitea.url, RUNNER_TEMP=str(temp), **handed)
    assert "not those that the test job built" in sentence
    assert ALL in sentence
