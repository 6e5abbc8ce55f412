"""The rules of the merge, one example each, and whole files byte for byte."""

from dataclasses import asdict
from datetime import date
from textwrap import dedent

import merge as module
import pytest
from merge import Merged, MergeError, merge

PATTERN = """\
[build-system]
requires = ["hatchling==1.33.0"]
build-backend = "hatchling.build"

[project]
name = "handler-base"
requires-python = ">=3.11"

[project.optional-dependencies]
dev = [
    "pytest==9.2.0",
    "ruff==0.17.6",
]

# Where the owner's packages are.
[[tool.uv.index]]
name = "gitea"
url = "https://git.example/simple/"
explicit = true

[tool.ruff]
line-length = 120

[tool.ruff.lint]
select = ["F", "E", "W", "I"]
"""


def merged(ours: str, base: str, theirs: str) -> Merged:
    """Merge, and see that doing it again, or with an unchanged pattern, changes nothing."""
    result = merge(ours, base, theirs)
    again = merge(result.text, base, theirs)
    assert (again.text, again.added, again.removed, again.updated) == (result.text, [], [], [])
    assert merge(result.text, theirs, theirs).text == result.text
    return result


def kept(result: Merged) -> dict[str, tuple[object, object]]:
    """What was kept: path to (ours, theirs)."""
    return {entry["path"]: (entry["ours"], entry["theirs"]) for entry in result.kept}


def toml(text: str) -> str:
    """Text of a test without its indentation."""
    return dedent(text).lstrip("\n")


# One value, three ways.

MISSING = None
RULES = {
    "new in the pattern: added": (MISSING, MISSING, "1", "1", False),
    "the user has another one: kept": ("2", MISSING, "1", "2", True),
    "the user has the same: silent": ("1", MISSING, "1", "1", False),
    "the pattern changed: taken": ("1", "1", "2", "2", False),
    "the user changed: kept": ("3", "1", "1", "3", False),
    "both changed: kept": ("3", "1", "2", "3", True),
    "both changed alike: silent": ("2", "1", "2", "2", False),
    "the user deleted: stays so": (MISSING, "1", "1", MISSING, False),
    "the user deleted, the pattern changed: stays so": (MISSING, "1", "2", MISSING, True),
    "dropped by the pattern: removed": ("1", "1", MISSING, MISSING, False),
    "dropped by the pattern, changed by the user: kept": ("2", "1", MISSING, "2", True),
    "dropped by both: silent": (MISSING, "1", MISSING, MISSING, False),
    "the user's alone": ("1", MISSING, MISSING, "1", False),
    "1 is not 1.0": ("1.0", "1", "2", "1.0", True),
    "true is not 1": ("true", "1", "2", "true", True),
    "not a number is what it was": ("nan", "nan", "1.5", "1.5", False),
    "quotes do not matter": ("'a'", '"a"', '"b"', '"b"', False),
    "spelling of a number does not matter": ("0x10", "16", "17", "17", False),
    "moments": ("2026-01-02 03:04:05Z", "2026-01-02T03:04:05Z", "2027-01-01", "2027-01-01", False),
    "lists of other things are one value": ("[1, 2]", "[1, 2]", "[1, 3]", "[1, 3]", False),
    "changed lists of other things": ("[1, 2, 4]", "[1, 2]", "[1, 3]", "[1, 2, 4]", True),
    "a value that becomes a table": ("1", "1", "{ a = 1 }", "1", True),
    "a table that becomes a value": ("{ a = 1 }", "{ a = 1 }", "1", "{ a = 1 }", True),
    "a list that becomes a value": ('["a"]', '["a"]', "1", "1", False),
}


@pytest.mark.parametrize("place", ["[t]\nkey = {}\n", "t.key = {}\n", "t = {{ key = {}, z = 1 }}\n"])
@pytest.mark.parametrize(("ours", "base", "theirs", "result", "reported"), RULES.values(), ids=RULES)
def test_one_value(
    place: str, ours: str | None, base: str | None, theirs: str | None, result: str | None, reported: bool
) -> None:
    """A value follows the pattern or stays, wherever and however it is written."""
    other = "[t]\nz = 1\n" if "[t]" in place else "t.z = 1\n" if place.startswith("t.") else "t = { z = 1 }\n"
    place = place + "z = 1\n" if "[t]" in place else place + "t.z = 1\n" if place.startswith("t.") else place
    texts = [other if value is None else place.format(value) for value in (ours, base, theirs)]
    texts[0] += "# the user's\n"
    outcome = merged(*texts)
    assert module.parse(outcome.text, "").get("t", {}) == module.parse(
        other if result is None else place.format(result), ""
    ).get("t")
    assert list(kept(outcome)) == (["t.key"] if reported else [])
    assert outcome.text.endswith("# the user's\n")


