"""Findings: each difference with what causes it, what follows with what it comes from."""

from __future__ import annotations

import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krepro.recorded.compare import arranged
from krepro.recorded.difference import Difference, Kind, Place
from krepro.scan.match import Sureness
from krepro.scan.scan import Hit, Scan, Spot
from krepro.upgrade.finding import SPREADING, Finding, findings
from krepro.upgrade.known import Consequence, Effect

SPOT = Spot(Path("train.py"), 1, 1, 1, 2)


def known(
    name: str, effect: Effect = Effect.GAINED, symptoms: tuple[str, ...] = ()
) -> Consequence:
    repro: Any = types.SimpleNamespace(id=name, symptoms=symptoms, kind="silent")
    return Consequence(repro, effect, None, None)


def touched(*shows: str, sure: bool = True, **more: Any) -> Scan:
    """Hits of entries, each as ``id:kind,kind``."""
    hits = []
    for entry in shows:
        name, _, kinds = entry.partition(":")
        sureness = Sureness.CERTAIN if sure else Sureness.POSSIBLE
        hits.append(
            Hit(
                name,
                SPOT,
                "fit()",
                "why",
                sureness,
                tuple(kinds.split(",")),
                (SPOT,),
                **more,
            )
        )
    return Scan(tuple(hits), (), ())


def both(*scans: Scan) -> Scan:
    return Scan(tuple(hit for scan in scans for hit in scan.hits), (), ())


def seen(kind: Kind, call: int = 0, step: int = 0, **more: Any) -> Difference:
    place = Place(
        call, "fit", "train.py:1", phase="train" if step else "", step=step, when=step
    )
    return Difference(kind, more.pop("subject", kind.value), place, "a", "b", **more)


def raises(before: str, after: str, call: int = 0) -> Difference:
    return Difference(Kind.RAISES, "exception", Place(call, "fit"), before, after)


def told(found: Sequence[Finding]) -> list[Any]:
    """Each finding as the names of its causes, what it holds, and what follows it."""
    return [
        (
            [cause.repro.id for cause in finding.causes],
            [d.kind.value for d in finding.differences],
            [d.kind.value for d in finding.follows],
        )
        for finding in found
    ]


def test_nothing_has_no_findings() -> None:
    assert findings([], [known("a")], touched("a:loss")) == []


@pytest.mark.parametrize(
    ("consequences", "scan", "causes"),
    [
        ([known("a")], touched("a:loss"), ["a"]),
        ([known("a", Effect.LOST)], touched("a:weights,loss"), ["a"]),
        # It shows in another way, is not touched, is silenced, or does not turn.
        ([known("a")], touched("a:names"), []),
        ([known("a")], touched("b:loss"), []),
        ([known("a")], touched("a:loss", ignored=True), []),
        ([known("a", Effect.KEPT)], touched("a:loss"), []),
        ([known("a", Effect.UNKNOWN)], touched("a:loss"), []),
        ([], touched("a:loss"), []),
        # Several may.
        ([known("a"), known("b")], touched("a:loss", "b:loss"), ["a", "b"]),
        ([known("a"), known("b")], touched("a:loss", "b:names"), ["a"]),
        # What the code touches for certain goes before what it may touch.
        (
            [known("a"), known("b")],
            both(touched("a:loss", sure=False), touched("b:loss")),
            ["b"],
        ),
        ([known("a")], touched("a:loss", sure=False), ["a"]),
        (
            [known("a"), known("b")],
            both(touched("a:loss", "b:loss", sure=False), touched("a:loss")),
            ["a"],
        ),
    ],
)
def test_the_causes_of_a_difference(
    consequences: list[Consequence], scan: Scan, causes: list[str]
) -> None:
    (found,) = findings([seen(Kind.LOSS)], consequences, scan)
    assert [cause.repro.id for cause in found.causes] == causes
    assert found.new is not bool(causes)


