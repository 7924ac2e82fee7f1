"""Relations between two programs, with the reference as the cell that plays both; no Keras."""

from __future__ import annotations

import dataclasses
import functools
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from msgspec.structs import replace

from krepro.fuzz import source
from krepro.fuzz.compare import Divergence
from krepro.fuzz.invariants import Invariant, broken, invariants
from krepro.fuzz.program import (
    Callback,
    Clone,
    Compile,
    Data,
    DictOf,
    Evaluate,
    Fit,
    ListOf,
    LoadWeights,
    Model,
    Named,
    Node,
    OnBatch,
    Optimizer,
    Predict,
    Program,
    ResetMetrics,
    SaveLoad,
    SetTrainable,
    from_json,
    leaves,
    to_json,
)
from krepro.fuzz.reference import copying, dealing, feeding, predict, predicting, stepping
from krepro.fuzz.reference.dealing import Compiled, Outputs
from krepro.fuzz.reference.losses import Mean
from krepro.fuzz.reference.optimizers import Optimizing
from krepro.fuzz.reference.words import SILENT, Array, Computation
from krepro.fuzz.strategy import programs
from krepro.recorded.difference import Kind

Told = list[dict[str, Any]]
NAMES = {
    "saved_and_loaded",
    "evaluated_in_other_batches",
    "outputs_in_another_order",
    "loss_weights_scaled",
    "evaluated_as_validated",
}
INPUT = Node("input", "east", (), {"shape": [2], "dtype": "float32"})
SGD = Optimizer("sgd", {"learning_rate": 0.25})
MSE = Compile(0, SGD, loss=Named("mse"))
BOTH = ListOf((0, 1))
LOSSES = ListOf((Named("mse"), Named("log_cosh", "object")))
WEIGHTED = Compile(0, SGD, loss=LOSSES, loss_weights=ListOf((0.5, 2.0)))


def head(name: str, units: int = 1, **args: Any) -> Node:
    return Node("dense", name, (0,), {"units": units, **args})


def one_output(*steps: Any, **args: Any) -> Program:
    """A model of one layer, and some steps."""
    nodes = (INPUT, head("apple", **args))
    return Program((Model("functional", "model", nodes, 0, 1),), steps)


def two_outputs(*steps: Any, units: tuple[int, int] = (1, 1), **args: Any) -> Program:
    """A model of two outputs whose names are not in the order of the alphabet."""
    nodes = (INPUT, head("berry", units[0], **args), head("apple", units[1]))
    return Program((Model("functional", "model", nodes, 0, ListOf((1, 2))),), steps)


def nested(*steps: Any) -> Program:
    """A model in a model."""
    inner = Model("functional", "inner", (INPUT, head("apple", 2)), 0, 1)
    nodes = (
        INPUT,
        Node("model", "inner", (0,), {"model": 0}),
        Node("dense", "berry", (1,), {"units": 1}),
    )
    return Program((inner, Model("functional", "outer", nodes, 0, 2)), steps)


def of(program: Program, name: str) -> list[Invariant]:
    return [each for each in invariants(program) if each.name == name]


def the(program: Program, name: str) -> Invariant:
    (found,) = of(program, name)
    return found


# --- the reference as a cell --------------------------------------------------------------


def encoded(result: Any) -> Any:
    """Return a predicted result as a cell would tell it; 0 where nothing is predicted."""
    if result is SILENT:
        return 0.0
    if not isinstance(result, dict):
        return result
    (form, held), *_ = result.items()
    if form == "array":
        return {form: held}
    if form == "dict":
        return {form: [[key, encoded(item)] for key, item in held]}
    return {form: [encoded(item) for item in held]}


def played(program: Program) -> Told:
    told: Told = []
    for each in predict(program):
        if each.raises:
            raised("ValueError", told)
            break
        weights = {path: {"array": w.tolist()} for path, w in each.weights.items()}
        told.append(
            {"ending": "returned", "result": encoded(each.result), "weights": weights}
        )
    return told


def raised(exception: str, told: Told) -> Told:
    told.append(
        {"ending": "raised", "exception": exception, "message": "", "site": "a.py:f"}
    )
    return told


