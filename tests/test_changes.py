"""Cutting the difference of two trees and putting it together anew."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from krepro.hunt.changes import (
    Change,
    Kind,
    Run,
    compose,
    cut,
    functions_of,
    load_tree,
    parses,
    reachable,
    refine,
    unified_diff,
)

M = "keras/src/m.py"


def changes_of(old: str, new: str, path: str = M) -> list[Change]:
    return cut({path: dedent(old)}, {path: dedent(new)})


def names_of(old: str, new: str) -> list[tuple[str, ...]]:
    return [change.names for change in changes_of(old, new)]


def composed(old: str, new: str, *wanted: str) -> str:
    """Return OLD's module with the changes of the wanted names."""
    trees = {M: dedent(old)}, {M: dedent(new)}
    chosen = [c for c in cut(*trees) if not set(wanted).isdisjoint(c.names)]
    text = compose(*trees, chosen).get(M, trees[0][M])
    assert text is not None
    assert parses(text), text
    return text


def applied(
    old: dict[str, str], new: dict[str, str], changes: list[Change]
) -> dict[str, str]:
    merged = {**old, **compose(old, new, changes)}
    return {path: text for path, text in merged.items() if text is not None}


# Modules for the properties: pieces that are there, gone, moved, or in another version.

MEMBERS = [
    "    def f(self):\n        return 1\n",
    "    def f(self):\n        '''Doc.'''\n        return 1  # one\n",
    "    def f(self, x=2):\n        y = x\n\n        return y\n",
    "\n    # Lead.\n    @property\n    def p(self):\n        return self._p\n",
    "    @p.setter\n    def p(self, value):\n        self._p = value\n",
    "    @p.setter\n    def p(self, value):\n        self._p = [\n            value\n        ]\n",
    "    a = 1\n",
    "    a = 2\n",
    "    a: int = 3; b = 4\n",
    "    class Inner:\n        z = 1\n\n        def g(self): return 2\n",
    "    class Inner:\n        z = 2\n\n        def g(self):\n            def h():\n                pass\n            return h\n",
    "    if True:\n        c = 1\n    else:\n        c = 2\n",
    "\tdef_ = 1\n".replace("\t", "    "),
    "\n\n    # A remark.\n",
]
HEADERS = [
    "class A:\n    keep = 0\n",
    "class A(object):\n    '''Doc.'''\n    keep = 0\n",
    "@print\nclass A(\n    object,\n    # why\n):\n\n    # first\n    keep = 0\n",
    "class B: keep = 0; also = 1\n",
]
PIECES = [
    "def f(x):\n    return x\n",
    "def f(x):\n    '''Doc.'''\n    return x\n",
    "def f(x):\n    if x:\n        return (\n            x\n        )\n    else:\n        pass\n",
    "async def f(x):\n\treturn x\n",
    "@print\n# between\n@str\ndef g():\n    return f(1)\n",
    "def g(): return '''a\n\nb'''\n",
    "x = 1\n",
    "x = 2\n",
    "x = 1; y = 2\n",
    "y = [\n    1,\n    2,\n]\n",
    "y = [1, 2]\n",
    "if x:\n    def h():\n        return 1\nelse:\n    h = None\n",
    "try:\n    import sys\nexcept ImportError:\n    sys = None\n",
    "\n\n# A remark.\n",
    "\f\n",
    "'''Text.'''\n",
    "def h(): pass\n\n\n\n",
    "def e(v):\n    match v:\n        case 1:\n            return 2\n        case _:\n            return 3\n",
]
IMPORTS = [
    "import os\n",
    "import os as f\n",
    "import os.path\n",
    "from a import x\n",
    "from b import x\n",
    "from a import x, y, g\n",
    "from a import (\n    y,\n    h as g,\n)\n",
    "from . import f\n",
    "from .. import *\n",
    "import a, b; import c\n",
]


@st.composite
def classes(draw: st.DrawFn) -> str:
    body = draw(st.lists(st.sampled_from(MEMBERS), max_size=5))
    head = draw(st.sampled_from(HEADERS))
    if head.startswith("class B"):
        return head
    prefix = "    p = property()\n" if any(".setter" in m for m in body) else ""
    return head + prefix + "".join(body)


