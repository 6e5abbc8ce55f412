# /// script
# requires-python = ">=3.11"
# ///
"""Fails if uv.lock takes a package from another index although the owner's has one of that name.

uv asks the owner's index for direct dependencies alone while that is `explicit`, and the next index after a name that
was deleted. Somebody else may have that name there. Only the standard library. The template owns this file.
"""

import os
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from shared import SECRET, basic, git, http, need, one_line, say

# The same index by two addresses: uv.lock has the one for people, and this job reaches the other.
INDEX, HERE = os.environ["INDEX_URL"], f"{os.environ['REGISTRY_URL']}/simple/"
FIX = "Fix: delete `explicit = true` from pyproject.toml, run `uv lock --upgrade-package NAME`, and commit both."


def indexes(text: str) -> set[tuple[str, str]]:
    """Returns the packages that a uv.lock takes from an index, each with the address of that index."""
    packages = tomllib.loads(text).get("package", [])
    taken = {(package["name"], package.get("source", {}).get("registry", "")) for package in packages}
    return {(name, address) for name, address in taken if address}


def owners(address: str) -> bool:
    """Returns whether an address is that of the owner's index."""
    return address.rstrip("/").lower() == INDEX.rstrip("/").lower()


def ask(name: str) -> int:
    """Returns how the owner's index answers for a name: 200 if it has the package, 404 if not, 0 for no answer."""
    login = {"Authorization": basic(SECRET["INDEX_USER"], SECRET["INDEX_TOKEN"])} if SECRET["INDEX_TOKEN"] else {}
    return http("GET", f"{HERE}{name}/", login, pauses=(), limit=10)[0]


def main() -> None:
    """Compares uv.lock with the owner's index, and with the uv.lock of the commit before."""
    lock = Path("uv.lock")
    need(lock.exists(), "there is no uv.lock. Fix: run `uv lock`, and commit it.")
    names = {name: address for name, address in sorted(indexes(lock.read_text("utf-8"))) if not owners(address)}
    first, rest = list(names)[:1], list(names)[1:]
    answers = {name: ask(name) for name in first}
    if {200, 404} & set(answers.values()):  # else it would answer none of them
        with ThreadPoolExecutor(8) as pool:
            answers |= zip(rest, pool.map(ask, rest), strict=True)
    wrong = [name for name, status in answers.items() if status == 200]
    for name in wrong:
        say(f"uv.lock takes {name} from {names[name]}, and the owner's index has a package of that name.")
    need(not wrong, FIX.replace("NAME", wrong[0] if wrong else ""))
    # A name whose last version was deleted from the owner's index is free for anybody on the next one.
    before = indexes(git("show", "HEAD^:uv.lock", check=False))
    moved = sorted({name for name, address in before if owners(address)} & names.keys())
    for name in moved:
        say(f"uv.lock takes {name} from {names[name]}. Before, it came from the owner's index, which no longer has it.")
    need(not moved, "Fix: upload it to the owner's index again, or remove what needs it, and lock again.")
    if unknown := {name: status for name, status in answers.items() if status != 404}:
        name, status = next(iter(unknown.items()))
        advice = "set the secrets INDEX_USER and INDEX_TOKEN (scope read:package)" if status == 401 else "run it again"
        sentence = f"{HERE} did not say whether it has {name} ({status or 'no answer'}): {advice}."
        need(os.environ.get("GITHUB_EVENT_NAME") == "pull_request", sentence)
        # The pull request of a fork has no secrets; the push to main has.
        print(f"::warning::uv.lock was not compared with the owner's index. {one_line(sentence)}")


if __name__ == "__main__":
    main()