def targets_by_leaf(
    outputs: Outputs,
    of_outputs: tuple[tuple[int, ...], ...],
    data: Data,
    compiled: Compiled,
    made: Computation,
) -> list[Array | None]:
    """Return the targets of each output, each made by its own number, as scripts have them."""
    positions = feeding.belonging(data.y, outputs, made, "targets", compiled.has_loss)
    return [
        None if leaf is None else feeding.target(of_outputs[place], data, leaf)
        for place, leaf in enumerate(positions)
    ]


@pytest.fixture(autouse=True)
def _targets_keep_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "targets", targets_by_leaf)


def judged(program: Program, name: str) -> Divergence | None:
    """Return how the cell breaks an invariant of a program."""
    invariant = the(program, name)
    return broken(invariant, program, played(program), played(invariant.program))


# --- drawn programs -----------------------------------------------------------------------


@functools.cache
def drawn() -> tuple[Program, ...]:
    """Return some programs, always the same ones."""
    found: list[Program] = []

    @hypothesis.seed(5)
    @settings(max_examples=600, phases=[Phase.generate], database=None)
    @given(programs())
    def keep(program: Program) -> None:
        found.append(program)

    keep()
    return tuple(found)


def test_what_documentation_promises_breaks_no_invariant() -> None:
    """Each applies to programs that the reference predicts to the end, and holds for all."""
    whole: defaultdict[str, int] = defaultdict(int)
    for program in drawn():
        seen: Told = []
        for invariant in invariants(program):
            seen = seen or played(program)
            others = played(invariant.program)
            assert broken(invariant, program, seen, others) is None, program
            last = invariant.pairs[-1]
            whole[invariant.name] += (
                len(seen) > last.step + 1 and len(others) > last.other + 1
            )
    assert whole.keys() == NAMES
    assert all(count >= 5 for count in whole.values()), dict(whole)


def test_transformed_programs_are_other_programs_that_can_be_written() -> None:
    for program in drawn():
        for invariant in invariants(program):
            other = invariant.program
            assert other != program
            assert from_json(to_json(other)) == other
            assert len(source.chunks(other)) == 1 + len(other.steps)
            assert [pair.step for pair in invariant.pairs] == sorted(
                pair.step for pair in invariant.pairs
            )
            for pair in invariant.pairs[1:]:
                assert other.steps[pair.other].model == program.steps[pair.step].model
                if pair.other < invariant.since:
                    assert other.steps[pair.other] == program.steps[pair.step]


def given_by_name(program: Program, number: int, data: Data) -> dict[str, tuple[str, str]]:
    """Return the source of targets and sample weights by the name of their output."""
    model = program.models[number]
    names = [model.nodes[leaf].name for leaf in leaves(model.outputs)]

    def by_name(given: Any, text: Callable[[Any], str]) -> dict[str, str]:
        if given is None:
            return dict.fromkeys(names, "")
        keys = given.keys if isinstance(given, DictOf) else names
        return dict(zip(keys, map(text, given.items), strict=True))

    y = by_name(data.y, lambda leaf: source.target(program, number, data, leaf))
    weights = by_name(data.sample_weight, lambda leaf: source.weight(data, leaf))
    return {name: (y[name], weights[name]) for name in names}


def test_outputs_keep_their_data_in_another_order() -> None:
    looked_at = 0
    for program in drawn():
        for invariant in of(program, "outputs_in_another_order"):
            other = invariant.program
            for step, its in zip(program.steps, other.steps, strict=True):
                if program.models[step.model] == other.models[step.model]:
                    assert step == its
                elif isinstance(step, Fit | OnBatch | Evaluate):
                    looked_at += 1
                    assert isinstance(its, Fit | OnBatch | Evaluate)
                    assert given_by_name(program, step.model, step.data) == given_by_name(
                        other, step.model, its.data
                    )
    assert looked_at


# --- each is broken by a fault ------------------------------------------------------------