def modules(pieces: list[str]) -> st.SearchStrategy[str]:
    part = st.one_of(st.sampled_from(pieces), classes())
    return st.lists(part, max_size=8).map("".join)


@st.composite
def pairs(draw: st.DrawFn, pieces: list[str] = PIECES + IMPORTS) -> tuple[str, str]:
    """Two modules with pieces in common, some of them in another order."""
    part = st.one_of(st.sampled_from(pieces), classes())
    common = draw(st.lists(part, max_size=5))
    sides = []
    for _ in range(2):
        side = list(common)
        for piece in draw(st.lists(part, max_size=3)):
            side.insert(draw(st.integers(0, len(side))), piece)
        for _ in range(draw(st.integers(0, 2))):
            if side:
                side.append(side.pop(draw(st.integers(0, len(side) - 1))))
        sides.append("".join(side))
    return sides[0], sides[1]


def roughened(text: str, how: str) -> str:
    ways = {
        "crlf": text.replace("\n", "\r\n"),
        "cr": text.replace("\n", "\r"),
        "open": text.rstrip("\n"),
        "tabs": text.replace("    ", "\t"),
        "broken": text + "def (:\n",
        "bom": "\ufeff" + text,
        "odd": text.replace("return 1", "return '\x0b\u2028é\x1c'"),
    }
    return ways.get(how, text)


WAYS = ["", "", "", "crlf", "cr", "open", "tabs", "broken", "bom", "odd"]


@settings(max_examples=250)
@given(pairs(), st.sampled_from(WAYS), st.sampled_from(WAYS), st.data())
def test_all_changes_are_new_and_none_are_old(pair, one, other, data):
    old, new = {M: roughened(pair[0], one)}, {M: roughened(pair[1], other)}
    changes = cut(old, new)
    assert bool(changes) == (old != new)
    assert compose(old, new, []) == {}
    assert applied(old, new, changes) == new
    hunks = [hunk for change in changes for hunk in refine(change, old, new)]
    assert applied(old, new, hunks) == new
    some = data.draw(st.lists(st.sampled_from(hunks), unique=True)) if hunks else []
    compose(old, new, some)


@settings(max_examples=200)
@given(pairs(PIECES))
def test_what_is_left_out_is_the_only_difference(pair):
    """One change that is not applied makes the others go the long way round."""
    guard = "def guard():\n    return {}\n"
    old, new = ({M: guard.format(n) + text} for n, text in enumerate(pair))
    changes = [change for change in cut(old, new) if "guard" not in change.names]
    expected = {M: guard.format(0) + pair[1]}
    assert applied(old, new, changes) == expected
    hunks = [hunk for change in changes for hunk in refine(change, old, new)]
    assert applied(old, new, hunks) == expected


@settings(max_examples=200)
@given(pairs(), st.data())
def test_what_is_composed_of_changes_parses(pair, data):
    old, new = {M: pair[0]}, {M: pair[1]}
    if not parses(pair[0]) or not parses(pair[1]):
        return
    changes = cut(old, new)
    if changes:
        some = data.draw(st.lists(st.sampled_from(changes), unique=True))
        text = applied(old, new, some)[M]
        assert parses(text), text


@settings(max_examples=100)
@given(
    st.dictionaries(st.sampled_from("abcd"), modules(PIECES + IMPORTS)),
    st.dictionaries(st.sampled_from("cdef"), modules(PIECES + IMPORTS)),
)
def test_trees_with_new_and_removed_and_renamed_files(one, other):
    old = {f"keras/{name}.py": text for name, text in one.items()}
    new = {f"keras/{name}.py": text for name, text in other.items()}
    changes = cut(old, new)
    assert applied(old, new, changes) == new
    assert compose(old, new, []) == {}
    assert changes == sorted(set(changes))
    hunks = [hunk for change in changes for hunk in refine(change, old, new)]
    assert applied(old, new, hunks) == new


# Where it is cut

OLD = """\
    '''A module.'''

    import os

    LIMIT = 1

    # About f.
    def f(x):
        return x

    class A:
        '''A class.'''

        size = 1

        @property
        def p(self):
            return 1

        @p.setter
        def p(self, value):
            pass

        def gone(self):
            pass
    """


