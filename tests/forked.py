"""Copier's command line in a process that has imported it already: a start costs milliseconds, not half a second."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["copier._cli", "plumbum"])
LIMIT = 600  # seconds: the time of a hang


def child(words: Sequence[str], cwd: str, env: Mapping[str, str], out: str, err: str) -> None:
    """Becomes what `python -m copier` is when it starts: its environment, folder and streams."""
    from copier._cli import CopierApp
    from plumbum import local

    os.setsid()
    os.environ.clear()
    os.environ.update(env)
    local.env.clear()
    local.env.update(env)
    local.cwd.chdir(cwd)
    tempfile.tempdir = None
    for number, (name, flags) in enumerate(((os.devnull, os.O_RDONLY), (out, os.O_WRONLY), (err, os.O_WRONLY))):
        os.dup2(os.open(name, flags | os.O_CREAT | os.O_APPEND, 0o600), number)
    sys.argv = ["copier", *words]
    CopierApp.run()


def run_copier(
    words: Sequence[str | Path], cwd: Path, env: Mapping[str, str], merged: bool = False
) -> subprocess.CompletedProcess[str]:
    """Returns what `python -m copier WORDS` does in a folder, without a terminal.

    With `merged`, stdout has both streams.
    """
    text = [str(word) for word in words]
    with tempfile.TemporaryDirectory() as folder:
        out, err = f"{folder}/out", f"{folder}/out" if merged else f"{folder}/err"
        process = CONTEXT.Process(target=child, args=(text, str(cwd), dict(env), out, err))
        process.start()
        process.join(LIMIT)
        if process.is_alive():
            process.kill()
            process.join()
        read = (Path(name).read_text(errors="replace") if os.path.exists(name) else "" for name in (out, err))
        stdout, stderr = read
        return subprocess.CompletedProcess(text, process.exitcode or 0, stdout, "" if merged else stderr)