def test_a_loaded_model_that_lost_its_optimizer(monkeypatch: pytest.MonkeyPatch) -> None:
    momentum = Optimizer("sgd", {"learning_rate": 0.25, "momentum": 0.5})
    program = one_output(
        replace(MSE, optimizer=momentum), Fit(0, Data(2), 2), Fit(0, Data(2, 1), 2)
    )
    assert judged(program, "saved_and_loaded") is None
    load = copying.loaded

    def forgetful(network: Any) -> Any:
        found = load(network)
        old = found.compiled.optimizer.optimizer
        found.compiled = dataclasses.replace(found.compiled, optimizer=Optimizing(old))
        return found

    monkeypatch.setattr(copying, "loaded", forgetful)
    found = judged(program, "saved_and_loaded")
    assert found is not None
    assert (found.kind, found.step, found.call) == (Kind.WEIGHTS, 2, "fit")
    assert found.oracle == "invariant saved_and_loaded"


def test_batches_that_count_alike_whatever_their_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = one_output(MSE, Evaluate(0, Data(3), 2), Evaluate(0, Data(2), 2))
    assert judged(program, "evaluated_in_other_batches") is None
    test = stepping.test

    def uncounted(*args: Any) -> stepping.Report:
        report = test(*args)
        entries = [
            dataclasses.replace(each, mean=Mean(each.mean.value, 1.0))
            for each in report.entries
        ]
        return dataclasses.replace(report, entries=tuple(entries))

    monkeypatch.setattr(stepping, "test", uncounted)
    found = judged(program, "evaluated_in_other_batches")
    assert found is not None
    assert (found.kind, found.step, found.subject) == (Kind.LOSS, 1, "loss")


def test_losses_dealt_by_the_alphabet(monkeypatch: pytest.MonkeyPatch) -> None:
    program = two_outputs(
        Compile(0, SGD, loss=LOSSES), Fit(0, Data(2, y=BOTH), 2), Predict(0, Data(2), 2)
    )
    assert judged(program, "outputs_in_another_order") is None
    deal = dealing.losses_of

    def sorted_losses(given: Any, outputs: Outputs, made: Computation) -> list[Any]:
        found = deal(given, outputs, made)
        return [found[sorted(outputs.names).index(name)] for name in outputs.names]

    monkeypatch.setattr(dealing, "losses_of", sorted_losses)
    # Both orders deal wrongly, and not alike.
    found = judged(program, "outputs_in_another_order")
    assert found is not None
    assert (found.step, found.call) == (1, "fit")
    assert {Kind.LOSS, Kind.OUTPUT_LOSSES, Kind.WEIGHTS} <= set(found.kinds)