def test_each_definition_is_a_change():
    new = (
        OLD.replace("LIMIT = 1", "LIMIT = 2")
        .replace("return x", "return -x")
        .replace("size = 1", "size = 2")
        .replace("def p(self):\n            return 1", "def p(self):\n            return 2")
        .replace("def gone(self)", "def come(self)")
        .replace("class A:", "class A(object):")
    )
    changes = changes_of(OLD, new)
    assert [(c.names, c.kind) for c in changes] == [
        (("LIMIT",), Kind.CHANGED),
        (("f",), Kind.CHANGED),
        (("A",), Kind.CHANGED),
        (("A.size",), Kind.CHANGED),
        (("A.p",), Kind.CHANGED),
        (("A.gone",), Kind.REMOVED),
        (("A.come",), Kind.ADDED),
    ]
    assert not any(change.inert for change in changes)
    assert changes[1].old_lines == changes[1].new_lines == ((6, 9),)
    assert changes[1].old_text == "\n# About f.\ndef f(x):\n    return x\n"
    assert changes[5].new_lines == ()
    assert str(changes[1]) == f"{M}: f"


def test_a_setter_is_told_from_its_getter():
    setter = "    @p.setter\n    def p(self, value):\n        pass\n"
    getter = "    @property\n    def p(self):\n        return 1\n"
    (change,) = changes_of(f"class A:\n{setter}", f"class A:\n{getter}{setter}")
    assert (change.kind, change.new_text) == (Kind.ADDED, getter)


def test_definitions_of_one_name_keep_their_order():
    old = "def f():\n    return 1\ndef f():\n    return 2\n"
    new = "def f():\n    return 1\ndef f():\n    return 3\n"
    (change,) = changes_of(old, new)
    assert change.old_lines == ((3, 4),)


def test_statements_in_a_row_are_one_change():
    old = "A = 1\nB = 1\nprint(A)\ndef f(): pass\nC = 1\n"
    new = "A = 2\nB = 2\nprint(B)\ndef f(): pass\nC = 2\n"
    assert names_of(old, new) == [("A", "B", "<module>"), ("C",)]


def test_statements_that_share_a_line_are_not_parted():
    old = "x = 1; y = (\n    2\n)\ndef f(): pass\nz = 1\n"
    new = "x = 2; y = (\n    3\n)\ndef f(): pass\nz = 2\n"
    changes = changes_of(old, new)
    assert [change.old_lines for change in changes] == [((1, 3),), ((5, 5),)]


def test_a_statement_with_bodies_is_one():
    old = "try:\n    def f(): return 1\nexcept ValueError:\n    def f(): return 2\n"
    (change,) = changes_of(old, old.replace("2", "3"))
    assert change.names == ("<module>",)
    assert change.on_import


@pytest.mark.parametrize(
    "old",
    [
        "class A: x = 1\n",
        "class A(\n    B\n): x = 1\n",
        "class A:\n    '''Doc.'''; x = 1\n    y = 2\n",
    ],
)
def test_a_class_whose_lines_are_shared_is_not_parted(old):
    (change,) = changes_of(old, old.replace("1", "3"))
    assert change.names == ("A",)
    assert change.old_text == old


def test_a_function_that_becomes_a_class_is_one_change():
    (change,) = changes_of("def f(): pass\n", "class f: pass\n")
    assert (change.names, change.kind) == (("f",), Kind.CHANGED)


def test_a_new_class_is_one_change_with_all_that_is_in_it():
    (change,) = changes_of("", "class A:\n    def f(self): pass\n")
    assert (change.names, change.kind) == (("A",), Kind.ADDED)


def test_what_moved_and_changed_can_be_had_apart():
    f, g = "def f():\n    return 1\n", "def g():\n    return 2\n"
    h = "def h():\n    return 3\n"
    changed = f.replace("1", "9")
    old, new = f + g + h, g + h + changed
    by_kind = {change.inert: change for change in changes_of(old, new)}
    assert by_kind[False].names == ("f",)
    trees = {M: old}, {M: new}
    assert compose(*trees, [by_kind[False]]) == {M: changed + g + h}
    assert compose(*trees, [by_kind[True]]) == {M: g + h + f}
    assert refine(by_kind[True], *trees) == [by_kind[True]]