def test_a_value_changes_alone_on_its_line() -> None:
    """Layout and the user's comment beside a value that follows the pattern stay."""
    result = merged("\tline-length  =100   # wide\n", "line-length = 100", "line-length = 120")
    assert result.text == "\tline-length  =120   # wide\n"
    assert result.updated == [{"path": "line-length", "ours": 100, "theirs": 120}]


def test_a_comment_outlives_its_value() -> None:
    """What the pattern drops goes, the user's words about it do not."""
    ours = "# Agreed with Ann.\n[a]\n  x = [ # for now\n    1, # one\n  ]\n  y = 2\n"
    result = merged(ours, "[a]\nx = [1]\n", "")
    assert result.text == "# Agreed with Ann.\n[a]\n  # for now\n  # one\n  y = 2\n"
    assert result.removed == [{"path": "a.x", "value": [1]}]


def test_a_dropped_table_goes_with_its_header() -> None:
    """No empty header stays, and no second blank line."""
    ours = "[a]\nx = 1\n\n[tool.b]\ny = 1\n[tool.b.c]\nz = 1\n\n[d]\nw = 1\n"
    result = merged(ours, "[tool.b]\ny = 1\nc.z = 1\n", "")
    assert result.text == "[a]\nx = 1\n\n[d]\nw = 1\n"


def test_a_deleted_table_stays_deleted() -> None:
    """A new key in a table that the user took away is reported; `tool` alone is no table that one takes away."""
    base = "[tool.ruff]\nx = 1\n"
    result = merged("[project]\nname = 'a'\n", base, "[tool.ruff]\nx = 1\ny = 2\n\n[tool.uv]\nz = 3\n")
    assert result.text == "[project]\nname = 'a'\n\n[tool.uv]\nz = 3\n"
    assert kept(result) == {"tool.ruff": (None, {"x": 1, "y": 2})}


def test_a_dropped_table_leaves_the_users_keys() -> None:
    """Of a table that the pattern dropped only the pattern's values go."""
    result = merged("[a]\nx = 1\nmine = 2\n", "[a]\nx = 1\n", "")
    assert result.text == "[a]\nmine = 2\n"


def test_an_untouched_file_becomes_the_new_pattern() -> None:
    """Who changed nothing gets the new pattern, its comments and order included, with the line ends of their file."""
    new = "# New words.\n" + PATTERN.replace("120", "100")
    assert merged(PATTERN, PATTERN, new).text == new
    result = merged(PATTERN.replace("\n", "\r\n"), PATTERN, new)
    assert result.text == new.replace("\n", "\r\n")
    assert result.updated == [{"path": "tool.ruff.line-length", "ours": 120, "theirs": 100}]


# Lists.


def test_lists_of_strings_merge_as_sets() -> None:
    """Added is added, dropped goes, the user's own stay, and so do layout, order and comments."""
    ours = toml("""
        select = [
          # ours first
          'X',  # mine
          'F',
          'W',  # warnings
          'E'  # errors
          # the end
        ]
        """)
    result = merged(ours, 'select = ["E", "F", "W"]', 'select = ["F", "E", "I", "N"]')
    assert result.text == toml("""
        select = [
          # ours first
          'X',  # mine
          'F',
          # warnings
          'E',  # errors
          # the end
          'I',
          'N'
        ]
        """)
    assert result.added == [{"path": "select[I]", "value": "I"}, {"path": "select[N]", "value": "N"}]
    assert result.removed == [{"path": "select[W]", "value": "W"}]


