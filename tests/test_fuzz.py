"""Drawn programs, how they are compared, hunted and written; real Keras only where marked."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from krepro import published
from krepro.fuzz import hunt as hunts
from krepro.fuzz import source
from krepro.fuzz.agreement import disagreements
from krepro.fuzz.compare import SILENT, Divergence, Expected, Value, first_divergence, plain
from krepro.fuzz.features import features_of
from krepro.fuzz.hunt import NO_PROGRAM, Ahead, Budget, Finding, Hunt, Tally, not_there
from krepro.fuzz.known import Catalogue, plain_twin
from krepro.fuzz.oracle import Expectation, expect
from krepro.fuzz.pool import DONE, Played
from krepro.fuzz.program import (
    Callback,
    Compile,
    Data,
    DictOf,
    Evaluate,
    Fit,
    ListOf,
    Model,
    Named,
    Node,
    OnBatch,
    Optimizer,
    Program,
    SaveLoad,
    SetTrainable,
    TupleOf,
    from_json,
    leaves,
    to_json,
)
from krepro.fuzz.reduce import reduced, smaller_than
from krepro.fuzz.reference import predict
from krepro.fuzz.store import Store, tally_data, tally_from
from krepro.fuzz.strategy import programs
from krepro.fuzz.write import condition_of, repro_text, split, title_of
from krepro.home import Home
from krepro.matrix import Cell
from krepro.project import Project
from krepro.recorded.difference import Kind
from krepro.repro import read_repro
from tests.conftest import ROOT
from tests.fuzz_programs import PROGRAMS, SHORT_MSE, keyed, listed, of, sgd, two

TORCH = Cell("torch-2.13", "3.15.1")
INPUT = Node("input", "east", (), {"shape": [1], "dtype": "float32"})
FIT = Fit(0, Data(2), 2)
MSE = Compile(0, Optimizer("sgd", {"learning_rate": 0.25}), loss=Named("mse"))


def one_layer(*steps: Any) -> Program:
    """A model of one layer, and some steps."""
    model = Model(
        "functional", "model", (INPUT, Node("dense", "apple", (0,), {"units": 1})), 0, 1
    )
    return Program((model,), steps)


# --- programs and scripts -----------------------------------------------------------------


@given(programs())
@settings(max_examples=60)
def test_a_program_is_a_script_of_a_chunk_a_step(program: Program) -> None:
    assert from_json(to_json(program)) == program
    chunks = source.chunks(program)
    assert len(chunks) == 1 + len(program.steps)
    assert all("result" in chunk for chunk in chunks[1:])
    assigned = [
        target.id
        for node in ast.parse(chunks[0]).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]
    assert len(assigned) == len(set(assigned)), "a name is used twice"
    assert set(source.model_names(program)) <= set(assigned)
    for chunk in chunks[1:]:
        ast.parse(chunk)


def test_a_script_has_no_more_than_it_needs() -> None:
    text = source.chunks(one_layer(MSE, FIT))[0]
    assert "whole_numbers" not in text
    assert "Batches" not in text
    text = source.chunks(one_layer(MSE, Fit(0, Data(2, feed="sequence"), 2)))[0]
    assert text.index("def batches") < text.index("class Batches")


# --- comparing ----------------------------------------------------------------------------


def value(number: Any, tolerance: float = 0.01) -> Value:
    array = np.asarray(number, float)
    return Value(array, np.full_like(array, tolerance))


def run(result: Any, weights: dict[str, Any] | None = None) -> dict[str, Any]:
    arrays = {path: {"array": each} for path, each in (weights or {}).items()}
    return {"ending": "returned", "result": result, "weights": arrays}


def table(**values: Any) -> dict[str, Any]:
    return {"dict": [[name, each] for name, each in values.items()]}


BUILT = (Expected(None, {"a": value([1.0])}), run(None, {"a": [1.0]}))


def differ(
    result: Any, seen: Any, should_be: float = 1.0, weight: float = 1.0
) -> Divergence | None:
    """Compare one step, whose one weight was 1 before it."""
    wanted = Expected(result, {"a": value([should_be], 1e-3)})
    found = run(seen, {"a": [weight]})
    return first_divergence([FIT], [BUILT[0], wanted], [BUILT[1], found])


def history(*losses: Any) -> dict[str, Any]:
    return table(loss={"list": list(losses)})


@pytest.mark.parametrize(
    ("wanted", "seen", "kind"),
    [
        (history(value(1.0)), history(1.005), None),
        (history(value(1.0)), history(1.02), Kind.LOSS),
        (history(value(1.0)), history(float("nan")), Kind.LOSS),
        (history(value(1.0)), history(1.0, 1.0), Kind.STRUCTURE),
        (history(value(1.0, 0.5)), history(9.0), None),
        (history(value(1.0)), table(other={"list": [1.0]}), Kind.NAMES),
        (table(loss=value(1.0)), table(loss=1.0, mae=2.0), Kind.NAMES),
        ({**table(loss=value(1.0)), "partial": True}, table(loss=1.0, mae=2.0), None),
        ({**table(loss=value(1.0)), "partial": True}, table(mae=2.0), Kind.NAMES),
        (table(loss=SILENT), table(loss=5.0), None),
        (table(apple_loss=value(1.0)), table(apple_loss=5.0), Kind.OUTPUT_LOSSES),
        (table(val_loss=value(1.0)), table(val_loss=5.0), Kind.LOSS),
        (table(mae=value(1.0)), table(mae=5.0), Kind.METRICS),
        (table(mae=value(1.0)), table(mae=None), Kind.STRUCTURE),
        ({"list": [value(1.0), value(2.0)]}, {"list": [1.0, 3.0]}, Kind.METRICS),
        ({"list": [value(1.0), value(2.0)]}, {"list": [3.0, 2.0]}, Kind.LOSS),
        ({"list": [value(1.0)]}, 1.0, Kind.STRUCTURE),
        (None, None, None),
        (None, 1.0, Kind.STRUCTURE),
    ],
)
def test_what_differs_in_a_result(wanted: Any, seen: Any, kind: Kind | None) -> None:
    found = differ(wanted, seen)
    assert (found and found.kind) == kind


@pytest.mark.parametrize(
    ("wanted", "seen", "kind"),
    [
        (2.0, 2.0, None),
        (2.0, 2.5, Kind.WEIGHTS),
        (2.0, 1.0, Kind.TRAINS),
        (1.0, 2.0, Kind.TRAINS),
        (1.0, 1.0, None),
    ],
)
def test_which_weights_change_comes_before_their_values(
    wanted: float, seen: float, kind: Kind | None
) -> None:
    found = differ(None, None, wanted, seen)
    assert (found and found.kind) == kind


def test_structure_is_told_before_values() -> None:
    found = differ(table(loss=value(1.0), mae=value(1.0)), table(loss=9.0), weight=5.0)
    assert found.kind is Kind.NAMES
    assert found.kinds == (Kind.NAMES, Kind.TRAINS)


def test_an_exception_is_a_difference_unless_it_is_promised() -> None:
    raised = {
        "ending": "raised",
        "exception": "ValueError",
        "message": "no 12",
        "site": "a.py:f",
    }
    wanted = Expected(None, {})
    found = first_divergence([FIT], [BUILT[0], wanted], [BUILT[1], raised])
    assert (found.kind, found.seen, found.site) == (
        Kind.RAISES,
        "ValueError: no 12",
        "a.py:f",
    )
    assert found.signature == ("raises", "fit", "a.py:f", "ValueError: no 0")
    promised = Expected(None, {}, raises=True)
    assert first_divergence([FIT], [BUILT[0], promised], [BUILT[1], raised]) is None
    found = first_divergence([FIT], [BUILT[0], promised], [BUILT[1], run(None)])
    assert found.kind is Kind.RAISES


def test_nothing_is_said_where_the_prediction_ends() -> None:
    assert first_divergence([FIT, FIT], [BUILT[0]], [BUILT[1], run(history(7.0))]) is None


def test_a_message_without_what_varies() -> None:
    said = plain("Expected 'apple' of shape (2, 3), got 1.5 at 0x7f01\nand more")
    assert said == "Expected '...' of shape (0, 0), got 0 at 0"


def test_tolerances_come_from_rounding() -> None:
    steps = expect(one_layer(MSE, Fit(0, Data(4), 2, epochs=2))).steps
    weights = steps[-1].weights["model_0/apple/0"]
    assert 0 < weights.tolerance.max() < 1e-4
    assert not weights.useless
    assert Value(np.asarray(1.0), np.asarray(0.1)).useless


# --- hunting ------------------------------------------------------------------------------


def encoded(result: Any) -> Any:
    if result is SILENT:
        return 0.0
    if not isinstance(result, dict):
        return result
    if "array" in result:
        return {"array": np.asarray(result["array"]).tolist()}
    if "dict" in result:
        return {"dict": [[key, encoded(item)] for key, item in result["dict"]]}
    return {
        form: [encoded(item) for item in held]
        for form, held in result.items()
        if form != "partial"
    }


class Fake:
    """Plays programs as the reference predicts them, with a fault where one is planted."""

    def __init__(self, fault: Callable[[Program, list[dict[str, Any]]], None]) -> None:
        self.fault = fault
        self.fresh: list[bool] = []
        self.stopped = False

    def play(
        self, program: Program, *, fresh: bool = False, cells: Any = None
    ) -> dict[Cell, Played]:
        assert cells is None or list(cells) == [TORCH]
        self.fresh.append(fresh)
        steps = []
        for each in predict(program):
            if each.raises:
                steps.append(
                    {"ending": "raised", "exception": "E", "message": "", "site": ""}
                )
                break
            arrays = {
                path: np.asarray(held).tolist() for path, held in each.weights.items()
            }
            steps.append(run(encoded(each.result), arrays))
        self.fault(program, steps)
        return {TORCH: Played("done", tuple(steps), "", 0.01)}


class Knows:
    """A catalogue that explains what a function says it does."""

    def __init__(self, explains: Callable[[Divergence], bool] = lambda _: False) -> None:
        self.explains = explains

    def explain(self, _: Program, divergence: Divergence, __: Cell) -> tuple[str, ...]:
        return ("an_entry",) if self.explains(divergence) else ()


def hunting(
    fault: Callable[[Program, list[dict[str, Any]]], None],
    knows: Knows | None = None,
    programs: int = 120,
    **more: Any,
) -> Hunt:
    pool = Fake(fault)
    hunt = Hunt(pool, knows or Knows(), Budget(0.0, programs), **more)  # type: ignore[arg-type]

    def play(program: Program, **how: Any) -> dict[Cell, Played]:
        played: dict[Cell, Played] = hunt.pool.play(program, **how)  # type: ignore[arg-type]
        return played

    hunt.play = play  # type: ignore[method-assign]
    return hunt


def doubled_evaluation(program: Program, steps: list[dict[str, Any]]) -> None:
    """What evaluate says of the loss is twice what it is."""
    for step, told in zip(program.steps, steps[1:], strict=False):
        if isinstance(step, Evaluate) and isinstance(told.get("result"), dict):
            held = told["result"]
            if "dict" in held:
                held["dict"] = [
                    [k, 2 * v + 1 if k == "loss" else v] for k, v in held["dict"]
                ]


def test_a_fault_is_found_made_small_and_told_once() -> None:
    told: list[Finding] = []
    hunt = hunting(doubled_evaluation, programs=250)
    hunt.tell = told.append
    hunt.run()
    assert [(f.divergence.kind, f.divergence.call) for f in told] == [
        (Kind.LOSS, "evaluate")
    ]
    (finding,) = told
    assert finding.confirmed
    assert [type(step) for step in finding.program.steps] == [Compile, Evaluate]
    assert len(finding.program.models) == 1
    assert hunt.tally.seen_again[hunt.found[0].key] > 0
    assert True in hunt.pool.fresh  # type: ignore[attr-defined]


@given(programs())
@settings(max_examples=25)
def test_what_is_smaller_is_another_program_or_none(program: Program) -> None:
    """Each candidate can be written down; the reference predicts it, or says that it cannot."""
    for smaller in smaller_than(program):
        text = to_json(smaller)
        assert from_json(text) == smaller
        with contextlib.suppress(*NO_PROGRAM):
            predict(smaller)


def test_all_that_a_finding_does_not_need_is_taken_out() -> None:
    """Of three outputs, a metric, weights, callbacks and a second model, one loss is left."""
    nodes = (
        Node("input", "x", (), {"shape": [2]}),
        Node("dense", "middle", (0,), {"units": 2, "activation": "tanh"}),
        Node("dense", "a", (1,), {"units": 2, "kernel_l2": 0.5}),
        Node("dense", "b", (1,), {"units": 1}),
        Node("dense", "c", (1,), {"units": 1, "activation": "sigmoid"}),
    )
    model = Model("functional", "whole", nodes, 0, DictOf(("a", "b", "c"), (2, 3, 4)), 3)
    mse, mae = Named("mse"), Named("mean_absolute_error", "object")
    binary = Named("binary_crossentropy")
    compiled = Compile(
        1,
        Optimizer("adam", {"learning_rate": 0.5, "clipnorm": 1.0}),
        DictOf(("c", "b", "a"), (binary, mae, mse)),
        loss_weights=DictOf(("a", "b", "c"), (0.5, 2.0, 0.25)),
        metrics=DictOf(("b",), (ListOf((mae,)),)),
    )
    data = Data(
        4, 2, y=DictOf(("a", "b", "c"), (0, 1, 2)), targets=("numbers", "numbers", "binary")
    )
    stop = Callback("EarlyStopping", {"monitor": "loss"})
    steps = (compiled, Fit(1, data, 2, 3, data, (stop,)), Evaluate(1, data, 2))
    program = Program((one_layer().models[0], model), steps)
    assert predict(program).ended is None

    def shows(candidate: Program) -> bool:
        """It trains an output c on a loss of one output or more."""
        with contextlib.suppress(*NO_PROGRAM):
            found = predict(candidate)
            fits = [step for step in candidate.steps if isinstance(step, Fit)]
            whole = len(found) == len(candidate.steps) + 1
            outputs = {
                model.nodes[leaf].name
                for model in candidate.models
                for leaf in leaves(model.outputs)
            }
            return bool(fits and whole and "c" in outputs)
        return False

    smallest = reduced(program, shows)
    assert [type(step) for step in smallest.steps] == [Compile, Fit]
    (left,) = smallest.models
    assert [node.op for node in left.nodes] == ["input", "dense"]
    assert left.nodes[1] == Node("dense", "c", (0,), {"units": 1})
    assert smallest.steps[0] == Compile(0, Optimizer("sgd", {"learning_rate": 0.25}), mse)
    assert smallest.steps[1] == Fit(0, Data(1), 1)


def test_a_seed_draws_the_same_programs_in_any_process() -> None:
    code = (
        "import hashlib; from krepro.fuzz.hunt import *;"
        "drawn = Hunt(None, None, Budget(0, 150), 5)._drawn(range(25));"
        "print(len(drawn), hashlib.sha256(b''.join(drawn)).hexdigest())"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": number},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for number in ("1", "2")
    }
    assert len(told) == 1
    assert told.pop().startswith("150 ")


def test_few_programs_are_another_one_with_a_part_changed() -> None:
    """Hypothesis would draw half of them so, given the time."""
    drawn = Hunt(None, None, Budget(), 0)._drawn(range(25))  # type: ignore[arg-type]
    models = {repr(program.models) for program in drawn.values()}
    assert len(drawn) > 180
    assert len(models) > 0.85 * len(drawn)


def test_programs_are_played_before_they_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nearly all of them: those of the budget were foreseen, and no more than that played."""
    foreseen: list[bool] = []
    playing = Ahead.playing

    def watched(ahead: Ahead, program: Program) -> Any:
        foreseen.append(to_json(program) in ahead._playing)
        return playing(ahead, program)

    monkeypatch.setattr(Ahead, "playing", watched)
    monkeypatch.setattr(hunts, "EVERY", 1 << 40)  # invariants play programs of their own
    hunt = hunting(lambda *_: None, programs=80, at_once=2)
    hunt.run()
    assert hunt.tally.programs == 80
    assert sum(foreseen) >= 79, "the second drawing was another"
    assert 80 <= len(hunt.pool.fresh) <= 84  # type: ignore[attr-defined]
    alone = hunting(lambda *_: None, programs=80)
    alone.run()
    assert alone.tally.rules == hunt.tally.rules


