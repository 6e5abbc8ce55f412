# /// script
# requires-python = ">=3.11"
# dependencies = ["copier==9.19.1", "pyte==0.8.2", "rich==15.0.0", "uv==0.13.9"]
# ///
"""Makes the terminal pictures of README and docs from real runs: `uv run docs/pictures/terminal.py`.

Each command runs in a terminal, in an empty home, with the committed template of this clone under the address of the
pages. Questions are answered with the Return key, but for those in `TYPED`.
"""

import fcntl
import io
import os
import pty
import re
import select
import struct
import subprocess
import sys
import tempfile
import termios
from itertools import groupby
from pathlib import Path

import pyte
import uv
from rich.console import Console
from rich.text import Text

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ADDRESS = "https://git.example.org/acme/python-package-template.git"
WIDTH = 96  # columns of a picture
COLUMNS, HEIGHT = 2000, 300  # of the terminal, in which no line is folded
CERTIFICATES = re.compile("(?i)ssl_cert_(file|dir)|(all|https?|no)_proxy|uv_(default_index|system_certs)")
MARK = "\U0001f3a4"  # before each question
TYPED = {
    "One sentence about": "What all handlers share.",
    "Address of Gitea or Forgejo": "https://git.example.org",
    "Organisation or user": "acme",
}
CLEAR = "\x01\x0b"  # go to the beginning of the line, delete the rest
SETUP = {
    "copy": "mkdir ~/code",
    "adopt": """
        mkdir -p ~/code/toolbox/toolbox && cd ~/code/toolbox && git init -q -b main
        printf '%s\\n' '[build-system]' 'requires = ["setuptools"]' '[project]' 'name = "toolbox"' \\
          'version = "1.4.0"' 'requires-python = ">=3.11"' '[tool.black]' 'line-length = 100' > pyproject.toml
        echo 'import os' > toolbox/__init__.py && echo '# Toolbox' > README.md
        git add . && git commit -qm "Begin" && git remote add origin https://git.example.org/acme/toolbox.git
    """,
}
ANSWERS = "-d gitea_url=https://git.example.org -d gitea_owner=acme"
COMMANDS = {
    "copy": ("~/code", f"uvx copier copy --trust git+{ADDRESS} handler-base"),
    "adopt": ("~/code/toolbox", f"uvx copier copy --trust --defaults {ANSWERS} git+{ADDRESS} ."),
}

TITLES = {"copy": "a new package", "adopt": "an existing repository"}
CUTS = {
    "copy": [
        ("? Import package", "? Address of Gitea"),
        ("? Topic", "Copying from"),
        ("create  .gitea", "create  pyproject.toml"),
    ],
    "adopt": [(".gitea/actions/setup", ".gitea/workflows/ci.yaml")],
}


def answer(question: str) -> bytes:
    """Returns what is typed at a question."""
    text = next((f"{CLEAR}{text}" for part, text in TYPED.items() if part in question), "")
    return f"{text}\r".encode()


def ran(command: str, folder: Path, env: dict[str, str]) -> pyte.Screen:
    """Runs a command in a terminal. Returns the screen at its end."""
    screen = pyte.Screen(COLUMNS, HEIGHT)
    stream = pyte.ByteStream(screen)
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.execvpe("bash", ["bash", "-euc", command], env)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, COLUMNS, 0, 0))
    answered = 0
    while True:
        if select.select([terminal], [], [], 0.5)[0]:
            try:
                data = os.read(terminal, 65536)
            except OSError:  # it has ended
                break
            stream.feed(data)
            for _ in range(data.count(b"\x1b[6n")):
                os.write(terminal, f"\x1b[{screen.cursor.y + 1};{screen.cursor.x + 1}R".encode())
        elif (shown := "\n".join(screen.display)).count(MARK) > answered:
            answered = shown.count(MARK)
            os.write(terminal, answer(shown[shown.rfind(MARK) :]))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        sys.exit("\n".join(line.rstrip() for line in screen.display if line.strip()))
    return screen


