"""Whatever three files meet: nothing of the user's is lost, and the pattern holds or is reported."""

import datetime
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from merge import merge
from toml_text import Author, is_tables

ABSENT = object()
REQUIREMENTS = ["pytest==9.2.0", "pytest>=7", "PyTest [x]>=8", "ruff==0.17.6", "a; python_version<'3.9'", "a>=2", "b_c"]
RULES = ["E", "F", "W", "I", "it's", 'say "#"']
MOMENT = datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.UTC)
SCALARS = [
    1,
    1.0,
    True,
    "1",
    "plain",
    "a # b",
    "it's",
    'a "q"',
    "back\\slash",
    "ä 🐍",
    "[x]",
    "",
    MOMENT.date(),
    MOMENT,
]
MIXED = [[1, "x"], [[1], [2]], [1.5], [{"a": 1}, {"b": [1, 2]}], [{"name": "n"}, {"name": "n"}]]


def lists(pool: list[str]) -> st.SearchStrategy[list[str]]:
    """Some strings of a pool in any order."""
    return st.lists(st.sampled_from(pool), max_size=4)


def tables(*keys: str) -> st.SearchStrategy[dict[str, Any]]:
    """Small tables."""
    return st.dictionaries(st.sampled_from(keys), st.sampled_from(SCALARS), min_size=1)


# What may stand in the three files, and what values it may have. `odd` changes its kind.
SCHEMA: dict[tuple[str, ...], st.SearchStrategy[Any]] = {
    ("top",): st.sampled_from(SCALARS),
    ("build-system", "requires"): lists(REQUIREMENTS),
    ("build-system", "build-backend"): st.sampled_from(["x.build", "y.build"]),
    ("project", "name"): st.sampled_from(SCALARS),
    ("project", "version"): st.sampled_from(SCALARS),
    ("project", "dynamic"): st.just(["version"]),
    ("project", "dependencies"): lists(REQUIREMENTS),
    ("project", "optional-dependencies", "dev"): lists(REQUIREMENTS),
    ("tool", "ruff", "line-length"): st.sampled_from([88, 100, 120, 120.0]),
    ("tool", "ruff", "lint", "select"): lists(RULES),
    ("tool", "ruff", "lint", "per file"): tables("x.y", "z"),
    ("tool", "uv", "index"): st.lists(
        tables("url", "explicit").flatmap(lambda t: st.sampled_from("ghi").map(lambda n: {"name": n, **t})),
        min_size=1,
        max_size=3,
        unique_by=lambda element: element["name"],
    ),
    ("tool", "mixed"): st.sampled_from(MIXED),
    ("tool", "odd"): st.one_of(st.sampled_from(SCALARS), tables("p", "q"), st.sampled_from(MIXED), lists(RULES)),
}
DISPUTED = st.sampled_from([path for path in SCHEMA if path[-1] in {"top", "name", "version", "line-length", "mixed"}])
OWN = st.dictionaries(
    st.sampled_from(["mine", "my own"]),
    st.one_of(st.sampled_from([*SCALARS, *MIXED]), tables("m", "n")),
)


@st.composite
def states(draw: st.DrawFn) -> tuple[str, str, str]:
    """The texts ours, base and theirs."""
    ours: dict[str, Any] = {}
    base: dict[str, Any] = {}
    theirs: dict[str, Any] = {}
    kind = draw(st.sampled_from(["conflict", "conflict", "calm", "any", "adoption"]))
    chosen = draw(st.lists(st.sampled_from(list(SCHEMA)), unique=True, min_size=1, max_size=8))
    if kind == "conflict":
        chosen.insert(0, chosen.pop(chosen.index(disputed)) if (disputed := draw(DISPUTED)) in chosen else disputed)
    for path in chosen:
        pool = [ABSENT, *draw(st.lists(SCHEMA[path], min_size=1, max_size=3))]
        one = draw(st.sampled_from(pool))
        same = kind == "calm" and draw(st.integers(0, 2)) > 0
        values = [one if same else draw(st.sampled_from(pool)) for _ in range(3)]
        if kind == "conflict" and path == chosen[0]:
            values = draw(st.lists(SCHEMA[path], min_size=3, max_size=3, unique_by=repr))
        for side, value in zip((ours, base, theirs), values, strict=True):
            if value is not ABSENT and not (kind == "adoption" and side is base):
                put(side, path, value)
    for path in [(), ("project",), ("tool",), ("tool", "ruff"), ("tool", "uv")]:
        table = ours
        for key in path:
            table = table.get(key, {})
        if table or not path:
            table.update(draw(OWN))
    dice = Random(draw(st.integers(0, 2**32)))
    return tuple(Author(dice, who).file(side) for who, side in (("ours", ours), ("base", base), ("theirs", theirs)))


