"""Indexes, sources, names and texts of an existing repository: kept in meaning, or refused with what works."""

import re
import socket
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from act_package import clean_environment
from adopting import ROOT, Repository, add_origin, adopt, commands, make_sister
from loopback_gitea import Forge
from rendering import Render

sys.path.insert(0, str(ROOT / "apply"))

from commands import Refused
from indexes import source_notes
from merge import merge
from pattern import pattern
from repository import Project, read_project
from requirements import Requirements

HATCH = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
TABLE = '\n[project]\nname = "small"\nversion = "1.0.0"\nrequires-python = ">=3.11"\n'
URL = "https://git.daviestechlabs.io/api/packages/daviestechlabs/pypi/simple"
GITEA = {"name": "gitea", "url": f"{URL}/", "explicit": True}


def pyproject(repository: Repository) -> dict:
    """The repository's pyproject.toml."""
    return tomllib.loads((repository.path / "pyproject.toml").read_text())


def refusal(made: Repository, template: Path, *words: str) -> str:
    """Adopt, see that it is refused and that nothing is written; give the output."""
    before, status = made.content(), made.status()
    done = made.copier("copy", "--trust", "--defaults", "-d", "trial=none", *words, str(template), ".")
    assert done.returncode != 0, done.stdout
    assert "Nothing was written." in done.stdout
    assert "Traceback" not in done.stdout
    assert (made.content(), made.status()) == (before, status)
    return done.stdout


OTHER = '\n[[tool.uv.index]]\nname = "gitea"\nurl = "https://other.example.org/simple/"\nexplicit = true\n'


@pytest.mark.slow
def test_another_index_of_that_name(repository: Callable[..., Repository], template: Path) -> None:
    """The login for the template's would go to it. The patch renames it, and what comes from it."""
    source = '[tool.uv.sources]\nunused = [{ index = "gitea" }]\n'
    made = repository({"pyproject.toml": f"{HATCH}{TABLE}{source}{OTHER}", "small/__init__.py": ""})
    said = refusal(made, template)
    assert "an index named gitea at https://other.example.org/simple/" in said
    made.need("bash", "-euc", said.partition("same command again:\n")[2].partition("\nNothing was written")[0])
    adopt(made, template)
    uv = pyproject(made)["tool"]["uv"]
    assert uv["index"] == [{"name": "gitea-other", "url": "https://other.example.org/simple/", "explicit": True}, GITEA]
    assert uv["sources"] == {"unused": [{"index": "gitea-other"}]}


@pytest.mark.slow
def test_the_same_index_stays(repository: Callable[..., Repository], template: Path) -> None:
    """With or without a stroke at its end."""
    index = f'\n[[tool.uv.index]]\nname = "gitea"\nurl = "{URL}"\nexplicit = true\n'
    made = repository({"pyproject.toml": f"{HATCH}{TABLE}{index}", "small/__init__.py": ""})
    adopt(made, template)
    assert pyproject(made)["tool"]["uv"]["index"] == [{**GITEA, "url": URL}]


@pytest.mark.parametrize(
    "ours",
    [
        '[[tool.uv.index]]\nurl = "https://a.example.org/"\n',
        '[tool.uv]\nindex = [{ url = "https://a.example.org/" }]\n',
    ],
)
def test_an_index_without_a_name_stays_beside(ours: str) -> None:
    """It is told from others by its address."""
    theirs = f'[[tool.uv.index]]\nname = "gitea"\nurl = "{URL}/"\nexplicit = true\n'
    merged = tomllib.loads(merge(ours, "", theirs).text)["tool"]["uv"]["index"]
    assert merged == [{"url": "https://a.example.org/"}, GITEA]


REQUIREMENTS = """\
--index-url https://user:secret@main.example.org/simple
--extra-index-url https://torch.example.org/whl/cu121
--extra-index-url https://other.example.org/simple/
-f https://user:secret@links.example.org/wheels.html
--extra-index-url https://gitea/simple
torch==2.5.1
torchvision
torchmetrics
packaging
"""


