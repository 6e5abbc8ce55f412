# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "build==1.6.1",
#     "packaging==26.3",
#     "pip-requirements-parser==32.0.1",
#     "pyyaml==6.0.3",
#     "tomlrt==2.3.2",
# ]
# ///
"""Brings an existing repository onto the template (`adopt`), or onto a newer version of it (`update`).

Copier starts this program through run.py, and has written nothing but the answers (on update). The data goes one way:

    repository.py   what the repository says about itself   (setup_metadata.py, requirements.py)
    application.py, indexes.py   what cannot be released as it is
    answers.py      the answers, corrected by it
    render.py       the template's files for these answers, old and new
    pattern.py      what of the rendered pyproject.toml concerns this repository   (style.py)
    merge.py        pyproject.toml merged by keys           (toml_edits.py)
    adopt.py, update.py   each file put in place            (checkout.py, ownership.py, files.py, journal.py)
    commands.py, lint.py, trial.py   uv.lock locked, the code linted, the first push tried in a copy
    version_notes.py   what the release makes of its versions
    report.py, next_steps.py   what the user reads

Everything that can be refused is checked first. If something fails later, every file is restored.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
RENDERER = (os.environ["COPIER_PYTHON"], str(Path(__file__).with_name("render.py")))
# Started first, because it imports Copier, which takes as long as everything that this program imports and reads.
renderer = subprocess.Popen(RENDERER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

from adopt import adopt  # noqa: E402
from commands import Refused  # noqa: E402
from context import Run  # noqa: E402
from update import update  # noqa: E402


def main() -> int:
    """Runs `adopt TEMPLATE ANSWERS_FILE ANSWERS TRIAL` or `update TEMPLATE ANSWERS_FILE NAMES` in this folder."""
    operation, template, answers_file, *given = sys.argv[1:]
    for number in STOPS:
        signal.signal(number, stop)
    with tempfile.TemporaryDirectory() as temporary:
        run = Run(Path(template), answers_file, Path.cwd(), Path(temporary), renderer)
        try:
            if operation == "adopt":
                adopt(run, json.loads(given[0]), given[1])
                run.report.show(f"{run.root.name} now uses the template.")
            else:
                update(run, named=json.loads(given[0]) if given else [])
                run.report.show(f"{run.root.name} now uses the new version of the template.")
        except Refused as refused:
            run.files.undo()
            print(f"\n{refused}\nNothing was written.", file=sys.stderr)
            return 1
        except OSError as error:
            run.files.undo()
            print(f"\n{error.filename}: {error.strerror}. Fix that, then run the same command again.", file=sys.stderr)
            print("Nothing was written.", file=sys.stderr)
            return 1
        except BaseException:
            run.files.undo()
            raise
    return 0


def stop(*_: object) -> NoReturn:
    """Ends the run, which undoes what it wrote. No further signal interrupts that.

    Raises:
        SystemExit: always.
    """
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)
    sys.exit("Stopped.")


if __name__ == "__main__":
    sys.exit(main())