@pytest.mark.parametrize(
    ("ours", "result"),
    [
        ("[]", '["new", "new2"]'),
        ("[\n]", '[\n    "new",\n    "new2",\n]'),
        ("[\n    # nothing yet\n]", '[\n    # nothing yet\n    "new",\n    "new2",\n]'),
        ('["a"]', '["a", "new", "new2"]'),
        ("['a']", "['a', 'new', 'new2']"),
        ('[ "a", ]', '[ "a", "new", "new2", ]'),
        ('["a",\n "b"]', '["a",\n "b",\n "new",\n "new2"]'),
        ('[\n\t"a",\n\t"b", # c\n]', '[\n\t"a",\n\t"b", # c\n\t"new",\n\t"new2",\n]'),
        ('[\n  "a", "b"\n]', '[\n  "a", "b",\n  "new",\n  "new2"\n]'),
        ('[\n  "a" # c\n]', '[\n  "a", # c\n  "new",\n  "new2"\n]'),
        ('[\n    "a"\n  , "b"\n]', '[\n    "a"\n  , "b"\n  , "new"\n  , "new2"\n]'),
        ('["a#]", "b,"]', '["a#]", "b,", "new", "new2"]'),
    ],
)
def test_layout_of_added_elements(ours: str, result: str) -> None:
    """New elements look like the last one."""
    assert merged(f"x = {ours} # c\n", "", 'x = ["new", "new2"]').text == f"x = {result} # c\n"


@pytest.mark.parametrize(
    ("ours", "result"),
    [
        ('["old"]', "[]"),
        ('["a", "old"]', '["a"]'),
        ('["old", "a"]', '["a"]'),
        ('[ "old", "a", "old" ]', '[ "a" ]'),
        ('[\n  "old",\n  "a",\n]', '[\n  "a",\n]'),
        ('[\n  "a",\n  "old"\n]', '[\n  "a"\n]'),
        ('[\n  "a",\n  "old" # why\n]', '[\n  "a"\n  # why\n]'),
        ('[\n    "old"\n  , "a"\n]', '[\n    "a"\n]'),
    ],
)
def test_layout_of_removed_elements(ours: str, result: str) -> None:
    """A removed element takes its line along, not its neighbours'."""
    assert merged(f"x = {ours}\n", 'x = ["old"]', "x = []").text == f"x = {result}\n"


def test_requirements_are_known_by_their_distribution() -> None:
    """One entry a distribution: replaced in place where it was the pattern's, kept and reported where it was not."""
    base = 'dev = ["pytest==9.2.0", "ruff==0.17.6", "Old_Tool==1", "gone==1"]'
    theirs = 'dev = ["pytest==9.3.0", "ruff==0.18.0", "new==1"]'
    ours = "dev = ['Mine>=1', 'PyTest >=7', 'ruff == 0.17.6', 'old.tool==1']  # mine"
    head = "[project.optional-dependencies]\n"
    result = merged(head + ours, head + base, head + theirs)
    assert result.text == head + "dev = ['Mine>=1', 'PyTest >=7', 'ruff==0.18.0', 'new==1']  # mine"
    path = "project.optional-dependencies.dev"
    assert kept(result) == {f"{path}[pytest]": ("PyTest >=7", "pytest==9.3.0")}
    assert result.added == [{"path": f"{path}[new]", "value": "new==1"}]
    assert result.removed == [{"path": f"{path}[old-tool]", "value": "old.tool==1"}]
    assert result.updated == [{"path": f"{path}[ruff]", "ours": "ruff == 0.17.6", "theirs": "ruff==0.18.0"}]


def test_a_requirement_that_only_the_user_changed() -> None:
    """Where the pattern did not move, there is nothing to say."""
    ours, pattern = '[project]\ndependencies = ["a>=1"]\n', '[project]\ndependencies = ["a==2"]\n'
    result = merged(ours, pattern, pattern + 'readme = "r"\n')
    assert (result.text, result.kept) == (ours + 'readme = "r"\n', [])


@pytest.mark.parametrize(
    "path",
    [
        "project.dependencies",
        "project.optional-dependencies.any",
        "dependency-groups.any",
        "build-system.requires",
        "tool.uv.constraint-dependencies",
        "tool.uv.build-constraint-dependencies",
    ],
)
def test_where_requirements_are(path: str) -> None:
    """Each list of requirements that packaging or uv knows merges by distribution, adoption included."""
    result = merged(f'{path} = ["a[x]>=1"]\n', "", f'{path} = ["A==2", "b"]')
    assert result.text == f'{path} = ["a[x]>=1", "b"]\n'
    assert kept(result) == {f"{path}[a]": ("a[x]>=1", "A==2")}