def test_indexes_of_requirements_files(repository: Callable[..., Repository], render: Render, tmp_path: Path) -> None:
    """In the words of uv, without a login; torch's own is asked for torch alone."""
    made = repository({"requirements.txt": REQUIREMENTS, "small/__init__.py": ""})
    project = read_project(made.path)
    found = tomllib.loads(pattern((render(tasks=False) / "pyproject.toml").read_text(), project, made.path, True))
    uv = found["tool"]["uv"]
    assert [index["name"] for index in uv["index"]] == [
        "gitea",
        "main-example-org",
        "torch-example-org-whl-cu121",
        "other-example-org",
        "gitea-index",
    ]
    assert uv["index"][1] == {
        "name": "main-example-org",
        "url": "https://main.example.org/simple",
        "default": True,
    }
    assert uv["index"][2]["explicit"] is True
    assert uv["index"][3] == {"name": "other-example-org", "url": "https://other.example.org/simple/"}
    assert uv["sources"] == {name: {"index": "torch-example-org-whl-cu121"} for name in ("torch", "torchvision")}
    assert uv["find-links"] == ["https://links.example.org/wheels.html"]
    assert "secret" not in str(found) + str(project.notes)
    assert any("UV_INDEX_MAIN_EXAMPLE_ORG_USERNAME and _PASSWORD" in note for note in project.notes)


def test_a_variable_in_an_address(tmp_path: Path) -> None:
    """Pip fills it in, uv does not."""
    (tmp_path / "requirements.txt").write_text("packaging\n-i https://${LOGIN}@main.example.org/simple\n")
    with pytest.raises(Refused, match=r"requirements\.txt, line 2: uv replaces no variable in an address"):
        Requirements().read(tmp_path / "requirements.txt")


def test_an_index_that_is_left_out(tmp_path: Path) -> None:
    """What the workflow installs is in no folder of the owner's."""
    (tmp_path / "requirements.txt").write_text("packaging\n--no-index --find-links wheels\n")
    with pytest.raises(Refused, match=r"requirements\.txt, line 2: --no-index leaves out the index that pytest"):
        Requirements().read(tmp_path / "requirements.txt")


def test_a_folder_of_a_repository_is_a_requirement(tmp_path: Path) -> None:
    """Its `subdirectory` is part of the address."""
    line = "git+https://git.example.org/x.git@v1#egg=x[y]&subdirectory=sub/dir\n"
    (tmp_path / "requirements.txt").write_text(line)
    found = Requirements().read(tmp_path / "requirements.txt").entries
    assert found == ["x[y] @ git+https://git.example.org/x.git@v1#subdirectory=sub/dir"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("git+https://user:secret@git.example.org/x.git#egg=x", "line 1: the address has a login"),
        ("x @ git+https://token@git.example.org/x.git", "line 1: the address has a login"),
        ("--find-links https://${LOGIN}@links.example.org/", "line 1: uv replaces no variable"),
    ],
)
def test_a_login_in_an_address_is_not_copied(line: str, said: str, tmp_path: Path) -> None:
    """A wheel would carry it to everybody; ssh has a user and no secret."""
    (tmp_path / "requirements.txt").write_text(f"{line}\n")
    with pytest.raises(Refused, match=said) as refused:
        Requirements().read(tmp_path / "requirements.txt")
    assert "secret" not in str(refused.value)
    (tmp_path / "requirements.txt").write_text("x @ git+ssh://git@git.example.org/x.git\n")
    assert Requirements().read(tmp_path / "requirements.txt").entries == ["x @ git+ssh://git@git.example.org/x.git"]


def test_the_last_main_index_counts(tmp_path: Path) -> None:
    """As in pip; uv takes one only."""
    (tmp_path / "more.txt").write_text("-i https://one.example.org/a/simple/\n")
    text = "-r more.txt\n-i https://one.example.org/b/simple\n--extra-index-url https://one.example.org/c/simple\n"
    (tmp_path / "requirements.txt").write_text(text)
    found = read_project(tmp_path).indexes
    assert [(index["name"], index.get("default", False)) for index in found] == [
        ("one-example-org-b", True),
        ("one-example-org-c", False),
    ]