def test_a_class_or_a_statement_that_moved_is_not_inert():
    a, b = "class A:\n    x = 1\n", "class B:\n    x = 2\n"
    assert [c.inert for c in changes_of(a + b, b + a)] == [False]
    assert [c.inert for c in changes_of("a = 1\nprint(a)\n", "print(a)\na = 1\n")] == [
        False
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("def f():\n    return 1\n", "def f():\n    '''Doc.'''\n    return 1\n"),
        ("def f():\n    return 1\n", "# Said.\ndef f():\n\n    return (1)  # one\n"),
        (
            "class A:\n    '''Doc.'''\n    def f(self):\n        '''A.'''\n",
            "class A:\n    '''Other.'''\n    def f(self):\n        pass\n",
        ),
        ("x = [1, 2]\n", "x = [\n    1,\n    2,\n]\n"),
        ("import a\nimport b\n", "import b\nimport a\n"),
        ("from a import b, c\n", "from a import b\nfrom a import c\n"),
        ("x = 1", "x = 1\n"),
        ("", "\n\n"),
        ("x = 1\n", "'''Doc.'''\nx = 1\n"),
        ("def f():\n    return 1\n", "def f():\r\n    return 1\r\n"),
    ],
)
def test_what_says_the_same_is_inert_and_one_change(old, new):
    (change,) = changes_of(old, new)
    assert change.inert
    assert compose({M: old}, {M: new}, [change]) == {M: new}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("def f(x=1): pass\n", "def f(x=2): pass\n"),
        ("def f(): pass\n", "async def f(): pass\n"),
        ("def f():\n    return '''a'''\n", "def f():\n    return '''b'''\n"),
        ("class A:\n    pass\n", "class A(B):\n    pass\n"),
        ("def f():\n    return 1\n", "def f():\n    return 1.0\n"),
        ("@a\ndef f(): pass\n", "@b\ndef f(): pass\n"),
        ("x = 'a'\n", "x = b'a'\n"),
        ("f()\n", "f(); f()\n"),
    ],
)
def test_what_says_something_else_is_not_inert(old, new):
    (change,) = changes_of(old, new)
    assert not change.inert


def test_a_file_that_does_not_parse_is_one_change():
    old, new = "def f(:\n    1\n", "def f():\n    2\n"
    (change,) = changes_of(old, new)
    assert (change.names, change.inert, change.on_import) == (("<module>",), False, True)
    assert len(refine(change, {M: old}, {M: new})) == 1


def test_files_come_and_go():
    old = {"keras/a.py": "x = 1\n", "keras/empty.py": "", "keras/note.txt": "a\nb\n"}
    new = {"keras/b.py": "y = 2\n", "keras/bare.py": "", "keras/note.txt": "a\nc\n"}
    changes = cut(old, new)
    assert [(c.path, c.kind) for c in changes] == [
        ("keras/a.py", Kind.FILE_REMOVED),
        ("keras/b.py", Kind.FILE_ADDED),
        ("keras/bare.py", Kind.FILE_ADDED),
        ("keras/empty.py", Kind.FILE_REMOVED),
        ("keras/note.txt", Kind.CHANGED),
    ]
    assert compose(old, new, changes[:1]) == {"keras/a.py": None}
    assert compose(old, new, changes[1:4]) == {
        "keras/b.py": "y = 2\n",
        "keras/bare.py": "",
        "keras/empty.py": None,
    }
    assert functions_of(changes)[:2] == [
        "keras/a.py: file removed",
        "keras/b.py: file added",
    ]


def test_a_class_that_lost_its_members_keeps_a_body():
    old = "class A:\n    class B:\n        x = 1\n"
    new = "class A:\n    class B:\n        '''Doc.'''\n"
    assert names_of(old, new) == [("A.B",), ("A.B.x",)]
    assert composed(old, new, "A.B.x") == "class A:\n    class B:\n        pass\n"