def test_no_entry_of_one_distribution_is_lost() -> None:
    """Entries of one distribution with different markers follow the pattern together, or stay together."""
    old = """dependencies = ["a[x]>=1; python_version<'3.9'", "a>=2; python_version>='3.9'"]"""
    new = """dependencies = ["a>=3; python_version<'3.9'", "a>=4; python_version>='3.9'", "a>=5; os_name=='nt'"]"""
    head = "[project]\n"
    assert merged(head + old + "\n", head + old, head + new).text.split() == (head + new).split()
    changed = old.replace(">=2", ">=2.5") + "\n"
    result = merged(head + changed, head + old, head + new)
    assert result.text == head + changed
    assert list(kept(result)) == ["project.dependencies[a]"]


def test_groups_that_include_others_are_one_value() -> None:
    """A list that does not only hold strings is compared whole."""
    ours = '[dependency-groups]\ndev = ["a", { include-group = "b" }]\n'
    result = merged(ours, "", '[dependency-groups]\ndev = ["c"]\n')
    assert (result.text, list(kept(result))) == (ours, ["dependency-groups.dev"])


# Tables.


def test_arrays_of_tables_merge_by_name() -> None:
    """An element is known by its name; the user's own stay, wherever they are."""
    base = '[[tool.uv.index]]\nname = "gitea"\nurl = "a"\n'
    theirs = '[[tool.uv.index]]\nname = "gitea"\nurl = "b"\nexplicit = true\n\n[[tool.uv.index]]\nname = "c"\n'
    ours = toml("""
        [[tool.uv.index]]
        name = "mine"
        url = "a"

        [[tool.uv.index]]
        url = "a"  # the forge
        name = "gitea"
        default = false

        # Strict.
        [tool.mypy]
        strict = true
        """)
    assert merged(ours, base, theirs).text == toml("""
        [[tool.uv.index]]
        name = "mine"
        url = "a"

        [[tool.uv.index]]
        url = "b"  # the forge
        name = "gitea"
        default = false
        explicit = true

        [[tool.uv.index]]
        name = "c"

        # Strict.
        [tool.mypy]
        strict = true
        """)
    inline = '[tool.uv]\nindex = [{ name = "mine" }, { url = "a", name = "gitea" }]\n'
    assert merged(inline, base, theirs).text == (
        '[tool.uv]\nindex = [{ name = "mine" }, { url = "b", name = "gitea", explicit = true }, { name = "c" }]\n'
    )


def test_a_key_of_an_element_that_is_deleted_stays_deleted() -> None:
    """The command that adds the first package of the same owner deletes `explicit`; no update brings it back."""
    base = '[[tool.uv.index]]\nname = "gitea"\nurl = "a"\nexplicit = true\n'
    ours = base.replace("explicit = true\n", "")
    assert merged(ours, base, base).text == ours
    assert merged(ours, base, base.replace('"a"', '"b"')).text == ours.replace('"a"', '"b"')


def test_an_element_goes_as_a_whole_or_not_at_all() -> None:
    """An index that the pattern dropped is never left without its name."""
    base = '[[tool.uv.index]]\nname = "gitea"\nurl = "a"\n\n[[tool.uv.index]]\nname = "b"\n'
    theirs = '[[tool.uv.index]]\nname = "b"\n'
    ours = base.replace('url = "a"', 'url = "a"\ndefault = true')
    result = merged(ours, base, theirs)
    assert (result.text, list(kept(result))) == (ours, ["tool.uv.index[gitea]"])
    assert merged("# mine\n" + base, base, theirs).text == "# mine\n\n" + theirs


def test_arrays_of_tables_without_names_are_one_value() -> None:
    """Elements that nothing tells apart follow the pattern together, or stay together."""
    base = "[a]\nx = 1\n\n[[t.s]]\nk = 1\n\n[[t.s]]\nk = 2\n"
    theirs = "[[t.s]]\nk = 1\n[[t.s]]\nk = 3\n"
    assert merged("# mine\n" + base, base, theirs).text == "# mine\n\n" + theirs
    changed = base.replace("k = 2", "k = 4")
    assert list(kept(merged(changed, base, base.replace("k = 2", "k = 3")))) == ["t.s"]