def test_loss_weights_that_do_not_reach_the_gradient(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = two_outputs(
        WEIGHTED, Fit(0, Data(2, y=BOTH), 1, 2), Evaluate(0, Data(2, y=BOTH), 2)
    )
    assert judged(program, "loss_weights_scaled") is None
    change = Optimizing.change

    def normed(self: Any, variable: Any, gradient: Any, *more: Any) -> Any:
        return change(self, variable, gradient / (1e-9 + np.abs(gradient)), *more)

    with monkeypatch.context() as patch:
        patch.setattr(Optimizing, "change", normed)
        found = judged(program, "loss_weights_scaled")
        assert found is not None
        assert (found.step, found.call) == (1, "fit")
        assert Kind.WEIGHTS in found.kinds
    deal = dealing.loss_weights_of
    monkeypatch.setattr(
        dealing, "loss_weights_of", lambda *args: [w**2 for w in deal(*args)]
    )
    found = judged(program, "loss_weights_scaled")
    assert found is not None
    assert (found.kind, found.step) == (Kind.LOSS, 1)


def test_a_validation_on_part_of_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = Fit(0, Data(4), 2, 2, validation=Data(3, 1))
    program = one_output(MSE, fit, Evaluate(0, Data(2), 2))
    assert judged(program, "evaluated_as_validated") is None
    train, evaluate = predicting.World.fit, predicting.World.evaluated
    fitting: list[bool] = []

    def fits(self: Any, *args: Any) -> Any:
        fitting.append(True)
        found = train(self, *args)
        fitting.pop()
        return found

    def evaluates(self: Any, network: Any, number: int, data: Data, size: int) -> Any:
        return evaluate(
            self, network, number, replace(data, samples=2) if fitting else data, size
        )

    monkeypatch.setattr(predicting.World, "fit", fits)
    monkeypatch.setattr(predicting.World, "evaluated", evaluates)
    found = judged(program, "evaluated_as_validated")
    assert found is not None
    assert (found.kind, found.step, found.subject) == (Kind.LOSS, 1, "loss")


def test_a_metric_that_only_validation_has() -> None:
    program = one_output(MSE, Fit(0, Data(4), 2, validation=Data(2)))
    invariant = the(program, "evaluated_as_validated")
    seen, others = played(program), played(invariant.program)
    seen[-1]["result"]["dict"].append(["val_mae", {"list": [1.0]}])
    others[-2]["result"]["dict"].append(["val_mae", {"list": [1.0]}])
    found = broken(invariant, program, seen, others)
    assert found is not None
    assert (found.kind, found.expected, found.seen) == (Kind.NAMES, "loss, mae", "loss")


# --- how runs are held to each other ------------------------------------------------------


TRAINED = one_output(MSE, Fit(0, Data(2), 2), Evaluate(0, Data(4), 2))


def other_loss(told: Mapping[str, Any]) -> dict[str, Any]:
    return {**told, "result": {"dict": [["loss", 99.0]]}}


@pytest.mark.parametrize("name", sorted(NAMES))
@pytest.mark.parametrize("which", ["original", "transformed", "both"])
def test_an_exception_counts_where_the_transformed_program_alone_raises(
    name: str, which: str
) -> None:
    data = Data(4, y=BOTH)
    program = two_outputs(WEIGHTED, Fit(0, data, 2, validation=data), Evaluate(0, data, 2))
    invariant = the(program, name)
    seen, others = played(program), played(invariant.program)
    if which != "transformed":
        seen = raised("TypeError", seen[:-1])
    if which != "original":
        others = raised("TypeError", others[:-1])
    found = broken(invariant, program, seen, others)
    counts = which == "transformed" and invariant.raising
    assert (found is not None) is counts
    assert invariant.raising is (
        name not in ("loss_weights_scaled", "evaluated_as_validated")
    )
    if found:
        assert (found.kind, found.site, found.step) == (Kind.RAISES, "a.py:f", 2)


def test_saving_that_raises() -> None:
    invariant = the(TRAINED, "saved_and_loaded")
    others = raised("TypeError", played(invariant.program)[:3])
    found = broken(invariant, TRAINED, played(TRAINED), others)
    assert found is not None
    assert (found.kind, found.step, found.call) == (Kind.RAISES, 2, "save and load_model")


def test_what_comes_before_the_change_is_not_held_to_anything() -> None:
    invariant = the(TRAINED, "saved_and_loaded")
    seen, others = played(TRAINED), played(invariant.program)
    others[2] = {**others[2], "result": {"dict": [["loss", {"list": [99.0]}]]}}
    assert broken(invariant, TRAINED, seen, others) is None
    others = played(invariant.program)
    others[-1] = other_loss(others[-1])
    assert broken(invariant, TRAINED, seen, others) is not None


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), 1e9])
def test_nothing_is_said_of_a_training_gone_astray(loss: float) -> None:
    invariant = the(TRAINED, "saved_and_loaded")
    seen, others = played(TRAINED), played(invariant.program)
    seen[-1]["result"]["dict"] = [["loss", loss]]
    assert broken(invariant, TRAINED, seen, others) is None


@pytest.mark.parametrize("end", range(4))
def test_runs_that_ended_early_are_held_to_each_other_up_to_there(end: int) -> None:
    invariant = the(TRAINED, "saved_and_loaded")
    seen, others = played(TRAINED), played(invariant.program)
    assert broken(invariant, TRAINED, seen[:end], others) is None
    assert broken(invariant, TRAINED, seen, others[:end]) is None