def test_a_renamed_file_is_one_change():
    body = "".join(f"def f{n}():\n    return {n}\n" for n in range(9))
    old = {"keras/a/x.py": body, "keras/a/y.py": "# nothing\n"}
    new = {"keras/b/x.py": body.replace("return 3", "return 33"), "keras/b/z.py": "q = 1\n"}
    changes = cut(old, new)
    (change,) = [c for c in changes if c.kind is Kind.RENAMED]
    assert (change.old_path, change.path) == ("keras/a/x.py", "keras/b/x.py")
    assert len(changes) == 3
    assert compose(old, new, [change]) == {
        "keras/a/x.py": None,
        "keras/b/x.py": new["keras/b/x.py"],
    }
    moved, edited = refine(change, old, new)
    assert compose(old, new, [moved]) == {"keras/a/x.py": None, "keras/b/x.py": body}
    assert compose(old, new, [edited]) == {"keras/a/x.py": new["keras/b/x.py"]}
    assert functions_of([change]) == ["keras/a/x.py: renamed to keras/b/x.py"]


def test_the_version_and_tests_are_never_changes():
    old = {"keras/src/version.py": "1", "keras/a_test.py": "1", "keras-3.dist-info/R": "1"}
    new = {"keras/src/version.py": "2", "keras/a_test.py": "2", "keras-3.dist-info/R": "2"}
    assert cut(old, new) == []
    assert cut({"keras/version.py": "1"}, {}) == []
    assert len(cut({}, {"keras/version.py": "1"})) == 1
    assert len(cut({"keras/src/v/version.py": "1"}, {"keras/src/v/version.py": "2"})) == 1


# Imports


def test_a_new_import_comes_with_what_uses_it():
    old = "import os\n\ndef f():\n    return 1\n\ndef g():\n    return 1\n"
    new = (
        "import os\nimport math\n\ndef f():\n    return math.e\n\ndef g():\n    return 2\n"
    )
    assert names_of(old, new) == [("f",), ("g",)]
    assert "import math" in composed(old, new, "f")
    assert "import math" not in composed(old, new, "g")


def test_a_removed_import_stays_while_it_is_used():
    old = "import math\n\ndef f():\n    return math.e\n\ndef g():\n    return math.pi\n"
    new = "def f():\n    return 2.7\n\ndef g():\n    return 3.1\n"
    assert names_of(old, new) == [("f",), ("g",)]
    assert "import math" in composed(old, new, "f")
    assert composed(old, new, "f", "g") == new


def test_a_name_in_a_string_or_a_comment_or_after_a_dot_is_no_use():
    old = "def f():\n    return 1\n\ndef g():\n    return 1\n"
    new = (
        "import math\n\ndef f():\n    '''See math.'''\n    return x.math, x().math, 'math'  # math\n\n"
        "def g():\n    return f'{math.e}'\n"
    )
    assert "import math" not in composed(old, new, "f")
    assert "import math" in composed(old, new, "g")


def test_an_import_from_elsewhere_belongs_to_its_only_user():
    old = "from a import t\n\ndef f():\n    return t(1)\n\ndef g():\n    return 1\n"
    new = "from b import t\n\ndef f():\n    return t(2)\n\ndef g():\n    return 2\n"
    assert names_of(old, new) == [("f",), ("g",)]
    assert "from b import t" in composed(old, new, "f")
    assert "from a import t" in composed(old, new, "g")
    trees = {M: old}, {M: new}
    own, body = refine(cut(*trees)[0], *trees)
    assert compose(*trees, [own]) == {M: old.replace("from a", "from b")}
    assert compose(*trees, [body]) == {M: old.replace("t(1)", "t(2)")}


def test_an_import_from_elsewhere_with_other_users_is_a_change():
    old = "from a import t\n\ndef f():\n    return t(1)\n\ndef g():\n    return t(0)\n"
    new = "from b import t\n\ndef f():\n    return t(2)\n\ndef g():\n    return t(0)\n"
    assert names_of(old, new) == [("import t",), ("f",)]
    assert composed(old, new, "import t") == old.replace("from a", "from b")
    assert composed(old, new, "f") == old.replace("t(1)", "t(2)")


def test_an_import_that_code_lacked_is_a_change():
    old = "def f():\n    return math.e\n"
    assert names_of(old, "import math\n" + old) == [("import math",)]