def test_another_build_backend_keeps_its_requirements() -> None:
    """The pattern's backend is no requirement of another one."""
    ours = '[build-system]\nrequires = ["setuptools>=61"]\nbuild-backend = "setuptools.build_meta"\n'
    result = merged(ours, "", PATTERN)
    assert result.text.startswith(ours + "\n[project]")
    assert list(kept(result)) == ["build-system"]


def test_a_dynamic_field_gets_no_value() -> None:
    """What the user's build backend fills in must not stand in [project] as well."""
    ours = '[project]\nname = "a"\ndynamic = ["version"]\n'
    result = merged(ours, "", '[project]\nname = "a"\nversion = "0"\n')
    assert (result.text, kept(result)) == (ours, {"project.version": ("dynamic", "0")})


def test_a_field_that_is_dynamic_no_longer() -> None:
    """A value comes in when the pattern takes its name off the dynamic fields."""
    ours = '[project]\ndynamic = ["version"]\nmine = 1\n'
    result = merged(ours, '[project]\ndynamic = ["version"]\n', '[project]\nversion = "0"\n')
    assert result.text == '[project]\nmine = 1\nversion = "0"\n'


def test_tables_with_one_name_are_told_apart_by_nothing() -> None:
    """Two elements of one name make the array one value, and neither is lost."""
    ours = '[[a]]\nname = "n"\n[[a]]\nname = "n"\nx = 1\n'
    result = merged(ours, "", '[[a]]\nname = "n"\ny = 1\n')
    assert (result.text, list(kept(result))) == (ours, ["a"])


def test_dotted_keys_go_from_an_inline_table() -> None:
    """A table that the pattern dropped goes from an inline table in all its parts."""
    ours = "t = { a.x = 1, mine = 2, a.y = 2 }\n"
    assert merged(ours, "t.a = { x = 1, y = 2 }", "t = {}").text == "t = { mine = 2 }\n"


def test_where_a_new_table_goes() -> None:
    """Behind its relatives and the comments that end them, before the comments of the next table; with its own."""
    theirs = (
        "[tool.ruff.lint]\n# Why this.\n# And more.\nselect = []  # all\n\n# About format.\n[tool.ruff.format]\nx = 1\n"
    )
    ours = "[tool.ruff]\na = 1\n# b = 2\n{}# About c.\n[c]\n"
    assert merged(ours.format("\n"), "", theirs).text == ours.format("\n" + theirs + "\n")
    crammed = "[tool.ruff]\na = 1\n{}# About c.\n[c]\n"
    assert merged(crammed.format(""), "", theirs).text == crammed.format("\n" + theirs + "\n")


# Whole files, byte for byte.

HATCHLING = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "handler-base"
version = "0.3.1"
description = 'Base for "handlers"'
requires-python = ">=3.11"
dependencies = [
    "httpx>=0.27",  # http
    "nats-py",
]

[project.optional-dependencies]
dev = [
    "pytest>=8.0",  # tests
    "pytest-asyncio>=0.23"
]

[tool.ruff]
line-length = 100
# target-version = "py311"

[tool.ruff.lint]
select = ["E", "F"]

