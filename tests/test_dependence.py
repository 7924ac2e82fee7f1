"""Which changes are taken to need which."""

from __future__ import annotations

from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from krepro.hunt.changes import Change, cut, refine
from krepro.hunt.dependence import Dependences, names_in
from tests.test_changes import pairs

M = "keras/src/m.py"


def named(old: dict[str, str], new: dict[str, str]) -> dict[str, set[str]]:
    """Return what each change needs, by names."""
    changes = cut(old, new)
    found = Dependences.between(old, new, changes)
    return {",".join(c.names): {",".join(o.names) for o in found.needs[c]} for c in changes}


def test_a_new_name_is_needed_by_its_users() -> None:
    old = {M: "def f():\n    return 1\n", "keras/u.py": "def u():\n    return 2\n"}
    new = {
        M: "def f():\n    return helper()\n\n\ndef helper():\n    return 1\n",
        "keras/u.py": "def u(x):\n    return x.helper() + 2\n",
    }
    assert named(old, new) == {"f": {"helper"}, "helper": set(), "u": {"helper"}}


def test_a_name_that_goes_needs_that_nobody_uses_it() -> None:
    old = {M: "def f():\n    return helper()\n\n\ndef helper():\n    return 1\n"}
    new = {M: "def f():\n    return 1\n"}
    assert named(old, new) == {"f": set(), "helper": {"f"}}


def test_a_name_that_is_there_anyway_is_not_waited_for() -> None:
    old = {M: "def f():\n    return 1\n", "keras/same.py": "def helper(): pass\n"}
    new = {
        M: "def f():\n    return helper()\n\n\ndef helper():\n    return 1\n",
        "keras/same.py": "def helper(): pass\n",
    }
    assert named(old, new) == {"f": set(), "helper": set()}


def test_a_new_file_is_needed_by_who_imports_it() -> None:
    old = {M: "def f():\n    return 1\n"}
    new = {
        M: "def f():\n    from keras.src import arrival\n    return arrival.x\n",
        "keras/src/arrival.py": "x = 1\n",
    }
    changes = cut(old, new)
    found = Dependences.between(old, new, changes)
    by_path = {change.path: change for change in changes}
    assert found.close(frozenset({by_path[M]})) == set(changes)
    assert found.close(frozenset({by_path["keras/src/arrival.py"]})) == {
        by_path["keras/src/arrival.py"]
    }


@pytest.mark.parametrize(
    ("text", "defined", "used"),
    [
        ("", set(), set()),
        ("x = y.z(k=1)", {"x"}, {"y", "z", "k"}),
        ("    def f(a):\n        self.b = a\n", {"f", "a", "b"}, {"self", "a"}),
        ("from a.b import c as d", {"d"}, {"a", "b", "c"}),
        ("    def f(a):\n", {"f", "a"}, set()),
        ("    if x:\n", set(), {"x"}),
        ("else:\n    x = 1\n", set(), {"else", "x"}),
        ("# only a remark\n", set(), set()),
    ],
)
def test_names(text: str, defined: set[str], used: set[str]) -> None:
    names = names_in(text)
    assert (names.defined, names.used) == (defined, used)


def within(old: str, new: str) -> dict[str, set[str]]:
    """Return what each hunk needs; hunks go by their first line."""
    trees = {M: dedent(old)}, {M: dedent(new)}
    changes = cut(*trees)
    hunks = [hunk for change in changes for hunk in refine(change, *trees)]
    found = Dependences.within(changes, hunks, trees[0])

    def first(hunk: Change) -> str:
        return (hunk.new_text or hunk.old_text).strip().splitlines()[0]

    return {first(h): {first(o) for o in found.needs[h]} for h in hunks}


def test_a_local_name_is_needed_where_the_function_lacked_it() -> None:
    """Another function has the same name, which is of no use here."""
    found = within(
        """
        def other(total):
            return total

        def f(x):
            step()
            return x
        """,
        """
        def other(total):
            return total

        def f(x):
            total = x + 1
            step()
            print(total)
            return x
        """,
    )
    assert found == {"total = x + 1": set(), "print(total)": {"total = x + 1"}}


def test_an_attribute_is_needed_where_the_file_lacked_it() -> None:
    found = within(
        """
        class A:
            def __init__(self):
                self.x = 1

            def f(self):
                return self.x
        """,
        """
        class A:
            def __init__(self):
                self.x = 1
                self.y = 2

            def f(self):
                return self.x + self.y
        """,
    )
    assert found == {"def __init__(self):": set(), "def f(self):": {"def __init__(self):"}}


def test_a_body_needs_its_head() -> None:
    found = within("", "def f():\n    a()\n    b()\n")
    assert all("def f():" in needs or h == "def f():" for h, needs in found.items())


def test_a_name_that_goes_needs_that_its_function_does_not_use_it() -> None:
    found = within(
        "def f(x):\n    y = x\n    keep()\n    print(y)\n",
        "def f(x):\n    keep()\n",
    )
    assert found == {"y = x": {"print(y)"}, "print(y)": set()}


@settings(max_examples=60)
@given(pairs(), st.data(), st.booleans())
def test_a_closure_is_one(pair: tuple[str, str], data: st.DataObject, cut_up: bool) -> None:
    """It has what it is given, closes once and for all, and grows with what it is given."""
    old, new = {M: pair[0]}, {M: pair[1]}
    changes = cut(old, new)
    if not changes:
        return
    parts = [h for c in changes for h in refine(c, old, new)] if cut_up else changes
    found = (
        Dependences.within(changes, parts, old)
        if cut_up
        else Dependences.between(old, new, parts)
    )
    subsets = st.frozensets(st.sampled_from(parts))
    some, more = data.draw(subsets), data.draw(subsets)
    closed = found.close(some)
    assert some <= closed <= set(parts)
    assert found.close(closed) == closed
    assert closed <= found.close(some | more)
    assert found.close(some | more) == closed | found.close(more)
    assert found.close(frozenset()) == frozenset()
    assert all(change not in needs for change, needs in found.needs.items())