def test_a_function_that_moved_to_another_module_is_imported_once_it_is_gone():
    user = "def g():\n    return f() + 1\n"
    old = "def f():\n    return 1\n\ndef h():\n    return 1\n" + user
    new = "from b import f\n\ndef h():\n    return 2\n" + user
    assert names_of(old, new) == [("f",), ("h",)]
    assert "from b import f" in composed(old, new, "f")
    assert composed(old, new, "h") == old.replace("return 1\n" + user, "return 2\n" + user)


def test_imports_are_content_where_nothing_uses_them():
    old = "from a import x\nfrom a import y\n"
    new = "from b import x\nfrom a import z\nfrom a import w\n"
    names = names_of(old, new)
    assert sorted(names) == [("import w",), ("import x",), ("import y",), ("import z",)]
    assert composed(old, new, "import z") == old + "from a import z\n"
    assert composed(old, new, "import y") == "from a import x\n"
    assert sorted(composed(old, new, "import x").splitlines()) == [
        "from a import y",
        "from b import x",
    ]


def test_names_of_one_statement_are_decided_apart():
    old = "# Lead.\nfrom .a import (\n    x,\n    y as v,\n)\n\ndef f():\n    return x, v\n"
    new = "from .a import x, z\n\ndef f():\n    return x\n\ndef g():\n    return z\n"
    assert (
        composed(old, new, "f") == "# Lead.\nfrom .a import x\n\ndef f():\n    return x\n"
    )
    with_g = composed(old, new, "g")
    assert with_g.startswith("# Lead.\nfrom .a import (\n    x,\n    y as v,\n)\n")
    assert "\nfrom .a import z\n" in with_g


def test_submodules_are_names_of_their_own():
    old = "import a.b\n\ndef f():\n    return a.b.x\n"
    new = "import a.b\nimport a.c\n\ndef f():\n    return a.b.x\n\ndef g():\n    return a.c.x\n"
    assert names_of(old, new) == [("g",)]
    assert names_of(old, new + "\ndef h(): pass\n") == [("g",), ("h",)]
    assert "a.c" not in composed(old, new + "\ndef h(): pass\n", "h")


def test_wildcards_and_all_are_statements():
    old = "from a import *\n__all__ = ['x']\n"
    new = "from b import *\n__all__ = ['y']\n"
    assert names_of(old, new) == [("<module>", "__all__")]


# Hunks


def test_hunks_are_cut_between_statements():
    old = "def f(x):\n    a = 1\n    b = [\n        1,\n        2,\n    ]\n    return a\n"
    new = "def f(x):\n    a = 2\n    b = [\n        1,\n        3,\n    ]\n    return b\n"
    old = old.replace("    return", "    if x:\n        a = 7\n    return")
    new = new.replace("    return", "    if x:\n        a = 7\n    return")
    trees = {M: old}, {M: new}
    (change,) = cut(*trees)
    one, two, three = refine(change, *trees)
    assert (one.old_lines, two.old_lines, three.old_lines) == (
        ((2, 2),),
        ((3, 6),),
        ((9, 9),),
    )
    assert two.new_text == "    b = [\n        1,\n        3,\n    ]\n"
    assert (one.hunk, three.hunk, three.names) == (1, 3, ("f",))
    assert compose(*trees, [three]) == {M: old.replace("return a", "return b")}
    assert compose(*trees, [one, two, three]) == {M: new}
    assert refine(one, *trees) == [one]


def test_a_new_class_is_cut_into_its_members():
    new = "class A:\n    x = 1\n\n    def f(self):\n        return 1\n\n    def g(self):\n        return 2\n"
    trees = {M: ""}, {M: new}
    (change,) = cut(*trees)
    hunks = refine(change, *trees)
    assert [hunk.new_text.strip() for hunk in hunks] == [
        "class A:",
        "x = 1",
        "def f(self):\n        return 1",
        "def g(self):\n        return 2",
    ]
    assert compose(*trees, [hunks[0], hunks[3]]) == {
        M: new[:9] + new[new.index("\n    def g") :]
    }


def test_a_new_file_is_cut_into_its_statements():
    new = "import a\n\n# About f.\ndef f():\n    if a:\n        return 1\n    else:\n        return 2\nx = 1\n"
    trees = {}, {M: new}
    (change,) = cut(*trees)
    hunks = refine(change, *trees)
    assert [hunk.new_lines for hunk in hunks] == [((1, 1),), ((2, 8),), ((9, 9),)]
    assert compose(*trees, hunks[2:]) == {M: "x = 1\n"}