[tool.pytest.ini_options]
asyncio_mode = "auto"
"""


def test_hatchling_flat() -> None:
    """The diff is one that the owner would have written."""
    expected = (
        HATCHLING.replace('0.23"\n]', '0.23",\n    "ruff==0.17.6"\n]').replace('"F"]', '"F", "W", "I"]')
        + PATTERN[PATTERN.index("\n# Where") : PATTERN.index("\n[tool.ruff]")]
    )
    result = merged(HATCHLING, "", PATTERN)
    assert result.text == expected
    assert kept(result) == {
        "build-system.requires[hatchling]": ("hatchling", "hatchling==1.33.0"),
        "project.optional-dependencies.dev[pytest]": ("pytest>=8.0", "pytest==9.2.0"),
        "tool.ruff.line-length": (100, 120),
    }
    assert [entry["path"] for entry in result.added] == [
        "project.optional-dependencies.dev[ruff]",
        "tool.uv.index",
        "tool.ruff.lint.select[W]",
        "tool.ruff.lint.select[I]",
    ]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["", "\n"])
def test_setuptools_with_leftovers(line_end: str, mark: str, end: str) -> None:
    """Tables out of order, tabs, other tools and any line end stay; what is new stands beside its like."""
    ours = toml("""
        # Made in 2019.
        [tool.black]
        line-length = 88
        skip-string-normalization = true   # ugly

        # The package.
        [project]
        \tname = 'handler-base'
        \tdynamic = ["version"]
        \tdependencies = ["requests"]

        # The rest.
        [tool.isort]
        profile = "black"

        [project.scripts]
        handle = "handler_base:main"

        [build-system]
        requires = ["setuptools>=61", "wheel"]

        [tool.poetry]
        name = "left-over"
        [tool.poetry.dependencies]
        python = "^3.8"

        [tool.setuptools.dynamic]
        version = {attr = "handler_base.__version__"}
        [tool.flake8]
        ignore = ['E501']""")
    expected = ours.replace('["requests"]\n', '["requests"]\n\trequires-python = ">=3.11"\n').replace(
        "\n[build-system]",
        '\n[project.optional-dependencies]\ndev = [\n    "pytest==9.2.0",\n    "ruff==0.17.6",\n]\n\n[build-system]',
    )
    expected += "\n" + PATTERN[PATTERN.index("\n# Where") :]
    result = merged(mark + (ours + end).replace("\n", line_end), "", PATTERN)
    assert result.text == expected.replace("\n", line_end), "without the mark"
    assert list(kept(result)) == ["build-system"]


def test_inline_and_dotted_tables() -> None:
    """What is written inline or with dotted keys is added to in the same way, but for arrays of tables."""
    ours = toml("""
        project = { name = "handler-base", optional-dependencies = { dev = ["pytest"] } }  # one line
        tool.ruff.line-length = 88
        tool.ruff.lint = {ignore=["E501"]}
        tool.black.x = 1
        """)
    pattern = PATTERN[PATTERN.index("[project]") :]
    assert (
        merged(ours, "", pattern).text
        == (
            'project = { name = "handler-base", optional-dependencies = { dev = ["pytest", "ruff==0.17.6"] },'
            ' requires-python = ">=3.11" }  # one line\n'
            "tool.ruff.line-length = 88\n"
            'tool.ruff.lint = {ignore=["E501"], select=["F", "E", "W", "I"]}\n'
            "tool.black.x = 1\n"
        )
        + PATTERN[PATTERN.index("\n# Where") : PATTERN.index("\n[tool.ruff]")]
    )


@pytest.mark.parametrize("ours", ["", "\n", "# Only words.\n", "\ufeff"])
def test_empty_files(ours: str) -> None:
    """Into nothing comes the whole pattern."""
    blank = "\n" if ours.startswith("#") else ""
    assert merged(ours, "x = 1", PATTERN.removesuffix("\n")).text == ours.removeprefix("\ufeff") + blank + PATTERN


def test_strings_that_look_like_toml() -> None:
    """Quotes, brackets, hashes and equal signs in strings and keys mislead nobody."""
    ours = toml("""
        "a = [" = '''
        [x]
        k = 1 # no comment ''''  # a comment
        b = \"\"\"\\
          \\\"\"\" [[y]] "\"\"\"
        ["t]" . 'u#']
        v = [['#'], [']'], { "," = "}" }]
        list = ["]", '"', "#", "a\\"]"]
        """)
    theirs = '["t]".\'u#\']\nlist = ["]", "new #"]\n["t]".\'u#\'."x.y"]\nz = 1\n'
    assert merged(ours, "", theirs).text == (
        ours.replace('"a\\"]"]', '"a\\"]", "new #"]') + '\n["t]".\'u#\'."x.y"]\nz = 1\n'
    )


def test_a_new_key_comes_as_the_pattern_writes_it() -> None:
    """Its comments and its lines come along."""
    new = "# Why.\nx = [ # so\n  'a', # one\n] # all\n"
    result = merged("[t]\ny = 1 # mine\n\n# About b.\n[b]\n", "", "[t]\n" + new)
    assert result.text == "[t]\ny = 1 # mine\n" + new + "\n# About b.\n[b]\n"


def test_comments_of_a_dropped_array_of_tables() -> None:
    """They stay in its place, with the blank lines around it."""
    ours = "[a]\nx = 1\n\n# Index.\n[[i]] # head\nname = 'g' # name\n# end\n\n# About d.\n[d]\n"
    result = merged(ours, "[[i]]\nname = 'g'\n", "")
    assert result.text == "[a]\nx = 1\n\n# Index.\n# head\n# name\n# end\n\n# About d.\n[d]\n"


def test_a_new_table_above_a_part_of_it() -> None:
    """The comment on the part stays with the part."""
    part = "# About lint.\n[tool.ruff.lint]\nselect = []\n"
    result = merged("[a]\n\n" + part, "", "[tool.ruff]\nx = 1\n")
    assert result.text == "[a]\n\n[tool.ruff]\nx = 1\n\n" + part


def test_a_text_that_is_no_requirement() -> None:
    """It is known by itself."""
    ours, base, theirs = (f"[project]\ndependencies = {names}\n" for names in (["a b", "c"], ["a b"], ["c", "d=1"]))
    result = merged(ours, base, theirs)
    assert result.text == "[project]\ndependencies = ['c', 'd=1']\n"


# What comes of it.


def test_report() -> None:
    """The report has the values as Python has them, in the order of the pattern."""
    theirs = 'a = 2\nb = 2026-01-02\nz = "ä"\n'
    found = merge("a = 1\r\nb = 2026-01-01 # c\r\n", "", theirs)
    assert asdict(found) == {
        "text": 'a = 1\r\nb = 2026-01-01 # c\r\nz = "ä"\r\n',
        "added": [{"path": "z", "value": "ä"}],
        "removed": [],
        "updated": [],
        "kept": [
            {"path": "a", "ours": 1, "theirs": 2},
            {"path": "b", "ours": date(2026, 1, 1), "theirs": date(2026, 1, 2)},
        ],
    }


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (("a = 1\nb = = 2\n", "", ""), ["pyproject.toml is not valid TOML", "line 2, column 5", "Correct it"]),
        (("a = 1\nb = [", "", ""), ["pyproject.toml is not valid TOML", "line 2, column 6"]),
        (("", "b\n", ""), ["the old pattern is not valid TOML", "line 1, column 2"]),
        (("", "", "a\n"), ["the pattern is not valid TOML", "line 1, column 2"]),
    ],
)
def test_invalid_texts(texts: tuple[str, str, str], words: list[str]) -> None:
    """One clear sentence, with the text's name and the place in it."""
    with pytest.raises(MergeError) as refused:
        merge(*texts, names=("pyproject.toml", "the old pattern", "the pattern"))
    assert all(word in str(refused.value) for word in words)
    assert len(str(refused.value).splitlines()) == 1