def style(cell: pyte.screens.Char) -> str:
    """Returns the style of a cell in the words of rich."""
    colour = {"default": "", "brown": "yellow"}.get(cell.fg, re.sub("^bright", "bright_", cell.fg))
    return f"{'bold ' if cell.bold else ''}{f'#{colour}' if re.fullmatch('[0-9a-f]{6}', colour) else colour}".strip()


def lines(screen: pyte.Screen, home: str) -> list[Text]:
    """Returns the lines of a screen with their colours, without the empty ones at the end. The home is `~`."""
    found = []
    for number, plain in enumerate(screen.display):
        # A wide character has two cells; the second is empty, and no part of the plain line.
        wide = len(plain.rstrip()) + plain.count(MARK)
        cells = [screen.buffer[number][column] for column in range(wide)]
        parts = [("".join(cell.data for cell in run), look) for look, run in groupby(cells, style)]
        found.append(Text.assemble(*[(text.replace(home, "~").replace(MARK, "?"), look) for text, look in parts]))
    while found and not found[-1].plain:
        found.pop()
    return found


def shortened(found: list[Text], cuts: list[tuple[str, str]]) -> list[Text]:
    """Returns the lines without Copier's own about its tasks, none longer than two lines of the picture.

    From the one with a text up to another one there is a `⋮` instead.
    """
    found = [line for line in found if "Running task" not in line.plain]
    for line in found:
        line.truncate(2 * WIDTH, overflow="ellipsis")
    for first, last in cuts:
        start = next(number for number, line in enumerate(found) if first in line.plain)
        end = next(number for number, line in enumerate(found) if last in line.plain and number > start)
        found[start:end] = [Text("⋮", "dim")]
    return found


def picture(name: str, command: str, text: list[Text]) -> str:
    """Returns an SVG of a terminal that shows a command and what it printed. It loads nothing from elsewhere."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
    for line in text:
        console.print(line)
    svg = console.export_svg(title=TITLES[name], unique_id=name)
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    return svg.replace("Fira Code", "ui-monospace, Menlo, Consolas").replace(
        "<!-- Generated with Rich https://www.textualize.io -->", ""
    )


def main() -> None:
    """Writes a picture for each command."""
    with tempfile.TemporaryDirectory() as place:
        home, programs, template = (Path(place) / name for name in ("home", "bin", "template"))
        home.mkdir()
        programs.mkdir()
        # uvx runs the copier of this environment, with which the template is tested.
        (programs / "uvx").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m "$@"\n')
        (programs / "uvx").chmod(0o755)
        (programs / "uv").symlink_to(uv.find_uv_bin())
        git = ("git", "-c", "advice.detachedHead=false", "clone", "-q", "--no-tags", ROOT, template)
        subprocess.run(git, check=True)
        subprocess.run(["git", "tag", "v1.0.0"], cwd=template, check=True)
        settings = ("[user]", "name = You", "email = you@example.org", f'[url "{template}"]', f"insteadOf = {ADDRESS}")
        (home / ".gitconfig").write_text("\n".join(settings) + "\n")
        cache = subprocess.run([uv.find_uv_bin(), "cache", "dir"], capture_output=True, text=True, check=True)
        env = {name: value for name, value in os.environ.items() if CERTIFICATES.fullmatch(name)}
        env |= {"HOME": str(home), "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
        env |= {"TERM": "xterm-256color", "UV_CACHE_DIR": cache.stdout.strip()}
        for name, (folder, command) in COMMANDS.items():
            subprocess.run(["bash", "-euc", SETUP[name]], env=env, check=True)
            screen = ran(command, Path(folder.replace("~", str(home))), env)
            found = shortened(lines(screen, str(home)), CUTS[name])
            (HERE / f"{name}.svg").write_text(picture(name, command, found), "utf-8")


if __name__ == "__main__":
    main()