def test_the_template_s_index_in_requirements(repository: Callable[..., Repository], render: Render) -> None:
    """It is one index, which is asked for every name from then on."""
    made = repository({"requirements.txt": f"--extra-index-url {URL}\npackaging\n", "small/__init__.py": ""})
    text = (render(tasks=False) / "pyproject.toml").read_text()
    found = tomllib.loads(pattern(text, read_project(made.path), made.path, True))
    assert found["tool"]["uv"]["index"] == [{"name": "gitea", "url": f"{URL}/"}]


def test_two_indexes_of_torch(repository: Callable[..., Repository], render: Render) -> None:
    """A lock has one torch."""
    lines = "".join(f"--extra-index-url https://torch.example.org/whl/{kind}/\n" for kind in ("cpu", "cu121"))
    made = repository({"requirements.txt": f"{lines}torch\n", "small/__init__.py": ""})
    text = (render(tasks=False) / "pyproject.toml").read_text()
    with pytest.raises(Refused, match="two indexes of torch"):
        pattern(text, read_project(made.path), made.path, True)


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """The file's name is told, and nothing is left. (A limit of a file's size stands for the disk.)"""
    program = (
        "import resource, signal, sys; from pathlib import Path; from files import Files\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: Files(Path(sys.argv[1])).write('a.toml', b'x' * 5000)\n"
        "except OSError as error: print(error.filename, error.strerror)\n"
    )
    words = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(words, cwd=ROOT / "apply", capture_output=True, text=True, check=True)
    assert done.stdout == f"{tmp_path / 'a.toml'} File too large\n"
    assert list(tmp_path.iterdir()) == []


SOURCES = """\
[tool.uv.sources]
one = { git = "https://git.example.org/one.git" }
two = [{ path = "../two", marker = "sys_platform == 'linux'" }, { index = "x" }]
three = { index = "x" }
four = { url = "https://git.example.org/four.whl" }
"""


def test_sources_that_a_wheel_cannot_say() -> None:
    """Of dependencies alone: those of a group stay in the repository."""
    toml = f'{TABLE}dependencies = ["One>=1"]\noptional-dependencies.x = ["two", "three"]\n{SOURCES}'
    notes = source_notes(Project(toml, tomllib.loads(toml), [], ""))
    assert [note.partition(",")[0] for note in notes] == [
        "tool.uv.sources takes one from git",
        "tool.uv.sources takes two from path",
    ]
    assert notes[0].endswith('release it, write one = { index = "gitea" } there, and run uv lock')


def release_sister(forge: Forge, folder: Path) -> Path:
    """Release the sister to an owner's registry; return its repository."""
    files = forge.add_owner("sisters").files
    sister = make_sister(folder)
    Repository(sister, clean_environment(folder / "home")).need("uv", "build", "--quiet", "--out-dir", str(files))
    return sister


def test_a_source_becomes_the_index(
    repository: Callable[..., Repository], template: Path, forge: Forge, tmp_path: Path
) -> None:
    """What is said of it leads to a lock, and what the requirement says of versions stays."""
    sources = f'[tool.uv.sources]\nsister = {{ git = "file://{release_sister(forge, tmp_path)}" }}\n'
    extra = "optional-dependencies.x = [\"sister>=1 ; python_version >= '3'\"]\n"
    made = repository({"pyproject.toml": f"{HATCH}{TABLE}{extra}{sources}", "small/__init__.py": ""})
    said = adopt(made, template, "-d", f"gitea_url={forge.outside}", "-d", "gitea_owner=sisters")
    [line] = re.findall(r"takes sister from git, .* write (.+) there, and run (.+)", said)
    text = (made.path / "pyproject.toml").read_text()
    made.write("pyproject.toml", re.sub("^sister = .*$", line[0], text, flags=re.MULTILINE))
    made.need(*line[1].split())
    assert "sister>=1 ;" in (made.path / "pyproject.toml").read_text()
    assert f'registry = "{forge.index_url("sisters")}"' in (made.path / "uv.lock").read_text()
    assert "git+file" not in (made.path / "uv.lock").read_text()