SYMPTOM = "AttributeError: 'NoneType' ... 'update_state'"
SAID = "AttributeError: 'NoneType' object has no attribute 'update_state'"
NONE = "no exception"


@pytest.mark.parametrize(
    ("effect", "before", "after", "explained"),
    [
        (Effect.GAINED, NONE, SAID, True),
        (Effect.LOST, SAID, NONE, True),
        # A bug that comes is not seen where it comes from, and one that goes not where it went.
        (Effect.GAINED, SAID, NONE, False),
        (Effect.LOST, NONE, SAID, False),
        (Effect.GAINED, NONE, "ValueError: no", False),
        (Effect.GAINED, NONE, SAID.replace("Attribute", "Type"), False),
        (Effect.GAINED, "ValueError: no", SAID, True),
        (Effect.KEPT, NONE, SAID, False),
    ],
)
def test_an_exception_is_explained_by_what_it_says(
    effect: Effect, before: str, after: str, *, explained: bool
) -> None:
    entry = known("a", effect, (SYMPTOM,))
    # Whether the code touches it makes it certain, but the message is what counts.
    for scan in (touched("a:loss"), Scan((), (), ())):
        (found,) = findings([raises(before, after)], [entry], scan)
        assert found.causes == ((entry,) if explained else ())


def test_an_exception_of_an_entry_that_is_touched_goes_first() -> None:
    entries = [known(name, symptoms=(SYMPTOM,)) for name in "ab"]
    (found,) = findings([raises(NONE, SAID)], entries, touched("b:raises"))
    assert found.causes == (entries[1],)


def test_an_exception_of_an_entry_without_a_symptom() -> None:
    entry = known("a")
    for scan, causes in ((touched("a:raises"), (entry,)), (touched("a:loss"), ())):
        (found,) = findings([raises(NONE, "AssertionError")], [entry], scan)
        assert found.causes == causes


# --- together ---------------------------------------------------------------------------------


def test_what_has_one_cause_is_one_finding() -> None:
    found = findings(
        [seen(Kind.LOSS, step=1), seen(Kind.METRICS, step=2), seen(Kind.WEIGHTS)],
        [known("a"), known("b")],
        touched("a:loss,metrics", "b:loss,weights"),
    )
    # Of those that explain the first one, what explains the next ones too.
    assert told(found) == [
        (["a"], ["loss", "metrics"], []),
        (["b"], ["weights"], []),
    ]


def test_names_and_values_are_not_one_thing() -> None:
    found = findings(
        [seen(Kind.NAMES, step=1), seen(Kind.LOSS, step=1), seen(Kind.STRUCTURE)],
        [known("a")],
        touched("a:names,loss,structure"),
    )
    assert told(found) == [(["a"], ["names", "structure"], []), (["a"], ["loss"], [])]


def test_values_come_with_explained_ones_of_their_call() -> None:
    found = findings(
        [seen(Kind.METRICS, step=1), seen(Kind.LOSS, step=2), seen(Kind.OUTPUTS, call=1)],
        [known("a")],
        touched("a:loss"),
    )
    assert told(found) == [(["a"], ["loss", "metrics", "outputs"], [])]


def test_values_before_an_explained_call_are_new() -> None:
    found = findings(
        [seen(Kind.METRICS, call=0), seen(Kind.LOSS, call=1)],
        [known("a")],
        touched("a:loss"),
    )
    assert told(found) == [([], ["metrics"], []), (["a"], ["loss"], [])]


def test_structure_does_not_come_with_values() -> None:
    found = findings(
        [seen(Kind.LOSS), seen(Kind.TRAINABLE, call=1), seen(Kind.WARNS, call=1)],
        [known("a")],
        touched("a:loss"),
    )
    assert told(found) == [
        (["a"], ["loss"], []),
        ([], ["trainable"], []),
        ([], ["warns"], []),
    ]