def test_a_loaded_model_has_weights_of_its_own() -> None:
    """What it shared layers with keeps those that were saved."""
    program = nested(replace(MSE, model=1), Fit(1, Data(2), 2), Fit(1, Data(2, 1), 2))
    invariant = the(program, "saved_and_loaded")
    assert invariant.models == (1,)
    seen, others = played(program), played(invariant.program)
    inner = [told[-1]["weights"]["model_0/apple/0"] for told in (seen, others)]
    assert inner[0] != inner[1]
    assert broken(invariant, program, seen, others) is None
    others[-1]["weights"]["model_1/berry/0"] = {"array": [[9.0], [9.0]]}
    found = broken(invariant, program, seen, others)
    assert found is not None
    assert found.kind is Kind.WEIGHTS


# --- where they apply ---------------------------------------------------------------------


FIT = Fit(0, Data(2), 2)
FIT_BOTH = Fit(0, Data(2, y=BOTH), 2)
HELD = Fit(0, Data(2), 2, validation=Data(2))
CUT = Evaluate(0, Data(3), 2)
AVERAGED = Optimizer("sgd", {"learning_rate": 0.25, "use_ema": True})
STOPS = Callback("EarlyStopping", {"monitor": "loss", "restore_best_weights": True})
MAE = Named("mae")


@pytest.mark.parametrize(
    ("name", "yes", "no"),
    [
        ("saved_and_loaded", (MSE, FIT), (FIT,)),
        ("saved_and_loaded", (MSE, FIT), (MSE, Clone(0), Predict(0, Data(2), 2))),
        (
            "saved_and_loaded",
            (SetTrainable(0, False), MSE, FIT),
            (MSE, SetTrainable(0, False), FIT),
        ),
        (
            "saved_and_loaded",
            (SetTrainable(0, False, "apple"), MSE, FIT),
            (SetTrainable(0, False), SetTrainable(0, True, "apple"), MSE, FIT),
        ),
        (
            "saved_and_loaded",
            (MSE, FIT, LoadWeights(0, "a"), FIT),
            (MSE, FIT, LoadWeights(0, "a")),
        ),
        (
            "saved_and_loaded",
            (
                replace(MSE, metrics=ListOf((MAE,))),
                replace(MSE, metrics=ListOf((MAE,))),
                FIT,
            ),
            (replace(MSE, metrics=ListOf((MAE,))), MSE, FIT),
        ),
        ("evaluated_in_other_batches", (MSE, CUT), (MSE, Evaluate(0, Data(2), 2))),
        (
            "evaluated_in_other_batches",
            (MSE, CUT),
            (MSE, replace(CUT, data=Data(3, sample_weight=0))),
        ),
        (
            "evaluated_in_other_batches",
            (MSE, CUT),
            (MSE, replace(CUT, data=Data(3, class_weight=((0, 2.0), (1, 1.0))))),
        ),
        ("evaluated_in_other_batches", (MSE, CUT), (CUT,)),
        (
            "evaluated_in_other_batches",
            (replace(MSE, loss=Named("huber", "object")), CUT),
            (replace(MSE, loss=Named("huber", "object", {"reduction": "sum"})), CUT),
        ),
        (
            "evaluated_in_other_batches",
            (replace(MSE, metrics=ListOf((MAE,))), CUT),
            (replace(MSE, metrics=ListOf((Named("mean"),))), CUT),
        ),
        ("evaluated_as_validated", (MSE, HELD), (MSE, FIT)),
        ("evaluated_as_validated", (MSE, HELD), (replace(MSE, optimizer=AVERAGED), HELD)),
        ("evaluated_as_validated", (MSE, HELD), (MSE, replace(HELD, callbacks=(STOPS,)))),
    ],
)
def test_where_one_output_is_enough(
    name: str, yes: Sequence[Any], no: Sequence[Any]
) -> None:
    assert of(one_output(*yes), name)
    assert not of(one_output(*no), name)