@pytest.mark.slow
def test_an_address_becomes_the_index(
    repository: Callable[..., Repository], template: Path, forge: Forge, tmp_path: Path
) -> None:
    """The same for what a requirements file takes from git, after the sentence of the closing message."""
    lines = f"sister @ git+file://{release_sister(forge, tmp_path)}\npackaging\n"
    made = repository({"requirements.txt": lines, "small/__init__.py": ""})
    said = adopt(made, template, "-d", f"gitea_url={forge.outside}", "-d", "gitea_owner=sisters")
    [line] = re.findall("once the index has it, run (uv add sister .+)", said)
    made.need(*line.split())
    assert pyproject(made)["project"]["dependencies"] == ["sister", "packaging"]
    assert "git+file" not in (made.path / "uv.lock").read_text()


def test_a_source_in_a_workspace_that_is_gone(
    repository: Callable[..., Repository], template: Path, forge: Forge, tmp_path: Path
) -> None:
    """After `git subtree split`, say: the sister comes from the owner's index, never from the public one."""
    release_sister(forge, tmp_path)
    sources = "[tool.uv.sources]\nsister = { workspace = true }\n"
    toml = f'{HATCH}{TABLE}dependencies = ["sister"]\n\n{sources}'
    made = repository({"pyproject.toml": toml, "small/__init__.py": ""})
    answers = ("-d", f"gitea_url={forge.outside}", "-d", "gitea_owner=sisters")
    said = refusal(made, template, *answers)
    assert "tool.uv.sources takes sister from a workspace that this repository is not in" in said
    made.need("bash", "-euc", said.partition("template's index then.\n")[2].partition("\nNothing was written")[0])
    assert pyproject(made)["tool"]["uv"]["sources"] == {"sister": {"index": "gitea"}}
    adopt(made, template, *answers)
    assert f'registry = "{forge.index_url("sisters")}"' in (made.path / "uv.lock").read_text()


@pytest.mark.slow
def test_a_folder_called_like_a_requirement(repository: Callable[..., Repository], template: Path) -> None:
    """uv locks no package that needs itself."""
    made = repository({"requirements.txt": "packaging>=23\n", "code/__init__.py": ""}, name="packaging")
    (made.path / "code").rename(made.path / "helpers")
    made.commit("fix: a name")
    done = made.copier(
        "copy", "--trust", "--defaults", "-d", "trial=none", "-d", "project_name=toolz", str(template), "."
    )
    assert done.returncode == 0, done.stdout
    made.git("clean", "-fdxq")
    made.git("restore", ".")
    made.write("requirements.txt", "toolz\n")
    done = made.copier(
        "copy", "--trust", "--defaults", "-d", "trial=none", "-d", "project_name=toolz", str(template), "."
    )
    assert "it requires toolz from the index. Give it another name" in done.stdout
    word = done.stdout.partition("with -d ")[2].split()[0]
    adopt(made, template, "-d", word)
    assert pyproject(made)["project"]["name"] == "my-toolz"


@pytest.mark.slow
def test_a_folder_called_like_what_tests_need(repository: Callable[..., Repository], template: Path) -> None:
    """pyproject.toml says the name, whatever the folder is called; the name itself cannot be one of these."""
    made = repository({"pyproject.toml": f"{HATCH}{TABLE}", "small/__init__.py": ""}, name="pluggy")
    adopt(made, template)
    made.git("clean", "-fdxq")
    made.write("pyproject.toml", f"{HATCH}{TABLE}".replace('"small"', '"pluggy"'))
    (made.path / "small").rename(made.path / "pluggy")
    made.commit("fix: a name")
    assert "'pluggy' is what the tests of every package need" in refusal(made, template)


