"""File ownership: which files the template owns, and where a user's file goes whose name the template takes."""

from context import Run
from files import content

OWNED = (".gitea/", "tests/test_smoke.py")


def owned(name: str) -> bool:
    """Returns whether the template owns a file."""
    return name.startswith(OWNED)


def aside(name: str) -> str:
    """Returns the new name of a user's file whose own name the template takes."""
    # A workflow with another suffix does not run. A test with another name still runs.
    return f"{name.removesuffix('.py')}_before.py" if name.endswith(".py") else f"{name}.before"


def put_aside(run: Run, name: str, known: tuple[bytes | None, ...]) -> None:
    """Keeps a user's file, whose name the template takes, under another name, unless its content is a known one."""
    old = content(run.root / name)
    if old is None or old in known:
        return
    place = aside(name)
    while content(run.root / place) not in (None, old):
        place = aside(place)
    run.files.write(place, old)
    run.report.kept.append(f"{place}: your {name}. Move what you need out of it, then delete it")