@pytest.mark.parametrize(
    ("name", "no"),
    [
        ("outputs_in_another_order", two_outputs(WEIGHTED)),
        ("outputs_in_another_order", two_outputs(WEIGHTED, FIT_BOTH, units=(1, 2))),
        (
            "outputs_in_another_order",
            two_outputs(WEIGHTED, Fit(0, Data(2, y=ListOf((0, None))), 2)),
        ),
        (
            "outputs_in_another_order",
            two_outputs(WEIGHTED, Fit(0, Data(2, y=BOTH, sample_weight=0), 2)),
        ),
        (
            "outputs_in_another_order",
            two_outputs(replace(WEIGHTED, loss=ListOf((MAE, None))), FIT_BOTH),
        ),
        (
            "outputs_in_another_order",
            two_outputs(replace(WEIGHTED, metrics=ListOf((MAE,))), FIT_BOTH),
        ),
        (
            # The total is a sum of three, and the gradient of one of them jumps.
            "outputs_in_another_order",
            two_outputs(
                replace(WEIGHTED, loss=ListOf((MAE, MAE))), FIT_BOTH, kernel_l2=0.5
            ),
        ),
        ("loss_weights_scaled", two_outputs(WEIGHTED)),
        ("loss_weights_scaled", two_outputs(WEIGHTED, FIT_BOTH, kernel_l2=0.5)),
        (
            "loss_weights_scaled",
            two_outputs(replace(WEIGHTED, loss_weights=None), FIT_BOTH),
        ),
        (
            "loss_weights_scaled",
            two_outputs(replace(WEIGHTED, optimizer=AVERAGED), FIT_BOTH),
        ),
        (
            "loss_weights_scaled",
            two_outputs(replace(WEIGHTED, optimizer=Optimizer("adam")), FIT_BOTH),
        ),
        (
            "loss_weights_scaled",
            two_outputs(
                WEIGHTED, replace(FIT_BOTH, callbacks=(Callback("ReduceLROnPlateau"),))
            ),
        ),
    ],
)
def test_where_two_outputs_are_not_enough(name: str, no: Program) -> None:
    assert of(two_outputs(WEIGHTED, FIT_BOTH), name)
    assert not of(no, name)


def test_a_drawn_dictionary_lacks_an_output_without_a_loss() -> None:
    """It does not say None, which is another thing to Keras; some are drawn that lack one."""
    losses = [
        (step.loss, len(list(leaves(program.models[step.model].outputs))))
        for program in drawn()
        for step in program.steps
        if isinstance(step, Compile) and isinstance(step.loss, DictOf)
    ]
    assert all(None not in loss.items for loss, _ in losses)
    assert any(len(loss.items) < count for loss, count in losses)


def test_what_a_layer_adds_to_the_loss_is_not_scaled() -> None:
    program = two_outputs(WEIGHTED, FIT_BOTH)
    nodes = (*program.models[0].nodes, Node("add_loss", "counted", (1,)))
    model = replace(program.models[0], nodes=nodes, outputs=ListOf((3, 2)))
    assert of(program, "loss_weights_scaled")
    assert not of(replace(program, models=(model,)), "loss_weights_scaled")


def test_outputs_of_one_name_have_no_order() -> None:
    steps = (WEIGHTED, Predict(0, Data(2), 2))
    assert of(two_outputs(*steps), "outputs_in_another_order")
    again = Node("dense", "again", (0,), shares=1)
    program = two_outputs(*steps)
    model = replace(program.models[0], nodes=(*program.models[0].nodes[:2], again))
    assert not of(replace(program, models=(model,)), "outputs_in_another_order")


def test_outputs_of_a_model_in_a_model_stay() -> None:
    program = two_outputs(WEIGHTED, FIT_BOTH)
    called = (INPUT, Node("model", "model", (0,), {"model": 0}))
    outer = Model("functional", "outer", called, 0, 1)
    both = replace(program, models=(*program.models, outer))
    assert not of(both, "outputs_in_another_order")


def test_a_class_of_the_users_own_is_not_saved() -> None:
    program = one_output(MSE, FIT)
    model = replace(program.models[0], form="subclass")
    assert not of(replace(program, models=(model,)), "saved_and_loaded")
    outer = replace(nested(replace(MSE, model=1), replace(FIT, model=1)))
    models = (replace(outer.models[0], form="subclass"), outer.models[1])
    assert of(outer, "saved_and_loaded")
    assert not of(replace(outer, models=models), "saved_and_loaded")