def test_a_clause_stays_with_its_statement():
    old = "def f(x):\n    y = 0\n    return y\n"
    new = (
        "def f(x):\n    y = 0\n    if x:\n        y = 1\n    else:\n        y = 2\n"
        "    y += 1\n    return y\n"
    )
    trees = {M: old}, {M: new}
    hunks = refine(cut(*trees)[0], *trees)
    assert [hunk.new_lines for hunk in hunks] == [((3, 6),), ((7, 7),)]
    assert all(parses(compose(*trees, [hunk])[M] or "") for hunk in hunks)


def test_hunks_of_docstrings_and_comments_are_inert():
    old = "def f():\n    '''Doc.'''\n    a = 1\n    return a\n"
    new = "def f():\n    '''Other\n    doc.'''\n    a = 2\n    # Said.\n    return a\n"
    trees = {M: old}, {M: new}
    hunks = refine(cut(*trees)[0], *trees)
    assert [hunk.inert for hunk in hunks] == [True, False]
    assert compose(*trees, hunks[1:]) == {M: new.replace("Other\n    doc.", "Doc.")}


def test_text_that_is_not_python_is_cut_by_lines():
    trees = {"keras/a.txt": "1\n2\n3\n"}, {"keras/a.txt": "0\n2\n4"}
    hunks = refine(cut(*trees)[0], *trees)
    assert compose(*trees, hunks[1:]) == {"keras/a.txt": "1\n2\n4"}


def test_lines_that_ended_a_file_do_not_run_into_others():
    old, new = "x = 1", "x = 1\ndef f():\n    return 1\ny = 2"
    assert composed(old, new, "y") == "x = 1\ny = 2"
    assert composed(new, old + "\ny = 3", "f") == "x = 1\ny = 2"


# What a run reaches


def reached(changes: list[Change], *, old: Run | None = None, new: Run | None = None):
    nothing = Run({}, ())
    return functions_of(reachable(changes, old=old or nothing, new=new or nothing))


def test_a_function_is_reached_where_it_ran():
    old = "def f():\n    return 1\ndef g():\n    return 1\nclass A:\n    def f(self):\n        return 1\n"
    changes = changes_of(old, old.replace("1", "2"))
    assert reached(changes) == []
    assert reached(changes, old=Run({M: ["f"]}, [M])) == [f"{M}: f"]
    assert reached(changes, new=Run({M: ["A.f", "<module>"]}, [M])) == [f"{M}: A.f"]
    inner = Run({M: ["g.<locals>.<lambda>", "h.<locals>.f"]}, [M])
    assert reached(changes, old=inner) == [f"{M}: g"]
    assert reached(changes, old=Run({"keras/other.py": ["f"]}, [M])) == []


def test_what_takes_effect_on_import_is_reached_with_its_module():
    old = "import a\nx = 1\ndef f(): pass\n@a\ndef g(): pass\ndef h(): pass\nclass A:\n    y = 1\n    def m(self): pass\n"
    new = "import b as a\nx = 2\ndef f(z): pass\n@b\ndef g(): pass\ndef i(): pass\nclass A(x):\n    y = 2\n    def n(self): pass\n"
    changes = changes_of(old, new)
    found = {
        name
        for c in reachable(changes, old=Run({}, [M]), new=Run({}, ()))
        for name in c.names
    }
    every = {name for c in changes for name in c.names}
    assert every - found == {"A.m", "A.n"}
    assert reached(changes, new=Run({}, [M])) == reached(changes, old=Run({}, [M]))
    assert reached(changes, new=Run({}, ["keras/other.py"])) == []


