"""The reference of training programs, held to numbers worked out by hand."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from krepro.fuzz.numbers import numbers as eighths
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
    Predict,
    Program,
    SaveLoad,
    SetTrainable,
    Step,
)
from krepro.fuzz.reference import RULES, SILENT, Predictions, predict
from krepro.fuzz.reference.layers import Pass, build
from krepro.fuzz.reference.words import Computation
from tests.fuzz_programs import (
    MAE,
    MSE,
    PROGRAMS,
    dense,
    keyed,
    line,
    listed,
    of,
    sgd,
    small,
    two,
    x,
)

# One weight, 0.25 (numbers: 7 * 3 % 13 - 6 eighths), and no bias.
ONE = Model(
    "functional",
    "one",
    (
        Node("input", "x", (), {"shape": [1]}),
        Node("dense", "a", (0,), {"units": 1, "use_bias": False}),
    ),
    0,
    1,
)
# Two samples: x = -3/4, -1/8; y = 3/8, -5/8; so errors p - y = -0.5625, 0.59375.
TWO = Data(2)
LOSS = (0.5625**2 + 0.59375**2) / 2
# The mean of 2 * error * x.
GRADIENT = 0.5625 * 0.75 - 0.59375 * 0.125
WEIGHT = 0.25


def steps(*taken: Step, optimizer: Optimizer | None = None, **compiled: Any) -> Predictions:
    """What is predicted of the one weight after compiling and the steps."""
    compiled = {"loss": MSE, **compiled}
    return predict(of(ONE, steps=(Compile(0, optimizer or sgd(0.5), **compiled), *taken)))


def weights(found: Predictions) -> list[float]:
    return [float(each.weights["model_0/a/0"][0, 0]) for each in found]


def test_a_step_of_gradient_descent() -> None:
    found = steps(OnBatch(0, TWO))
    assert found[0].result is None
    assert found[2].result == {"dict": [["loss", pytest.approx(LOSS)]]}
    assert weights(found) == pytest.approx([WEIGHT, WEIGHT, WEIGHT - 0.5 * GRADIENT])
    assert "sgd" in found[2].rules
    assert "compile" in found[1].rules
    assert "sgd" not in found[1].rules


def test_errors_without_a_sign_have_gradients_of_one_size() -> None:
    # The mean of sign(error) * x: errors are negative, positive.
    found = steps(OnBatch(0, TWO), loss=MAE)
    assert found[2].result == {"dict": [["loss", (0.5625 + 0.59375) / 2]]}
    assert weights(found)[-1] == WEIGHT - 0.5 * (0.75 - 0.125) / 2


def after(*, batches: int, gradient: float, **args: Any) -> list[float]:
    """The weight after steps that all have one gradient: the loss is that of p alone."""
    # A mean absolute error that keeps its signs has a gradient of its own size at each step.
    found = steps(*[OnBatch(0, TWO)] * batches, optimizer=Optimizer(**args), loss=MAE)
    assert gradient == 0.3125
    return [each - WEIGHT for each in weights(found)[2:]]


def test_momentum_and_nesterov() -> None:
    g, rate = 0.3125, 0.125
    plain = {"learning_rate": rate, "momentum": 0.5}
    # velocity: -rate * g, then 0.5 * that - rate * g.
    assert after(batches=2, gradient=g, name="sgd", args=plain) == pytest.approx(
        [-rate * g, -rate * g * (1 + 1.5)]
    )
    # w + 0.5 * velocity - rate * g
    assert after(
        batches=2, gradient=g, name="sgd", args={**plain, "nesterov": True}
    ) == pytest.approx([-1.5 * rate * g, -1.5 * rate * g - rate * g * (0.75 + 1)])


def test_the_steps_of_adam_on_one_gradient_are_as_long_as_the_rate() -> None:
    # m / (1 - b1^t) is g, v / (1 - b2^t) is g^2; epsilon is added before the correction.
    found = after(
        batches=2,
        gradient=0.3125,
        name="adam",
        args={"learning_rate": 0.125, "epsilon": 0.0},
    )
    assert found == pytest.approx([-0.125, -0.25])
    epsilon = 0.5
    first = 0.3125 / (0.3125 + epsilon / np.sqrt(1 - 0.999))
    found = after(
        batches=1,
        gradient=0.3125,
        name="adam",
        args={"learning_rate": 0.125, "epsilon": epsilon},
    )
    assert found == pytest.approx([-0.125 * first])


@pytest.mark.parametrize(
    ("args", "moved"),
    [
        ({"clipvalue": 0.25}, 0.25),
        ({"clipnorm": 0.25}, 0.25),
        ({"global_clipnorm": 0.25}, 0.25),
        ({"clipvalue": 0.5}, 0.3125),
        ({"clipnorm": 0.5}, 0.3125),
        ({"weight_decay": 0.5}, 0.3125 + 0.5 * WEIGHT),
    ],
)
def test_clipping_and_decay(args: dict[str, float], moved: float) -> None:
    found = after(
        batches=1, gradient=0.3125, name="sgd", args={"learning_rate": 0.125, **args}
    )
    assert found == pytest.approx([-0.125 * moved])


def test_accumulated_gradients_move_the_weight_at_once() -> None:
    args = {"learning_rate": 0.125, "gradient_accumulation_steps": 2, "weight_decay": 0.5}
    found = after(batches=3, gradient=0.3125, name="sgd", args=args)
    assert found == pytest.approx([0.0] + [-0.125 * (0.3125 + 0.5 * WEIGHT)] * 2)


def test_averages_are_put_into_the_model_when_it_is_time() -> None:
    args = {"learning_rate": 0.125, "use_ema": True, "ema_momentum": 0.75}
    found = after(
        batches=2, gradient=0.3125, name="sgd", args={**args, "ema_overwrite_frequency": 2}
    )
    step = -0.125 * 0.3125
    # The average starts at the first weight: 0.75 * 1 step + 0.25 * 2 steps.
    assert found == pytest.approx([step, 1.25 * step])
    fit = steps(
        Fit(0, replace(TWO, samples=2), 2, 2), optimizer=Optimizer("sgd", args), loss=MAE
    )
    assert weights(fit)[-1] - WEIGHT == pytest.approx(1.25 * step)


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        (
            Named(
                "PiecewiseConstantDecay",
                "object",
                {"boundaries": [1], "values": [0.125, 0.0625]},
            ),
            [0.125, 0.125, 0.0625],
        ),
        (
            Named(
                "ExponentialDecay",
                "object",
                {"initial_learning_rate": 0.125, "decay_steps": 2, "decay_rate": 0.25},
            ),
            [0.125, 0.0625, 0.03125],
        ),
    ],
)
def test_schedules_start_at_step_0(schedule: Named, rates: list[float]) -> None:
    found = after(batches=3, gradient=0.3125, name="sgd", args={"learning_rate": schedule})
    assert np.diff([0.0, *found]) == pytest.approx([-rate * 0.3125 for rate in rates])


def test_an_epoch_is_the_mean_over_samples_though_the_last_batch_is_smaller() -> None:
    # Three samples in batches of two; nothing moves: all count the same.
    still = sgd(0.0)
    found = steps(
        Fit(0, Data(3), 2), Evaluate(0, Data(3), 3), optimizer=still, metrics=listed(MSE)
    )
    history = dict(map(tuple, found[2].result["dict"]))
    whole = dict(map(tuple, found[3].result["dict"]))
    assert history["loss"]["list"] == [pytest.approx(whole["loss"])]
    assert history["mean_squared_error"]["list"] == [pytest.approx(whole["loss"])]


def test_weights_of_samples_count_in_the_loss_and_weighted_metrics_only() -> None:
    # Weights of start 0: (0 * 5 % 13 % 4 + 1) / 4, (5 % 4 + 1) / 4.
    data = replace(TWO, sample_weight=0)
    found = steps(
        OnBatch(0, data, train=False),
        OnBatch(0, data, train=False, return_dict=False),
        metrics=listed(MSE),
        weighted_metrics=listed(Named("mse")),
    )
    weighted = (0.25 * 0.5625**2 + 0.5 * 0.59375**2) / 2
    numbers = {
        "loss": weighted,
        "mean_squared_error": LOSS,
        "mse": weighted * 2 / (0.25 + 0.5),
    }
    assert dict(map(tuple, found[2].result["dict"])) == pytest.approx(numbers)
    assert found[3].result == {"list": pytest.approx(list(numbers.values()))}


def test_losses_and_weights_by_name_reach_the_outputs_of_those_names() -> None:
    pairs = {"price": (MSE, 2.0), "area": (MAE, 0.5)}
    lists = predict(
        of(
            two(),
            steps=(
                Compile(0, sgd(), listed(MSE, MAE), listed(2.0, 0.5)),
                OnBatch(0, Data(4, y=listed(0, 1))),
            ),
        )
    )
    for order in (("price", "area"), ("area", "price")):
        dicts = predict(
            of(
                two(),
                steps=(
                    Compile(
                        0,
                        sgd(),
                        DictOf(order, tuple(pairs[name][0] for name in order)),
                        DictOf(order, tuple(pairs[name][1] for name in order)),
                    ),
                    OnBatch(
                        0,
                        Data(
                            4, y=DictOf(order, tuple(map(("price", "area").index, order)))
                        ),
                    ),
                ),
            )
        )
        assert dicts[-1].result == lists[-1].result
        assert dicts[-1].weights.keys() == lists[-1].weights.keys()
        for path, value in dicts[-1].weights.items():
            assert np.array_equal(value, lists[-1].weights[path])
    logs = dict(map(tuple, lists[-1].result["dict"]))
    assert logs["loss"] == pytest.approx(2 * logs["price_loss"] + 0.5 * logs["area_loss"])


def changed(found: Predictions, path: str) -> list[bool]:
    values = [each.weights[path] for each in found]
    return [not np.array_equal(a, b) for a, b in itertools.pairwise(values)]


def test_flags_are_those_of_the_last_compile() -> None:
    found = predict(PROGRAMS["flag_after_compile"])
    # compile, flag, step with the old flags, compile, step with the new ones
    assert changed(found, "model_0/first/0") == [False, False, True, False, False]
    assert changed(found, "model_0/last/0") == [False, False, True, False, True]


def test_a_discriminator_learns_in_its_own_step_only() -> None:
    found = predict(PROGRAMS["gan"])
    judge = changed(found, "model_2/d/judge/0")
    paint = changed(found, "model_2/g/paint/0")
    assert judge == [False, False, False, True, False, True, False]
    assert paint == [False, False, False, False, True, False, True]
    assert changed(found, "model_0/judge/0") == judge


def test_a_loaded_model_goes_on_where_the_saved_one_was() -> None:
    momentum = sgd(0.125, momentum=0.5)
    there = steps(OnBatch(0, TWO), OnBatch(0, TWO), optimizer=momentum)
    back = steps(OnBatch(0, TWO), SaveLoad(0), OnBatch(0, TWO), optimizer=momentum)
    assert weights(back)[-1] == weights(there)[-1]


def test_a_loaded_or_cloned_model_is_another_one() -> None:
    program = PROGRAMS["nested"]
    train = program.steps[1]
    found = predict(replace(program, steps=(program.steps[0], train, SaveLoad(1), train)))
    assert changed(found, "model_0/deep/0") == [False, True, False, False]
    assert changed(found, "model_1/inner/deep/0") == [False, True, False, True]
    found = predict(PROGRAMS["cloned"])
    assert changed(found, "model_0/deep/0")[-1] is False
    assert changed(found, "model_1/inner/deep/0")[-1] is True


def test_a_penalty_is_in_the_loss_of_training_and_unknown_in_that_of_tests() -> None:
    inner = replace(ONE.nodes[1], args={**ONE.nodes[1].args, "kernel_l2": 2.0})
    model = replace(ONE, nodes=(ONE.nodes[0], inner))
    found = predict(
        of(
            model,
            steps=(
                Compile(0, sgd(0.5), MSE),
                OnBatch(0, TWO, train=False),
                OnBatch(0, TWO),
            ),
        )
    )
    assert found[2].result == {"dict": [["loss", SILENT]]}
    assert found[3].result == {"dict": [["loss", pytest.approx(LOSS + 2 * WEIGHT**2)]]}
    assert weights(found)[-1] == pytest.approx(WEIGHT - 0.5 * (GRADIENT + 4 * WEIGHT))


def test_an_added_loss_by_hand() -> None:
    """A quarter of the mean square of what the layer is given, also in the gradient."""
    nodes = (*ONE.nodes, Node("add_loss", "b", (1,)))
    model = replace(ONE, nodes=nodes, outputs=2)
    found = predict(of(model, steps=(Compile(0, sgd(), MSE), OnBatch(0, TWO))))
    x = np.array([-0.75, -0.125])
    assert found[2].result == {
        "dict": [["loss", pytest.approx(LOSS + np.mean((x * WEIGHT) ** 2) / 4)]]
    }
    added = np.mean(x**2) * WEIGHT / 2
    assert weights(found)[-1] == pytest.approx(WEIGHT - 0.25 * (GRADIENT + added))


def test_an_added_loss_is_learned_from_where_the_output_has_none() -> None:
    """The one way to the loss from the first layer: else nothing said how its weights decay."""
    nodes = (x(), dense("base", 0, 2), Node("add_loss", "added", (1,)), dense("area", 0))
    model = Model("functional", "two", nodes, 0, listed(2, 3), 2)
    compiled = Compile(0, sgd(weight_decay=0.5), listed(None, MSE))
    found = predict(of(model, steps=(compiled, OnBatch(0, Data(2, y=listed(None, 1))))))
    assert found.ended is None
    assert changed(found, "model_0/base/0") == [False, True]


def test_one_loss_of_several_outputs_may_be_said_once_or_twice() -> None:
    """Nothing says whether a list has the loss of the one output that has any besides the sum."""
    for losses, silent in ((listed(MSE, None), True), (listed(MSE, MSE), False)):
        targets = Data(2, y=listed(0, None if silent else 1))
        step = Evaluate(0, targets, 2, return_dict=False)
        found = predict(of(two(), steps=(Compile(0, sgd(), losses), step)))
        assert (found[2].result is SILENT) == silent


def test_normalization_by_hand() -> None:
    norm = Node("batch_normalization", "a", (0,), {"momentum": 0.75})
    model = replace(ONE, nodes=(ONE.nodes[0], norm))
    found = predict(
        of(model, steps=(Compile(0, sgd(0.0), MSE), OnBatch(0, TWO), Predict(0, TWO, 2)))
    )
    # x = -3/4, -1/8: mean -0.4375, variance 0.3125^2.
    assert found[2].weights["model_0/a/2"] == pytest.approx(-0.4375 / 4)
    assert found[2].weights["model_0/a/3"] == pytest.approx(0.75 + 0.25 * 0.3125**2)
    scale = np.sqrt(0.75 + 0.25 * 0.3125**2 + 0.001)
    predicted = np.array(found[3].result["array"])[:, 0]
    assert predicted == pytest.approx((np.array([-0.75, -0.125]) + 0.4375 / 4) / scale)


def test_training_stops_early_at_the_best_weights() -> None:
    found = predict(PROGRAMS["best_restored"])
    history = dict(map(tuple, found[2].result["dict"]))
    assert len(history["val_loss"]["list"]) == 2
    alone = predict(
        of(small(), steps=(Compile(0, sgd(1.5), MSE), Fit(0, Data(6, 3), 4, 1)))
    )
    for path, value in alone[-1].weights.items():
        assert np.array_equal(value, found[2].weights[path])


def test_a_checkpoint_brings_weights_back() -> None:
    for name, epochs in (("checkpoint_best", 1), ("checkpoint_last", 2)):
        found = predict(PROGRAMS[name])
        history = dict(map(tuple, found[2].result["dict"]))["val_loss"]["list"]
        assert int(np.argmin(history)) == 0, "the first epoch is the best"
        alone = predict(
            of(small(), steps=(Compile(0, sgd(0.875), MSE), Fit(0, Data(6, 3), 4, epochs)))
        )
        for path, value in alone[-1].weights.items():
            assert np.array_equal(value, found[4].weights[path])
            assert not np.array_equal(value, found[3].weights[path])


@pytest.mark.parametrize("name", ["called_twice", "in_two_models"])
def test_a_model_called_twice_learns_from_both_calls(name: str) -> None:
    """The gradient of a weight that is used twice, by finite differences."""
    program = PROGRAMS[name]
    before, after = (predict(program)[n].weights for n in (0, 2))
    path = "model_0/deep/0"
    assert np.array_equal(after[path], after["model_2/between/inner/deep/0"])
    gradient = (before[path] - after[path])[0, 0] / 0.25
    network = build(program, Computation())[2]
    layer = next(each for each in network.layers() if each.name == "deep")

    def loss(shift: float) -> float:
        kernel = np.array(before[path])
        kernel[0, 0] += shift
        layer.weights[0] = kernel
        (found,) = Pass(Computation()).run(network, {0: eighths((4, 2), 1)})
        return float(np.mean((found - eighths((4, 1), 1 + 3)) ** 2))

    assert gradient == pytest.approx((loss(1e-5) - loss(-1e-5)) / 2e-5, rel=1e-6)


@pytest.mark.parametrize(
    ("program", "length", "reason"),
    [
        (of(ONE, steps=(Fit(0, TWO, 2),)), 1, "not compiled"),
        (of(ONE, steps=(Compile(0), OnBatch(0, TWO))), 2, "without a loss"),
        (
            of(
                ONE,
                steps=(
                    Compile(0, loss=MSE),
                    Fit(0, TWO, 2, callbacks=(Callback("RemoteMonitor"),)),
                ),
            ),
            2,
            "RemoteMonitor",
        ),
        (
            of(two(), steps=(Compile(0, loss=MSE, metrics=listed(MSE)),)),
            1,
            "metrics of another",
        ),
        (of(ONE, steps=(Compile(0, loss=ListOf((MSE, MAE))),)), 1, "another number"),
        (
            of(
                ONE,
                steps=(
                    SetTrainable(0, value=False),
                    SetTrainable(0, value=True, layer="a"),
                    Compile(0, loss=MSE),
                ),
            ),
            3,
            "unfrozen",
        ),
        (
            of(
                two(),
                steps=(Compile(0, loss=listed(MSE, None), loss_weights=keyed(price=0.5)),),
            ),
            1,
            "beside a list of losses that lacks one",
        ),
        (
            of(
                two(),
                steps=(
                    Compile(
                        0, loss=keyed(price=MSE), loss_weights=keyed(price=0.5, area=2.0)
                    ),
                ),
            ),
            1,
            "by the name of an output without a loss",
        ),
        (
            of(
                two(),
                steps=(
                    Compile(0, loss=listed(MSE, None)),
                    OnBatch(0, Data(2, y=listed(0, 1))),
                    OnBatch(0, Data(2, y=listed(0, None))),
                ),
            ),
            3,
            "now and then",
        ),
    ],
)
def test_it_ends_where_documentation_does(
    program: Program, length: int, reason: str
) -> None:
    found = predict(program)
    assert len(found) == length
    assert found.ended is not None
    assert reason in found.ended.reason


def test_what_is_documented_to_raise_raises() -> None:
    found = predict(PROGRAMS["schedule_uneven"])
    assert [each.raises for each in found] == [False, True]
    assert found.ended is None


def test_noise_is_rounding_of_its_size_and_leaves_zeros() -> None:
    program = PROGRAMS["dict_of_losses"]
    exact = predict(program)
    noisy = [predict(program, 1e-7, seed) for seed in (0, 0, 1)]
    values = [
        np.concatenate([each[-1].weights[path].ravel() for path in exact[-1].weights])
        for each in (exact, *noisy)
    ]
    assert np.array_equal(values[1], values[2])
    for each in (values[1], values[3]):
        assert 1e-9 < np.abs(each - values[0]).max() < 1e-5
        assert np.array_equal(each == 0, values[0] == 0)
    still = PROGRAMS["kink"]
    zero = predict(still, 1e-3)[-1]
    assert zero.weights["model_0/only/0"] == 0
    assert not np.any(zero.result["array"])
    building = predict(program, 1e-7, 0)[0].weights
    assert all(np.array_equal(building[path], exact[0].weights[path]) for path in building)


def test_each_rule_says_where_it_comes_from_and_is_used() -> None:
    used = {
        rule
        for program in PROGRAMS.values()
        for each in predict(program)
        for rule in each.rules
    }
    for name, rule in RULES.items():
        assert rule.id == name
        assert rule.statement.endswith(".")
        assert rule.page.startswith("https://keras.io/")
        assert rule.where
    assert set(RULES) - used == set()


def test_programs_written_by_hand_are_predicted_to_their_ends() -> None:
    ended = {
        name: str(found.ended)
        for name, program in PROGRAMS.items()
        if (found := predict(program)).ended
    }
    assert ended == {}


def test_where_rounding_decides_nothing_is_promised() -> None:
    """A prediction of 1/4 for a target of 1/4: in float32 the error may have either sign."""
    model, start = next(
        (model, start)
        for model in (line(x(1), dense("only", 0), start=start) for start in range(13))
        for start in range(13)
        if predict(of(model, steps=(Predict(0, Data(1, start), 1),)))[1].result["array"][0][
            0
        ]
        == eighths((1, 1), start + 3)[0, 0]
        != 0
    )
    steps = (Compile(0, sgd(), MAE), OnBatch(0, Data(1, start)))
    assert predict(of(model, steps=steps)).ended.reason.startswith("the gradient of an abs")
    tested = replace(steps[1], train=False)
    assert predict(of(model, steps=(steps[0], tested))).ended is None