def test_what_is_done_with_shared_layers_after_loading() -> None:
    steps = (replace(MSE, model=1), replace(FIT, model=1))
    assert of(nested(*steps, SetTrainable(1, False)), "saved_and_loaded")
    assert not of(nested(*steps, SetTrainable(0, False)), "saved_and_loaded")
    assert not of(nested(steps[0], SetTrainable(0, False), steps[1]), "saved_and_loaded")


def test_masked_samples_do_not_count_alike() -> None:
    for mask, applies in ((False, True), (True, False)):
        words = {"input_dim": 3, "output_dim": 1, "mask_zero": mask}
        nodes = (
            replace(INPUT, args={"shape": [2], "dtype": "int32"}),
            Node("embedding", "words", (0,), words),
        )
        model = Model("functional", "model", nodes, 0, 1)
        program = Program((model,), (MSE, CUT))
        assert bool(of(program, "evaluated_in_other_batches")) is applies


METRICS = ListOf((ListOf((MAE,)), ListOf((Named("mse"),))))


def test_metrics_move_with_their_outputs() -> None:
    compiled = replace(WEIGHTED, metrics=METRICS, weighted_metrics=None)
    invariant = the(two_outputs(compiled, FIT_BOTH), "outputs_in_another_order")
    step = invariant.program.steps[0]
    assert isinstance(step, Compile)
    assert step.metrics == ListOf(METRICS.items[::-1])
    assert step.loss == ListOf(LOSSES.items[::-1])
    assert judged(two_outputs(compiled, FIT_BOTH), "outputs_in_another_order") is None
    weighted = replace(compiled, metrics=None, weighted_metrics=METRICS)
    assert judged(two_outputs(weighted, FIT_BOTH), "outputs_in_another_order") is None
    # Of two metrics of one name, the documentation does not say which is called what.
    both = replace(compiled, weighted_metrics=METRICS)
    assert not of(two_outputs(both, FIT_BOTH), "outputs_in_another_order")


def test_running_values_are_left_alone() -> None:
    """Whether a batch is told of alone, or with those before it, is not said."""
    batch = OnBatch(0, Data(2))
    for steps, held in (
        ((MSE, batch, batch), False),
        ((MSE, batch, ResetMetrics(0), batch), True),
    ):
        program = one_output(*steps)
        invariant = the(program, "saved_and_loaded")
        seen, others = played(program), played(invariant.program)
        others[-1] = other_loss(others[-1])
        assert (broken(invariant, program, seen, others) is not None) is held


def test_results_in_a_list_have_only_the_loss_in_common() -> None:
    program = two_outputs(WEIGHTED, Evaluate(0, Data(2, y=BOTH), 2, return_dict=False))
    invariant = the(program, "outputs_in_another_order")
    seen, others = played(program), played(invariant.program)
    (loss,) = seen[-1]["result"]["list"]
    seen[-1]["result"] = {"list": [loss, 1.0, 2.0]}
    others[-1]["result"] = {"list": [loss, 2.0, 1.0]}
    assert broken(invariant, program, seen, others) is None
    others[-1]["result"] = {"list": [loss + 1, 1.0, 2.0]}
    found = broken(invariant, program, seen, others)
    assert found is not None
    assert found.kind is Kind.LOSS


def test_the_loss_is_doubled_up_to_the_next_compilation() -> None:
    later = replace(WEIGHTED, loss_weights=None)
    validated = replace(FIT_BOTH, validation=Data(2, y=BOTH))
    program = two_outputs(WEIGHTED, validated, later, FIT_BOTH)
    invariant = the(program, "loss_weights_scaled")
    assert invariant.program.steps[1:] == program.steps[1:]
    seen, others = played(program), played(invariant.program)
    assert broken(invariant, program, seen, others) is None
    for key, values in others[2]["result"]["dict"]:
        if key == "val_loss":
            values["list"] = [each / 2 for each in values["list"]]
    found = broken(invariant, program, seen, others)
    assert found is not None
    assert (found.step, found.subject) == (1, "val_loss")


def test_a_model_is_saved_in_a_program_that_saves_already() -> None:
    program = one_output(MSE, FIT, SaveLoad(0), FIT)
    other = the(program, "saved_and_loaded").program
    assert other.steps == (MSE, FIT, SaveLoad(0), SaveLoad(0), FIT)