def put(data: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Set a value in nested tables."""
    for key in path[:-1]:
        data = data.setdefault(key, {})
    data[path[-1]] = value


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every value with its path; elements of lists of strings one by one, of arrays of tables by their name."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif is_tables(value) and len({element.get("name", i) for i, element in enumerate(value)}) == len(value):
        for i, element in enumerate(value):
            yield from leaves(element, (*path, f"[{element.get('name', i)}]"))
    elif isinstance(value, list) and all(isinstance(element, str) for element in value):
        for element in value:
            yield (*path, f"has {element}"), True
    else:
        yield path, repr(value)


def load(text: str) -> dict[tuple[Any, ...], Any]:
    """All values of a file."""
    return dict(leaves(tomllib.loads(text.removeprefix("\ufeff"))))


def remarks(text: str) -> Counter[str]:
    """The comments of the user's, which no other file has."""
    return Counter(re.findall(r"# ours \d+ ", text))


def reported(path: tuple[Any, ...], kept: list[dict[str, Any]]) -> bool:
    """Whether the report speaks of this value, or of a table or list that holds it, or of one where it would be."""
    spoken = [re.sub(r"[\"'\\]", "", entry["path"]) for entry in kept]
    dotted = ".".join(map(str, path)).replace(".[", "[")
    dotted = re.sub(r"[\"'\\]", "", dotted)
    whole, _, element = dotted.partition(".has ")
    name = re.sub(r"[-_.]+", "-", re.match(r"[\w.-]*", element)[0]).lower()
    candidates = {whole, f"{whole}[{element}]", f"{whole}[{name}]"}
    return any(one == said or one.startswith((said + ".", said + "[")) for one in candidates for said in spoken)


def check(texts: tuple[str, str, str]) -> bool:
    """Hold one merge against every promise; says whether it was a true three-way conflict."""
    ours, base, theirs = texts
    merged = merge(ours, base, theirs)
    o, b, t, result = (load(text) for text in (*texts, merged.text))

    # Everything of the user's is there unless it equalled the old pattern; so is every comment.
    for path, value in o.items():
        assert result.get(path) == value or b.get(path) == value, f"lost {path}"
    assert remarks(ours) == remarks(merged.text)
    # Nothing comes out of nowhere.
    for path, value in result.items():
        assert value in (o.get(path), t.get(path)), f"invented {path}"
    # What the pattern newly requires is there, or the report says that it is not.
    for path, value in t.items():
        if b.get(path) != value and result.get(path) != value:
            assert reported(path, merged.kept), f"silent about {path}"
    # What the pattern dropped is gone, or the report says that it is not.
    for path, value in b.items():
        if path not in t and o.get(path) == value and path in result:
            assert reported(path, merged.kept), f"silent about {path}"
    # The user's own tables and the line ends are as they were, byte for byte.
    own = [
        line
        for line in ours.removeprefix("\ufeff").splitlines(keepends=True)
        if re.match(r"\s*[\"']?(mine|my own)[^{\[]*$", line)
    ]
    rest = iter(merged.text.removeprefix("\ufeff").splitlines(keepends=True))
    assert all(any(line.rstrip("\r\n") == other.rstrip("\r\n") for other in rest) for line in own)
    if "\r\n" in ours:
        assert "\n" not in merged.text.replace("\r\n", "")
    # A second merge finds nothing to do.
    again = merge(merged.text, base, theirs)
    assert (again.text, again.added, again.removed, again.updated) == (merged.text, [], [], [])
    assert merge(merged.text, theirs, theirs).text == merged.text

    sides = [[d.get(path, ABSENT) for d in (o, b, t)] for path in o.keys() | b.keys() | t.keys()]
    conflict = bool(b) and any(len({*map(str, side)}) == 3 for side in sides)
    event("true three-way conflict" if conflict else "adoption" if not b else "no conflict")
    return conflict


@pytest.mark.parametrize("examples", [400, pytest.param(4_000, marks=pytest.mark.slow)])
def test_nothing_of_the_users_is_lost(examples: int, record_property: Callable[[str, object], None]) -> None:
    """The promises hold for generated files, at least a third of them true three-way conflicts."""
    conflicts: list[bool] = []

    @settings(
        max_examples=examples, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(states())
    def promises(texts: tuple[str, str, str]) -> None:
        conflicts.append(check(texts))

    promises()
    share = sum(conflicts) / len(conflicts)
    print(f"{len(conflicts)} merges, {share:.0%} of them true three-way conflicts")
    record_property("true_conflicts", f"{share:.0%}")
    assert share >= 1 / 3