def test_files_are_reached_where_they_were_imported():
    body = "".join(f"x{n} = {n}\n" for n in range(9))
    old = {"keras/gone.py": "a = 1\n", "keras/one/m.py": body}
    new = {"keras/come.py": "b = 1\n", "keras/two/m.py": body, "keras/data.json": "{}"}
    changes = cut(old, new)
    assert len(changes) == 4
    assert reached(changes) == ["keras/data.json: file added"]
    olds = reached(changes, old=Run({}, list(old)))
    assert [text.split(":")[0] for text in olds] == [
        "keras/data.json",
        "keras/gone.py",
        "keras/one/m.py",
    ]
    news = reached(changes, new=Run({}, list(new)))
    assert [text.split(":")[0] for text in news] == [
        "keras/come.py",
        "keras/data.json",
        "keras/one/m.py",
    ]


def test_short_names_say_how_many_more():
    change = replace(changes_of("a = 1\n", "a = 2\n")[0], names=tuple("abcde"))
    assert functions_of([change, change]) == [f"{M}: a, b, c and 2 more"]


# Patches and folders


def test_git_applies_the_patch(tmp_path: Path):
    old = {
        "same.py": "x = 1\n",
        "a.py": "".join(f"x{n} = {n}\n" for n in range(30)),
        "gone.py": "x = 1\n",
        "gone_empty.py": "",
        "emptied.py": "x = 1\n",
        "filled.py": "",
        "open_to_closed.py": "x = 1\ny = 2",
        "closed_to_open.py": "x = 1\ny = 2\n",
        "open.py": "x = 1\ny = 2",
        "windows.py": "x = 1\r\ny = 2\r\n",
        "mac.py": "x = 1\ry = 2\rz = 3\r",
        "feed.py": "x = 1\n\f\ny = '\x0b\u2028'\nz = 1\n",
        "a folder/with blank.py": "x = 1\n",
    }
    composed_ = {
        "a.py": old["a.py"].replace("x3 = 3", "x3 = 33").replace("x25", "y25"),
        "gone.py": None,
        "gone_empty.py": None,
        "emptied.py": "",
        "filled.py": "x = 1",
        "open_to_closed.py": "x = 1\ny = 2\n",
        "closed_to_open.py": "x = 1\ny = 2",
        "open.py": "x = 2\ny = 2",
        "windows.py": "x = 1\r\ny = 3\r\n",
        "mac.py": "x = 1\ry = 3\rz = 3\r",
        "feed.py": "x = 1\n\f\ny = '\x0b\u2028'\nz = 2\n",
        "a folder/with blank.py": "x = 2\n",
        "b folder/come new.py": "x = 1\n",
        "come.py": "x = 1",
        "come_empty.py": "",
    }
    for path, text in old.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(text.encode())
    patch = unified_diff(old, composed_)
    assert patch.isascii() is False
    assert "--- /dev/null\n+++ b/come.py\n" in patch
    assert "--- a/gone.py\n+++ /dev/null\n" in patch
    command = ["git", "-c", "core.autocrlf=false", "apply", "--whitespace=nowarn", "-"]
    for step in (["init", "-q"], command[1:]):
        subprocess.run(["git", *step], cwd=tmp_path, input=patch.encode(), check=True)
    found = {
        path.relative_to(tmp_path).as_posix(): path.read_bytes().decode()
        for path in tmp_path.rglob("*")
        if path.is_file() and ".git" not in path.parts
    }
    assert found == {p: t for p, t in {**old, **composed_}.items() if t is not None}


def test_nothing_to_say_is_an_empty_patch():
    assert unified_diff({"a": "1"}, {"a": "1"}) == ""


def test_a_tree_is_read_byte_for_byte(tmp_path: Path):
    files = {
        "keras/a.py": b"x = 1\r\n",
        "keras/note.txt": b"\xc3\xa9",
        "keras/picture.png": b"\x89PNG\xff",
        "keras/a_test.py": b"x\n",
        "keras/__pycache__/a.cpython-311.pyc": b"x",
        "keras/b.pyc": b"x",
        "keras-3.5.0.dist-info/METADATA": b"x",
        ".lock": b"",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    assert load_tree(tmp_path) == {"keras/a.py": "x = 1\r\n", "keras/note.txt": "é"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = 1\n", True),
        ("\ufeffx = 1\n", True),
        ("", True),
        ("x = '\\d'\n", True),
        ("def f(:\n", False),
        ("return 1\n", False),
        ("\0", False),
        ("(" * 5000, False),
    ],
)
def test_parses(text, expected):
    assert parses(text) is expected