def test_an_invariant_finds_what_documentation_does_not_tell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What evaluate says of a model with penalties is not documented; that it stays is."""

    def forgets_penalties(program: Program, steps: list[dict[str, Any]]) -> None:
        nodes = [node for model in program.models for node in model.nodes]
        penalized = any(node.args.get("kernel_l2") for node in nodes)
        loaded = False
        for step, told in zip(program.steps, steps[1:], strict=False):
            loaded |= isinstance(step, SaveLoad)
            result = told.get("result")
            if penalized and isinstance(step, Evaluate | Fit) and isinstance(result, dict):
                loss = 1.0 if loaded else 2.0
                for pair in result.get("dict", []):
                    if isinstance(step, Evaluate) and pair[0] == "loss":
                        pair[1] = loss
                    if pair[0] == "val_loss":
                        pair[1] = {"list": [loss] * len(pair[1]["list"])}

    monkeypatch.setattr(hunts, "EVERY", 1)
    hunt = hunting(forgets_penalties, programs=200)
    hunt.run()
    assert {found.divergence.oracle for found in hunt.found} == {
        "invariant saved_and_loaded"
    }
    assert hunt.tally.invariants["saved_and_loaded"] > 0
    finding = hunt.found[0]
    assert finding.confirmed
    assert not any(isinstance(step, SaveLoad) for step in finding.program.steps)
    compiled, saved, told = finding.shown[0].steps
    assert isinstance(compiled, Compile)
    assert isinstance(saved, SaveLoad)
    assert isinstance(told, Evaluate | Fit)
    text = repro_text(finding, Project(ROOT).matrix)
    assert "load_model" in text
    assert "expected = 2" in text
    ast.parse(text)


def test_what_is_known_is_counted_and_not_told() -> None:
    hunt = hunting(doubled_evaluation, Knows(lambda d: d.kind is Kind.LOSS), programs=60)
    hunt.run()
    assert not hunt.found
    assert hunt.tally.known["an_entry"] > 0


def test_without_a_fault_nothing_is_found() -> None:
    hunt = hunting(lambda *_: None, programs=60)
    hunt.run()
    assert not hunt.found
    assert 60 <= hunt.tally.programs < 70
    assert len(hunt.tally.rules) > 40


def test_a_seed_draws_the_same_programs() -> None:
    def drawn(seed: int) -> list[bytes]:
        seen: list[bytes] = []
        hunt = hunting(
            lambda program, _: seen.append(to_json(program)), programs=10, seed=seed
        )
        hunt.run()
        return sorted(seen)

    assert drawn(3) == drawn(3)
    assert drawn(3) != drawn(4)


def test_a_process_that_dies_is_a_finding() -> None:
    hunt = hunting(lambda *_: None, programs=5)
    fake = hunt.pool

    def dies(*_: object, **__: object) -> dict[Cell, Played]:
        return {TORCH: Played("crashed", (), "signal 6")}

    fake.play = dies  # type: ignore[method-assign]
    hunt.run()
    assert hunt.found[0].divergence.seen == "crashed: signal 6"


def test_what_cannot_be_tested_is_no_finding() -> None:
    hunt = hunting(lambda *_: None, programs=5)
    hunt.pool.play = lambda *_, **__: {TORCH: Played("untestable", (), "no wheel")}  # type: ignore[method-assign]
    hunt.run()
    assert not hunt.found
    assert hunt.tally.untestable == {TORCH: "no wheel"}
    assert hunt.tally.programs == 1, "it goes on where nothing can be tested"


def test_a_stop_ends_the_hunt_and_is_no_finding() -> None:
    hunt = hunting(lambda *_: None, programs=50)
    play = hunt.pool.play

    def stopping(*given: Any, **more: Any) -> dict[Cell, Played]:
        hunt.pool.stopped = hunt.tally.programs > 3  # type: ignore[misc]
        return (
            play(*given, **more)
            if not hunt.pool.stopped
            else {TORCH: Played("crashed", ())}
        )

    hunt.pool.play = stopping  # type: ignore[method-assign]
    hunt.run()
    assert not hunt.found
    assert 4 <= hunt.tally.programs <= 5, "what was played ahead may count"


@pytest.mark.parametrize(
    ("message", "lacks"),
    [
        ("Argument(s) not recognized: {'loss_scale_factor': 2}", True),
        ("SGD.__init__() got an unexpected keyword argument 'x'", True),
        ("No module named 'tensorflow'", True),
        ("module 'keras.losses' has no attribute 'Huber2'", True),
        ("'NoneType' object has no attribute 'update_state'", False),
        ("shapes do not match", False),
    ],
)
def test_what_a_release_lacks_says_nothing(message: str, lacks: bool) -> None:
    raised = {"ending": "raised", "exception": "ValueError", "message": message}
    assert not_there(Played("done", (raised,))) is lacks
    assert not not_there(Played("done", (run(None),)))


JAX = Cell("jax-0.4", "3.15.1")
OLD = Cell("torch-2.13", "3.14.0")
TENSORFLOW = Cell("tensorflow-2.16", "3.15.1")


def seen_by(*losses: float) -> list[dict[str, Any]]:
    return [
        run(None, {"a": [1.0]}),
        *(run(table(loss=loss), {"a": [1.0]}) for loss in losses),
    ]


def test_cells_are_held_to_each_other_where_documentation_is_silent() -> None:
    steps = [Evaluate(0, Data(2), 2)] * 2
    seen = {
        JAX: seen_by(1.0, 2.0),
        TORCH: seen_by(1.0, 2.0001),
        OLD: seen_by(1.0, 3.0),
        TENSORFLOW: seen_by(1.0, 2.0),
    }
    found = disagreements(steps, seen, known=2)
    assert list(found) == [OLD]
    divergence = found[OLD]
    assert (divergence.kind, divergence.step) == (Kind.LOSS, 1)
    assert divergence.oracle == str(TENSORFLOW)
    assert divergence.wanted == 2.0
    assert not disagreements(steps, seen, known=3)
    assert not disagreements(steps, {JAX: seen[JAX]}, known=0)


def test_a_cell_that_raises_disagrees_with_one_that_does_not() -> None:
    raised = {"ending": "raised", "exception": "KeyError", "message": "x", "site": "a.py:f"}
    seen = {TENSORFLOW: seen_by(1.0), JAX: [*seen_by(), raised]}
    steps = [Evaluate(0, Data(2), 2)]
    assert disagreements(steps, seen, 0)[JAX].seen == "KeyError: x"
    seen = {TENSORFLOW: [*seen_by(), raised], JAX: seen_by(1.0)}
    assert disagreements(steps, seen, 0)[JAX].expected == "an exception"


def test_cells_may_differ_where_rounding_decides() -> None:
    """An error of exactly 0, as one backend has it, has no sign; one of a rounding has."""
    apple = Node("dense", "apple", (0,), {"units": 1, "use_bias": False})
    east = Node("input", "east", (), {"shape": [1]})
    # -3/4 times -1/2 is the target, 3/8.
    model = Model("functional", "model", (east, apple), 0, 1, start=11)
    train = OnBatch(0, Data(1))
    for loss, rounds in (("mae", True), ("mse", False)):
        program = Program((model,), (Compile(0, Optimizer(), Named(loss)), train))
        assert expect(program, 0).by_rounding is rounds
    told = {
        cell: Played(DONE, tuple(seen_by(0.5, loss)))
        for cell, loss in ((TENSORFLOW, 1.0), (JAX, 2.0))
    }
    hunt = hunting(lambda *_: None)
    for rounds in (False, True):
        expected = Expectation((), "for a reason", by_rounding=rounds)
        assert bool(hunt.judged(program, expected, told)) is not rounds


# --- keeping and writing ------------------------------------------------------------------


def divergent() -> Finding:
    program = one_layer(MSE, FIT, Evaluate(0, Data(2), 2))
    steps = expect(program).steps
    (loss,) = [value for name, value in steps[-1].result["dict"] if name == "loss"]
    told = Divergence(
        Kind.LOSS,
        2,
        "evaluate",
        "loss",
        f"{float(loss.value):.6g}",
        "7",
        7.0,
        1e-6,
        path=("loss",),
        wanted=float(loss.value),
        rules=frozenset(steps[-1].rules),
    )
    return Finding(program, {TORCH: told})


def test_findings_and_progress_are_kept(tmp_path: Path) -> None:
    store = Store.of(Home(tmp_path), [TORCH], 1)
    assert store.progress() == (0, Tally(), 0.0)
    finding = divergent()
    path = store.keep(finding, Project(ROOT).matrix)
    assert path == store.path_of(finding)
    assert store.findings() == [finding]
    tally = Tally(programs=7)
    tally.plays[TORCH] += 3
    tally.seconds[TORCH] += 1.5
    tally.known["an_entry"] += 2
    store.note(4, tally, 12.5)
    number, again, seconds = store.progress()
    assert (number, seconds) == (4, 12.5)
    assert (
        tally_data(again) == tally_data(tally) == tally_data(tally_from(tally_data(tally)))
    )
    assert Store.of(Home(tmp_path), [TORCH], 2).progress()[0] == 0


def test_a_finding_is_written_as_a_repro(tmp_path: Path) -> None:
    finding = divergent()
    path = tmp_path / "fuzz_finding.py"
    path.write_text(repro_text(finding, Project(ROOT).matrix))
    repro = read_repro(path)
    assert repro.tests == ("test_the_promise",)
    assert repro.kind == "silent"
    assert "keras.io" in repro.docs[0]
    assert 'result["loss"]' in path.read_text()


def test_functions_and_classes_are_written_before_the_test() -> None:
    functions, building = split(source.chunks(PROGRAMS["added_loss"])[0])
    assert [type(each).__name__ for each in ast.parse(functions).body] == [
        "Import",
        "Import",
        "FunctionDef",
        "FunctionDef",
        "ClassDef",
    ]
    assert functions.index("@keras.saving") < functions.index("class AddLoss")
    assert not any(isinstance(each, ast.ClassDef) for each in ast.parse(building).body)


def test_what_comes_after_the_divergence_is_not_written() -> None:
    finding = divergent()
    longer = Program(
        finding.program.models, (*finding.program.steps, SetTrainable(0, False))
    )
    text = repro_text(Finding(longer, finding.sights), Project(ROOT).matrix)
    assert "trainable" not in text


# --- real Keras ---------------------------------------------------------------------------


def outputs(loss: Any) -> Program:
    """Two outputs against the alphabet."""
    nodes = (
        INPUT,
        Node("dense", "berry", (0,), {"units": 1}),
        Node("dense", "apple", (0,), {"units": 1}),
    )
    model = Model("functional", "model", nodes, 0, ListOf((1, 2)))
    data = Data(2, y=ListOf((0, 1)))
    return Program((model,), (Compile(0, loss=loss), Evaluate(0, data, 2)))


def test_what_a_shorter_history_has_is_compared_too() -> None:
    """A training that stops early for a wrong metric differs in the metric as well."""
    history = {"dict": [["mae", {"list": [value(1.0), value(0.5)]}]]}
    wanted = [Expected(None, {}), Expected(history, {})]
    seen = run({"dict": [["mae", {"list": [2.0]}]]})
    found = first_divergence([MSE], wanted, [run(None), seen])
    assert found is not None
    assert found.kinds == (Kind.STRUCTURE, Kind.METRICS)


def test_a_number_that_is_none_is_kept(tmp_path: Path) -> None:
    """A finding with NaN in it can be read again, so that the hunt goes on."""
    told = {
        "result": {"dict": [["loss", float("nan")]]},
        "weights": {},
        "ending": "returned",
    }
    wanted = [Expected(None, {}), Expected({"dict": [["loss", value(1.0)]]}, {})]
    found = first_divergence([MSE], wanted, [run(None), told])
    assert found is not None
    store = Store.of(Home(tmp_path), [TORCH], 0)
    store.keep(Finding(one_layer(MSE), {TORCH: found}), Project(ROOT).matrix)
    assert store.findings()[0].divergence.size > 1e9


def test_the_catalogue_explains_what_it_knows() -> None:
    project = Project(ROOT)
    repros = project.repros()
    catalogue = Catalogue(repros, published.for_people(project, repros))
    loss = DictOf(("berry", "apple"), (Named("mse"), Named("mae")))
    program = outputs(loss)
    told = Divergence(Kind.LOSS, 1, "evaluate", "loss", "1", "2")
    entry = "dict_losses_applied_alphabetically"
    assert entry in catalogue.explain(program, told, Cell("torch-2.13", "3.6.0"))
    assert entry not in catalogue.explain(program, told, TORCH)
    names = Divergence(
        Kind.RAISES, 1, "evaluate", "exception", "no exception", "ValueError: x"
    )
    assert entry not in catalogue.explain(program, names, Cell("torch-2.13", "3.6.0"))
    # What a generator or a file hides from the text is seen in a plain twin.
    compiled, evaluated = program.steps
    data = Data(
        2, y=TupleOf((0, 1)), feed="sequence", sample_weight=keyed(berry=0, apple=1)
    )
    hidden = replace(program, steps=(compiled, SaveLoad(0), replace(evaluated, data=data)))
    raised = Divergence(Kind.RAISES, 2, "evaluate", "exception", "none", "KeyError: 0")
    assert catalogue.explain(hidden, raised, TORCH) == ("dict_sample_weight_keyerror",)
    assert [type(step) for step in plain_twin(hidden).steps] == [Compile, Evaluate]


def test_what_a_program_uses_sets_it_apart() -> None:
    """Each of these has a feature that the plain one lacks."""
    compiled, step = (
        Compile(0, sgd(), listed(SHORT_MSE, SHORT_MSE)),
        OnBatch(0, Data(2, y=listed(0, 1))),
    )
    plain = features_of(of(two(), steps=(compiled, step)), 1)
    lacking = replace(compiled, loss=listed(SHORT_MSE, None))
    generator = replace(step, data=replace(step.data, feed="generator"))
    for program, feature in (
        (of(two(listed(listed(2), 3)), steps=(compiled, step)), "nested outputs"),
        (of(two(), steps=(lacking, step)), "no loss for an output"),
        (of(two(), steps=(compiled, generator)), "generator"),
    ):
        assert features_of(program, 1) - plain == {feature}


def test_the_title_of_an_exception_is_its_first_line() -> None:
    raised = Divergence(
        Kind.RAISES, 1, "fit", "exception", "none", "KeyError: 'a'\nmore", site="trainer.py"
    )
    assert title_of(raised) == "fit raises KeyError: 'a'"


def test_a_smaller_program_says_nothing_of_compilation() -> None:
    program = of(two(), steps=(Compile(0, sgd(), SHORT_MSE, jit_compile=False),))
    smallest = reduced(
        program, lambda each: any(isinstance(s, Compile) for s in each.steps)
    )
    [step] = smallest.steps
    assert isinstance(step, Compile)
    assert step.jit_compile is None


def test_a_report_as_json_is_json() -> None:
    from krepro.render import fuzz as rendering

    finding = divergent()
    outcome = rendering.Outcome(
        (TORCH,), 0, Tally(programs=3), (finding,), (Path("f.py"),), 1.0, stopped=False
    )
    data = json.loads(rendering.as_json(outcome))
    assert data["findings"][0]["sights"][0]["kind"] == "loss"
    assert data["programs"] == 3
    assert "f.py" in rendering.text(outcome)
    assert "# krepro fuzz" in rendering.markdown(outcome)


@pytest.mark.parametrize(
    ("expected", "wanted", "condition"),
    [
        ("3 values", 3, "len(seen) == 3"),
        ("shape (2,)", None, "np.shape(seen) == (2,)"),
        ("a number", None, "isinstance(seen, (int, float, np.number))"),
        ("None", None, "seen is None"),
        ("dict of 2", None, 'type(seen).__name__ == "dict"'),
    ],
)
def test_a_structure_is_asserted(expected: str, wanted: Any, condition: str) -> None:
    told = Divergence(
        Kind.STRUCTURE, 0, "evaluate", "evaluate", expected, "x", wanted=wanted
    )
    assert condition_of(told) == condition
