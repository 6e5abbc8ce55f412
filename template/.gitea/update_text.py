"""The text of an update's pull request, for somebody who does not open the template.

Whatever comes from the job that ran the template's newest version stands in code blocks, bounded and escaped. Only the
standard library. The template owns this file.
"""

import re
from typing import Any

from shared import SECRET, git, one_line

PART, LINES, LINE, FOLD = 7_000, 300, 500, 40  # characters and lines of a part, characters of a line, unfolded lines
SECTIONS = {  # a field of what the first job handed over, or of `differences`: its heading, how it is shown
    "results": ("Checks", "text"),
    "failures": ("The end of what failed", "text"),
    "notes": ("What changed in the template", "text"),
    "report": ("What changes here", "text"),
    "workflows": ("Workflows", "diff"),
    "pyproject": ("pyproject.toml", "diff"),
    "answers": ("Answers", "diff"),
    "lock": ("uv.lock", "text"),
    "files": ("All files", "text"),
}
DIFF = "-c core.quotePath=false diff --no-color --no-ext-diff --no-textconv HEAD".split()
ADVICE = (
    "Merge this to update, or close it to skip this version: it is not opened again. While it is open, it follows the "
    "default branch, until somebody else pushes a commit to its branch.\n"
)
BY_CI = "CI runs on it as well.\n"
BY_JOB = "Opened with the job's own token. Gitea starts no CI for it, so only the checks above ran.{}\n"
READ = " Read what changes below `.gitea/` before you merge: it runs with this repository's secrets then."
LOCKED = (
    "Brings the newest versions of the dependencies that pyproject.toml allows (`uv lock --upgrade`). Only uv.lock "
    "changes.\n",
    "Merge this, or close it: it comes again the next time that something is newer. While it is open, it follows the "
    "default branch and newer versions, until somebody else pushes a commit to its branch.\n",
    "The merge releases nothing, as a `chore:` does. To release, let its subject begin with `fix:`.\n",
    "Which of these are security fixes is not shown: `uv audit`, which can tell, is experimental. Run it by hand.\n",
)


def fenced(text: object, language: str = "text") -> str:
    """Returns text in a code block, where no name is mentioned, no number links, and no `closes #1` closes anything.

    A long one is folded.
    """
    lines = str(text).splitlines()
    kept = [one_line(line[:LINE].expandtabs())[:LINE] for line in lines[:LINES]]
    while len("\n".join(kept)) > PART:
        kept.pop()
    cut = "\n".join(kept) + (f"\nand {len(lines) - len(kept)} lines more" if len(kept) < len(lines) else "")
    fence = max(["```", *(f"{ticks}`" for ticks in re.findall("`{3,}", cut))], key=len)
    block = f"{fence}{language}\n{cut}\n{fence}\n"
    return block if len(kept) <= FOLD else f"<details><summary>{len(lines)} lines</summary>\n\n{block}\n</details>\n"


def differences(tree: str) -> dict[str, str]:
    """Returns what a tree of files changes here. This job looks itself: the first one could tell something else."""
    return {
        "workflows": git(*DIFF, tree, "--", ".gitea/workflows"),
        "pyproject": git(*DIFF, tree, "--", "pyproject.toml"),
        "files": " " + git(*DIFF, "--stat=110,80", "--summary", tree),
    }


def compare(tag: str, since: str, template: str) -> str:
    """Returns a link to what changed in the template, if its address is a page and `since` names a commit there."""
    page = re.fullmatch(r"(?:git\+)?(https?://[\w.:-]+/[\w./~-]+?)(\.git)?/?", template)
    known = page and re.fullmatch(r"[\w.+-]{1,100}", since)
    return f" ([{since}...{tag}]({page[1]}/compare/{since}...{tag}))" if page and known else ""


def compose(tag: str, plan: dict[str, Any], template: str, kept: list[tuple[int, str]]) -> str:
    """Returns the text of the pull request.

    Args:
        tag: The template's version.
        plan: What the first job handed over, and the differences.
        template: The template's address.
        kept: The pull requests that this one replaces, but whose branches hold somebody's commits: number and version.
    """
    link = compare(tag, str(plan["since"]), template)
    parts = [*not_ready(plan), f"Brings this repository to the template's version {tag}{link}.\n", ADVICE]
    for number, older in kept:
        advice = f"its branch template/{older} stays. Take over what you need, then delete it."
        parts.append(f"#{number}, which this replaces, has commits by somebody else: {advice}\n")
    same = [SECTIONS[name][0] for name in list(SECTIONS)[4:] if not plan[name]]  # files, not what is said about them
    parts += sections(plan, *SECTIONS)
    if same:
        parts.append(f"Unchanged: {', '.join(same).lower()}.\n")
    return "\n".join([*parts, BY_CI if SECRET["TEMPLATE_TOKEN"] else BY_JOB.format(READ)])


def compose_lock(plan: dict[str, Any]) -> str:
    """Returns the text of the pull request for newer dependencies, of what the first job handed over."""
    parts = [*not_ready(plan), *LOCKED, *sections(plan, "lock", "results", "failures")]
    return "\n".join([*parts, BY_CI if SECRET["TEMPLATE_TOKEN"] else BY_JOB.format("")])


def not_ready(plan: dict[str, Any]) -> list[str]:
    """Returns why a pull request must not be merged as it is, if anything is against it."""
    return [f"**Not ready to be merged:**\n\n{fenced(plan['reasons'])}"] if plan["reasons"] else []


def sections(plan: dict[str, Any], *names: str) -> list[str]:
    """Returns the sections of a text that have something to say."""
    shown = [(*SECTIONS[name], plan[name]) for name in names if plan[name]]
    return [part for heading, language, text in shown for part in (f"### {heading}\n", fenced(text, language))]