def test_a_wrong_outcome_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Should an edit go wrong, nothing comes out but the list of keys to change by hand."""
    monkeypatch.setattr(module, "carry_out", lambda edits, ours, theirs: ours)
    with pytest.raises(MergeError, match=r"cannot be merged safely.*by hand: tool\.ruff\."):
        merge("", "y = 1", "tool.ruff.x = 1")


@pytest.mark.parametrize("text", ["x = 1\ny = 1\n", "# mine\nx = 2\n", "# mine\nx = = 1\n"])
def test_a_lost_comment_or_broken_text_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """The outcome has every comment, the planned values, and is TOML."""
    monkeypatch.setattr(module, "carry_out", lambda edits, ours, theirs: text)
    with pytest.raises(MergeError, match="cannot be merged safely"):
        merge("# mine\nx = 1\n", "", "y = 1")


def test_a_table_whose_last_key_went_is_made_again() -> None:
    """The pattern drops all that the user has in `tool.ruff`, and adds something there."""
    ours = "[tool.mine]\na = 1\n\n[tool.ruff.lint.p]\nz = 1\n"
    base = "[tool.ruff.lint]\nselect = []\n\n[tool.ruff.lint.p]\nz = 1\n"
    theirs = "[tool.ruff]\nlint.select = []\nline-length = 88\n"
    assert merge(ours, base, theirs).text == "[tool.mine]\na = 1\n\n[tool.ruff]\nline-length = 88\n"