def test_an_extra_dev_in_other_letters(repository: Callable[..., Repository], template: Path) -> None:
    """To installers it is the same extra."""
    extra = '[project.optional-dependencies]\nDev = ["toolz"]\n'
    made = repository({"pyproject.toml": f"{HATCH}{TABLE}{extra}", "small/__init__.py": ""})
    adopt(made, template)
    extras = pyproject(made)["project"]["optional-dependencies"]
    assert extras == {"Dev": ["toolz", "pytest", "ruff==0.17.6"]}
    made.need("uv", "sync", "--frozen", "--extra", "dev")


@pytest.mark.slow
def test_a_byte_order_mark_goes(repository: Callable[..., Repository], template: Path) -> None:
    """Other tools fail on it, and that is told."""
    text = f"\ufeff{HATCH}{TABLE}[tool.ruff]\n"
    made = repository({"pyproject.toml": text, "small/__init__.py": ""})
    said = adopt(made, template)
    assert "\n  pyproject.toml: the byte order mark is gone, because other tools fail on it\n" in said
    assert (made.path / "pyproject.toml").read_bytes().startswith(b"[build-system]")


@pytest.mark.parametrize(
    ("ours", "merged"),
    [
        (b"[a]\r\nb = 1\n[c]\r\nd = 1\r\n", b"[a]\r\nb = 1\nx = 2\n[c]\r\nd = 1\r\ne = 3\r\n"),
        (b"[a]\nb = 1\r\n\n[c]\nd = 1\n", b"[a]\nb = 1\r\nx = 2\r\n\n[c]\nd = 1\ne = 3\n"),
        (b"[a]\r\nb = 1\r\n[c]\r\nd = 1", b"[a]\r\nb = 1\r\nx = 2\r\n[c]\r\nd = 1\r\ne = 3\r\n"),
    ],
)
def test_each_line_keeps_its_end(ours: bytes, merged: bytes) -> None:
    """A new one ends as the line above it."""
    assert merge(ours.decode(), "", "[a]\nx = 2\n[c]\ne = 3\n").text.encode() == merged


def test_tables_on_one_line(repository: Callable[..., Repository], template: Path) -> None:
    """They are added to as they are."""
    toml = 'project = { name = "small", version = "1.0.0", requires-python = ">=3.11" }\n' + HATCH
    made = repository({"pyproject.toml": toml + "[tool]\nruff = { line-length = 88 }\n", "small/__init__.py": ""})
    adopt(made, template)
    found = pyproject(made)
    assert found["project"]["optional-dependencies"]["dev"] == ["pytest", "ruff==0.17.6"]
    assert found["tool"]["ruff"] == {"line-length": 88, "extend-exclude": [".gitea", "tests/test_smoke.py"]}


@pytest.mark.slow
def test_files_that_nobody_can_read(repository: Callable[..., Repository], template: Path) -> None:
    """Latin-1, a notebook that is none, a pipe and a socket hinder nobody; a mode stays."""
    made = repository({"pyproject.toml": f"{HATCH}{TABLE}", "small/__init__.py": "", "a.ipynb": "no JSON"})
    (made.path / "scripts").mkdir()
    for name in ("requirements-dev.txt", "scripts/old.py", "README.rst"):
        (made.path / name).write_bytes("# grüße\n".encode("latin-1"))
    made.commit("fix: old files")
    made.need("mkfifo", "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(made.path / "socket"))
        (made.path / "pyproject.toml").chmod(0o444)
        add_origin(made)
        left = commands(adopt(made, template, trial="package"))
    assert "# ruff cannot read a.ipynb, scripts/old.py: fix or exclude them\ngit apply " in left
    assert (made.path / "pyproject.toml").stat().st_mode & 0o777 == 0o444
    made.need("bash", "-euo", "pipefail", "-c", left)
    made.need("uv", "run", "--extra", "dev", "ruff", "check")


def test_a_folder_where_a_file_has_to_be(repository: Callable[..., Repository], template: Path) -> None:
    """It is told, and everything stays as it was."""
    made = repository({"pyproject.toml": f"{HATCH}{TABLE}", "small/__init__.py": "", ".gitea/release.py/mine": "x\n"})
    said = refusal(made, template)
    assert ".gitea/release.py is a folder, but the template writes a file there. Rename the folder" in said