def test_what_is_new_and_of_one_kind_is_one_finding() -> None:
    found = findings(
        [
            seen(Kind.WARNS, subject="one"),
            seen(Kind.NAMES, call=1),
            seen(Kind.WARNS, call=2, subject="other"),
        ],
        [],
        Scan((), (), ()),
    )
    assert told(found) == [([], ["warns", "warns"], []), ([], ["names"], [])]


PARTING = [
    raises(NONE, "ValueError: no"),
    seen(Kind.WEIGHTS),
    seen(Kind.TRAINS),
    seen(Kind.CALLS),
]


@pytest.mark.parametrize("first", PARTING, ids=lambda d: d.kind.value)
@pytest.mark.parametrize("explained", [True, False])
def test_what_comes_after_models_have_parted_follows(
    first: Difference, *, explained: bool
) -> None:
    later = [seen(kind, call=2) for kind in (Kind.LOSS, Kind.METRICS, Kind.WEIGHTS)]
    entries = [known("a")] if explained else []
    found = findings(
        arranged([*later, first]), entries, touched(f"a:{first.kind.value},metrics")
    )
    assert told(found) == [
        (["a"] * explained, [first.kind.value], ["loss", "metrics", "weights"])
    ]
    assert found[0].first is first


def test_what_follows_belongs_to_what_came_first() -> None:
    found = findings(
        arranged(
            [
                seen(Kind.WEIGHTS, call=1),
                seen(Kind.NAMES, call=2),
                raises(NONE, "ValueError: no", call=3),
                seen(Kind.LOSS, call=4),
            ]
        ),
        [],
        Scan((), (), ()),
    )
    assert told(found) == [
        ([], ["weights"], ["loss"]),
        ([], ["names"], []),
        ([], ["raises"], []),
    ]


def test_findings_are_in_the_order_of_the_script() -> None:
    found = findings(
        [seen(Kind.NAMES, call=0), seen(Kind.LOSS, call=1), seen(Kind.WARNS, call=2)],
        [known("b"), known("a")],
        touched("a:loss", "b:warns"),
    )
    assert told(found) == [
        ([], ["names"], []),
        (["a"], ["loss"], []),
        (["b"], ["warns"], []),
    ]


@pytest.mark.parametrize(
    ("details", "detail"), [([True, True], True), ([True, False], False), ([False], False)]
)
def test_a_finding_is_a_detail_where_all_of_it_is(
    details: list[bool], *, detail: bool
) -> None:
    differences = [seen(Kind.WARNS, call, detail=is_) for call, is_ in enumerate(details)]
    (found,) = findings(differences, [], Scan((), (), ()))
    assert found.detail is detail


DIFFERENCES = st.lists(
    st.builds(
        seen,
        st.sampled_from(Kind),
        st.integers(0, 3),
        st.integers(0, 2),
        size=st.floats(0, 1),
    ),
    max_size=8,
)
HITS = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.lists(st.sampled_from([k.value for k in Kind]), min_size=1),
        st.booleans(),
    )
)


@given(differences=DIFFERENCES, hits=HITS)
def test_each_difference_is_in_one_finding(
    differences: list[Difference], hits: Any
) -> None:
    scan = both(*(touched(f"{n}:{','.join(kinds)}", sure=s) for n, kinds, s in hits))
    ordered = arranged(differences)
    found = findings(ordered, [known(name) for name in "abc"], scan)
    held = [d for finding in found for d in (*finding.differences, *finding.follows)]
    assert sorted(map(id, held)) == sorted(map(id, differences))
    assert [f.first.order for f in found] == sorted(f.first.order for f in found)
    for finding in found:
        assert finding.differences
        # What a finding is said to come from shows so, in at least its first difference.
        for cause in finding.causes:
            shown = {
                kind for name, kinds, _ in hits if name == cause.repro.id for kind in kinds
            }
            explained = [d for d in finding.differences if d.kind.value in shown]
            assert explained
            rest = [d for d in finding.differences if d not in explained]
            assert all(d.kind in SPREADING for d in rest)
        assert not any(d.follows for d in finding.differences) or finding.new
        assert all(d.follows for d in finding.follows)
