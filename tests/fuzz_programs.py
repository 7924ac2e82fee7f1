"""Training programs written by hand: all that the documentation gives a rule for."""

from __future__ import annotations

from typing import Any

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
    SetWeights,
    Step,
    Structure,
    TupleOf,
)

MSE, MAE = Named("mean_squared_error"), Named("mean_absolute_error")
SHORT_MSE, SHORT_MAE = Named("mse"), Named("mae")
HUBER = Named("huber", "object", {"delta": 0.5})
LOG_COSH = Named("log_cosh", "function")
BINARY = Named("binary_crossentropy")
CLASSES = Named("sparse_categorical_crossentropy", "object")
ONE_HOT = Named("categorical_crossentropy", "object", {"from_logits": True})
ACCURACY = Named("accuracy")


def listed(*items: Structure) -> ListOf:
    return ListOf(items)


def keyed(**items: Structure) -> DictOf:
    return DictOf(tuple(items), tuple(items.values()))


def x(size: int = 2, name: str = "x") -> Node:
    return Node("input", name, (), {"shape": [size]})


def dense(name: str, given: int, units: int = 1, **args: Any) -> Node:
    shares = args.pop("shares", -1)
    return Node("dense", name, (given,), {"units": units, **args}, shares)


def line(
    *nodes: Node, form: str = "sequential", name: str = "line", start: int = 1
) -> Model:
    """A model of one input and one output."""
    return Model(form, name, nodes, 0, len(nodes) - 1, start)


def small(
    activation: str = "linear", units: int = 1, name: str = "small", **args: Any
) -> Model:
    first = dense("first", 0, 3, activation="tanh", **args)
    return line(x(), first, dense("last", 1, units, activation=activation), name=name)


def two(outputs: Structure | None = None, form: str = "functional") -> Model:
    """A model of two outputs whose names are not in the order of the alphabet."""
    nodes = (
        x(),
        dense("base", 0, 3, activation="relu"),
        dense("price", 1),
        dense("area", 1, 2),
    )
    return Model(form, "two", nodes, 0, outputs or listed(2, 3), 2)


def sgd(rate: float = 0.25, **args: Any) -> Optimizer:
    return Optimizer("sgd", {"learning_rate": rate, **args})


def adam(rate: float = 0.125, **args: Any) -> Optimizer:
    return Optimizer("adam", {"learning_rate": rate, **args})


def on_batch(**args: Any) -> OnBatch:
    train = args.pop("train", True)
    as_dict = args.pop("return_dict", True)
    model = args.pop("model", 0)
    return OnBatch(model, Data(4, **args), train, as_dict)


BOTH = listed(0, 1)
NAMED = keyed(area=1, price=0)


def of(*models: Model, steps: tuple[Step, ...]) -> Program:
    return Program(models, steps)


def trained(model: Model, compile_step: Compile, **data: Any) -> Program:
    """Compile, two steps on batches, an epoch or two, an evaluation, a prediction."""
    return of(
        model,
        steps=(
            compile_step,
            on_batch(start=1, **data),
            on_batch(start=2, train=False, **data),
            Fit(0, Data(6, 3, **data), 4, 2, validation=Data(5, 4, **data)),
            Evaluate(0, Data(5, 5, **data), 2),
            Predict(0, Data(3, 6), 2),
        ),
    )


PROGRAMS: dict[str, Program] = {}


def one_output() -> None:
    p = PROGRAMS
    p["mse"] = trained(small(), Compile(0, sgd(), MSE))
    p["mae_momentum"] = trained(small(), Compile(0, sgd(momentum=0.5), SHORT_MAE))
    p["nesterov_huber"] = trained(
        small(), Compile(0, sgd(momentum=0.5, nesterov=True), HUBER)
    )
    p["adam_log_cosh"] = trained(small(), Compile(0, adam(), LOG_COSH))
    p["binary"] = trained(
        small("sigmoid"),
        Compile(0, adam(), BINARY, metrics=listed(ACCURACY, SHORT_MSE)),
        targets=("binary",),
    )
    p["classes"] = trained(
        small("softmax", 3),
        Compile(0, adam(), CLASSES, metrics=listed(ACCURACY)),
        targets=("classes",),
    )
    p["one_hot"] = trained(
        small("linear", 3),
        Compile(0, sgd(), ONE_HOT, metrics=listed(Named("categorical_accuracy", "object"))),
        targets=("one_hot",),
    )
    p["softmax_one_hot"] = trained(
        small("softmax", 3),
        Compile(0, sgd(), Named("categorical_crossentropy"), metrics=listed(ACCURACY)),
        targets=("one_hot",),
    )
    p["loss_weight_of_one"] = trained(
        small(), Compile(0, sgd(), MSE, loss_weights=listed(0.5), metrics=listed(SHORT_MAE))
    )
    p["metrics_in_order"] = of(
        small(),
        steps=(
            Compile(0, sgd(), MSE, None, listed(SHORT_MSE, SHORT_MAE), listed(MAE)),
            on_batch(start=1, return_dict=False),
            on_batch(start=2, return_dict=False, train=False),
            ResetMetrics(0),
            Evaluate(0, Data(5, 5), 2, return_dict=False),
        ),
    )
    p["one_metric_in_both_lists"] = of(
        small(),
        steps=(
            Compile(0, sgd(), MSE, metrics=listed(MAE), weighted_metrics=listed(MAE)),
            Evaluate(0, Data(5, 5, sample_weight=0), 2, return_dict=False),
        ),
    )
    p["scalar_results"] = of(
        small(),
        steps=(
            Compile(0, sgd(), MSE),
            on_batch(start=1, return_dict=False),
            on_batch(start=2, return_dict=False, train=False),
            Evaluate(0, Data(5, 5), 2, return_dict=False),
        ),
    )
    for kind, activation, form in (
        ("binary", "sigmoid", "binary"),
        ("classes", "softmax", "sparse_categorical"),
        ("one_hot", "softmax", "categorical"),
    ):
        p[f"metrics_of_{kind}"] = trained(
            small(activation, 3),
            Compile(
                0,
                sgd(),
                Named(f"{form}_crossentropy", "function"),
                metrics=listed(
                    Named(f"{form}_crossentropy", "object"), Named(f"{form}_accuracy")
                ),
                weighted_metrics=listed(Named(f"{form}_accuracy", "object", {"name": "w"})),
            ),
            targets=(kind,),
            sample_weight=0,
        )
    p["metrics_of_errors"] = trained(
        small(),
        Compile(
            0,
            sgd(),
            MSE,
            metrics=listed(
                Named("root_mean_squared_error", "object"),
                Named("mean_absolute_error", "function"),
            ),
        ),
    )
    p["sample_weight"] = trained(
        small(),
        Compile(0, sgd(), MSE, metrics=listed(MAE), weighted_metrics=listed(SHORT_MAE)),
        sample_weight=0,
    )
    p["class_weight"] = of(
        small("sigmoid"),
        steps=(
            Compile(0, sgd(), BINARY, weighted_metrics=listed(SHORT_MSE)),
            on_batch(start=1, targets=("binary",), class_weight=((0, 1.0), (1, 3.0))),
            Fit(
                0,
                Data(6, 2, targets=("binary",), class_weight=((0, 0.5), (1, 2.0))),
                4,
                2,
                validation=Data(4, 1, targets=("binary",)),
            ),
        ),
    )
    p["penalty"] = trained(small(kernel_l2=0.125), Compile(0, sgd(), MSE))
    p["added_loss"] = trained(
        line(x(), dense("first", 0), Node("add_loss", "counted", (1,)), dense("last", 2)),
        Compile(0, sgd(), MSE),
    )
    p["no_bias_frozen_layer"] = trained(
        line(x(), dense("first", 0, 3, trainable=False), dense("last", 1, use_bias=False)),
        Compile(0, adam(), MSE),
    )
    # Its weight is 0: relu(0).
    p["kink"] = trained(
        line(x(1), dense("only", 0, use_bias=False, activation="relu"), start=8),
        Compile(0, sgd(), MSE),
    )
    p["sum_reduction"] = trained(
        small(units=2),
        Compile(
            0, sgd(0.0625), Named("mean_squared_error", "object", {"reduction": "sum"})
        ),
    )
    p["sequence_of_two"] = trained(
        Model(
            "functional",
            "steps",
            (
                Node("input", "x", (), {"shape": [3, 2]}),
                dense("each", 0, 2, activation="tanh"),
                dense("last", 1),
            ),
            0,
            2,
            3,
        ),
        Compile(0, sgd(), MSE, metrics=listed(MAE)),
    )


def two_outputs() -> None:
    p = PROGRAMS
    p["one_loss_for_two"] = trained(two(), Compile(0, sgd(), MSE), y=BOTH)
    p["list_of_losses"] = trained(
        two(),
        Compile(
            0,
            sgd(),
            listed(MSE, MAE),
            listed(0.5, 2.0),
            listed(listed(SHORT_MAE), listed(SHORT_MSE, MAE)),
        ),
        y=BOTH,
    )
    p["dict_of_losses"] = trained(
        two(),
        Compile(
            0,
            sgd(),
            keyed(area=MAE, price=MSE),
            keyed(area=0.5, price=2.0),
            keyed(area=SHORT_MSE, price=listed(SHORT_MAE, SHORT_MSE)),
        ),
        y=BOTH,
    )
    p["dict_of_targets"] = trained(
        two(),
        Compile(0, sgd(), listed(MSE, MAE), metrics=listed(SHORT_MAE, SHORT_MSE)),
        y=NAMED,
    )
    p["tuple_of_outputs"] = trained(
        two(TupleOf((3, 2))), Compile(0, sgd(), listed(MAE, MSE)), y=TupleOf((0, 1))
    )
    p["dict_of_outputs"] = trained(
        two(keyed(price=2, area=3)),
        Compile(
            0,
            sgd(),
            keyed(area=MAE, price=MSE),
            keyed(price=0.5, area=2.0),
            keyed(area=listed(SHORT_MSE), price=listed(SHORT_MAE)),
        ),
        y=NAMED,
    )
    p["dict_of_outputs_by_key"] = trained(
        two(keyed(one=2, other=3)),
        Compile(0, sgd(), keyed(one=MAE, other=MSE)),
        y=keyed(one=0, other=1),
    )
    p["no_loss_for_one"] = trained(two(), Compile(0, sgd(), listed(None, MSE)), y=BOTH)
    p["weights_of_two"] = trained(
        two(),
        Compile(
            0,
            sgd(),
            listed(MSE, MAE),
            weighted_metrics=listed(SHORT_MAE, SHORT_MSE),
            metrics=listed(MSE, MAE),
        ),
        y=BOTH,
        sample_weight=BOTH,
    )
    p["lists_of_results"] = of(
        two(),
        steps=(
            Compile(0, sgd(), MSE),
            on_batch(start=1, y=BOTH, return_dict=False),
            Evaluate(0, Data(5, 5, y=BOTH), 2, return_dict=False),
            Compile(0, sgd(), MSE, metrics=listed(MAE, MSE)),
            on_batch(start=1, y=BOTH, return_dict=False),
            Evaluate(0, Data(5, 5, y=BOTH), 2, return_dict=False),
        ),
    )
    p["nested_outputs"] = trained(
        Model(
            "functional",
            "nest",
            (x(), dense("c", 0), dense("b", 0), dense("a", 0)),
            0,
            listed(1, listed(2, 3)),
            2,
        ),
        Compile(0, sgd(), listed(MSE, listed(MAE, MSE))),
        y=listed(0, listed(1, 2)),
    )
    p["one_array_of_weights"] = trained(
        two(), Compile(0, sgd(), listed(MSE, MAE)), y=BOTH, sample_weight=0
    )
    p["list_loss_dict_weights"] = trained(
        two(), Compile(0, sgd(), listed(MSE, MAE), keyed(price=2.0, area=0.5)), y=BOTH
    )
    p["one_loss_two_weights"] = trained(
        two(), Compile(0, sgd(), MSE, listed(2.0, 0.5)), y=BOTH
    )
    p["dict_loss_for_one"] = trained(two(), Compile(0, sgd(), keyed(area=MSE)), y=BOTH)


def optimizers() -> None:
    p = PROGRAMS
    schedules = {
        "exponential": ("ExponentialDecay", {"decay_steps": 2, "decay_rate": 0.5}),
        "staircase": (
            "ExponentialDecay",
            {"decay_steps": 2, "decay_rate": 0.5, "staircase": True},
        ),
        "polynomial": ("PolynomialDecay", {"decay_steps": 4, "end_learning_rate": 0.125}),
        "inverse": ("InverseTimeDecay", {"decay_steps": 2, "decay_rate": 0.5}),
        "cosine": ("CosineDecay", {"decay_steps": 4, "alpha": 0.25}),
    }
    for name, (kind, args) in schedules.items():
        schedule = Named(kind, "object", {"initial_learning_rate": 0.5, **args})
        p[f"schedule_{name}"] = trained(
            small(), Compile(0, Optimizer("sgd", {"learning_rate": schedule}), MSE)
        )
    steps = Named(
        "PiecewiseConstantDecay",
        "object",
        {"boundaries": [1, 3], "values": [0.5, 0.25, 0.0]},
    )
    uneven = Named(
        "PiecewiseConstantDecay", "object", {"boundaries": [1, 3], "values": [0.5, 0.25]}
    )
    p["schedule_uneven"] = of(
        small(), steps=(Compile(0, Optimizer("sgd", {"learning_rate": uneven}), MSE),)
    )
    p["schedule_piecewise"] = trained(
        small(), Compile(0, Optimizer("sgd", {"learning_rate": steps}), MSE)
    )
    for name, args in {
        "clipvalue": {"clipvalue": 0.125},
        "clipnorm": {"clipnorm": 0.25},
        "global_clipnorm": {"global_clipnorm": 0.25},
        "decay": {"weight_decay": 0.125},
        "ema": {"use_ema": True, "ema_momentum": 0.5},
        "ema_overwrite": {
            "use_ema": True,
            "ema_momentum": 0.5,
            "ema_overwrite_frequency": 2,
        },
        "accumulation": {"gradient_accumulation_steps": 2},
        "accumulation_clip": {"gradient_accumulation_steps": 2, "clipvalue": 0.0625},
        "accumulation_decay": {"gradient_accumulation_steps": 3, "weight_decay": 0.125},
        "accumulation_ema": {
            "gradient_accumulation_steps": 2,
            "use_ema": True,
            "ema_momentum": 0.5,
        },
    }.items():
        p[f"sgd_{name}"] = trained(small(), Compile(0, sgd(**args), MSE))
        p[f"adam_{name}"] = trained(small(), Compile(0, adam(**args), MSE))
    p["averaged_twice"] = of(
        small(),
        steps=(
            Compile(0, sgd(use_ema=True, ema_momentum=0.5), MSE),
            Fit(0, Data(6, 3), 4),
            Fit(0, Data(6, 2), 4),
        ),
    )
    p["accumulation_schedule"] = trained(
        small(),
        Compile(
            0,
            Optimizer("sgd", {"learning_rate": steps, "gradient_accumulation_steps": 2}),
            MSE,
        ),
    )
    p["accumulation_momentum"] = trained(
        small(), Compile(0, sgd(momentum=0.5, gradient_accumulation_steps=2), MSE)
    )
    p["compiled_again"] = of(
        small(),
        steps=(
            Compile(0, adam(), MSE),
            on_batch(start=1),
            on_batch(start=2),
            Compile(0, adam(), MAE, metrics=listed(SHORT_MSE)),
            on_batch(start=3),
            Compile(0, sgd(), MSE, steps_per_execution=1, run_eagerly=True),
            Fit(0, Data(6, 3), 4),
        ),
    )


def architectures() -> None:
    p = PROGRAMS
    p["merged"] = of(
        Model(
            "functional",
            "merged",
            (
                x(2, "b"),
                x(3, "a"),
                dense("left", 0, 2),
                dense("right", 1, 2, activation="relu"),
                Node("add", "sum", (2, 3)),
                Node("concatenate", "all", (4, 0)),
                Node("reshape", "square", (5,), {"target_shape": [2, 2]}),
                dense("rows", 6, 2, activation="sigmoid"),
                Node("flatten", "flat", (7,)),
                Node("activation", "bent", (8,), {"activation": "tanh"}),
                Node("dropout", "kept", (9,)),
                dense("last", 10),
            ),
            listed(0, 1),
            11,
            4,
        ),
        steps=(
            Compile(0, adam(), MSE),
            on_batch(start=1, x="list"),
            on_batch(start=1, x="dict"),
            Fit(0, Data(6, 2, x="dict"), 4, 2),
            Predict(0, Data(3, 2, x="list"), 2),
        ),
    )
    p["dict_of_inputs"] = of(
        Model(
            "functional",
            "keys",
            (
                x(2, "b"),
                x(2, "a"),
                dense("left", 0),
                dense("right", 1),
                Node("add", "sum", (2, 3)),
            ),
            keyed(b=0, a=1),
            4,
            4,
        ),
        steps=(
            Compile(0, sgd(), MSE),
            on_batch(start=1, x="dict"),
            Predict(0, Data(3, 2, x="dict"), 2),
        ),
    )
    p["shared_layer"] = of(
        Model(
            "functional",
            "twins",
            (
                x(2, "one"),
                x(2, "other"),
                dense("shared", 0, 2, activation="tanh", kernel_l2=0.125),
                dense("shared_again", 1, 2, activation="tanh", kernel_l2=0.125, shares=2),
                Node("concatenate", "both", (2, 3)),
                dense("last", 4),
            ),
            listed(0, 1),
            5,
            5,
        ),
        steps=(
            Compile(0, sgd(), MSE),
            on_batch(start=1, x="list"),
            Fit(0, Data(6, 2, x="list"), 4, 2),
        ),
    )
    inner = line(x(), dense("deep", 0, 2, activation="tanh"), name="inner", start=3)
    outer = Model(
        "functional",
        "outer",
        (x(2, "z"), Node("model", "inner", (0,), {"model": 0}), dense("top", 1)),
        0,
        2,
        6,
    )
    wide = Data(4, 1, y=0)
    p["nested"] = of(
        inner,
        outer,
        steps=(
            Compile(1, adam(), MSE),
            OnBatch(1, wide),
            Fit(1, Data(6, 2), 4, 2, validation=Data(3, 1)),
            SetWeights(1),
            Predict(0, Data(2, 1), 2),
            Evaluate(1, Data(5, 2), 2),
        ),
    )
    p["nested_frozen"] = of(
        inner,
        outer,
        steps=(
            SetTrainable(0, False),
            Compile(1, adam(), MSE),
            OnBatch(1, wide),
            SetTrainable(0, True),
            Compile(1, adam(), MSE),
            OnBatch(1, wide),
            SetTrainable(1, False, "top"),
            Compile(1, sgd(), MSE),
            OnBatch(1, wide),
        ),
    )
    p["both_compiled"] = of(
        inner,
        outer,
        steps=(
            Compile(0, sgd(), MSE, metrics=listed(SHORT_MAE)),
            OnBatch(0, wide),
            Compile(1, adam(), MAE, metrics=listed(SHORT_MSE)),
            OnBatch(1, wide),
            OnBatch(0, wide),
            Fit(1, Data(6, 2), 4, 2),
            Fit(0, Data(6, 2), 4, 2),
            Evaluate(0, wide, 2),
        ),
    )
    discriminator = line(
        x(), dense("judge", 0, 2, activation="tanh"), dense("verdict", 1), name="d", start=3
    )
    generator = line(x(2), dense("paint", 0, 2), name="g", start=8)
    gan = Model(
        "functional",
        "gan",
        (
            x(2, "noise"),
            Node("model", "g", (0,), {"model": 1}),
            Node("model", "d", (1,), {"model": 0}),
        ),
        0,
        2,
        0,
    )
    p["gan"] = of(
        discriminator,
        generator,
        gan,
        steps=(
            Compile(0, adam(), MSE),
            SetTrainable(0, False),
            Compile(2, adam(), MSE),
            OnBatch(0, wide),
            OnBatch(2, wide),
            OnBatch(0, wide),
            OnBatch(2, wide),
        ),
    )
    p["flag_after_compile"] = of(
        small(),
        steps=(
            Compile(0, sgd(), MSE),
            SetTrainable(0, False, "first"),
            on_batch(start=1),
            Compile(0, sgd(), MSE),
            on_batch(start=2),
        ),
    )
    p["saved"] = of(
        two(),
        steps=(
            Compile(0, adam(), listed(MSE, MAE), metrics=listed(SHORT_MAE, None)),
            on_batch(start=1, y=BOTH),
            SaveLoad(0),
            on_batch(start=2, y=BOTH),
            Fit(0, Data(6, 3, y=BOTH), 4, 2),
        ),
    )
    p["saved_nested_frozen"] = of(
        inner,
        outer,
        steps=(
            SetTrainable(0, False),
            Compile(1, sgd(momentum=0.5), MSE),
            OnBatch(1, wide),
            SaveLoad(1),
            OnBatch(1, wide),
            Predict(0, Data(2, 1), 2),
        ),
    )
    p["saved_average"] = of(
        small(),
        steps=(
            Compile(0, sgd(use_ema=True, ema_momentum=0.5), MSE),
            on_batch(start=1),
            SaveLoad(0),
            on_batch(start=2),
            Fit(0, Data(6, 3), 4),
        ),
    )
    p["cloned"] = of(
        inner,
        outer,
        steps=(
            Compile(1, adam(), MSE),
            OnBatch(1, wide),
            Clone(1),
            Predict(1, Data(2, 1), 2),
            Compile(1, adam(), MSE),
            OnBatch(1, wide),
        ),
    )
    p["cloned_shared"] = of(
        p["shared_layer"].models[0],
        steps=(
            Clone(0),
            Compile(0, sgd(), MSE),
            on_batch(start=1, x="list"),
        ),
    )
    p["normalized"] = of(
        line(
            x(),
            dense("first", 0, 3),
            Node("batch_normalization", "norm", (1,), {"momentum": 0.75}),
            dense("last", 2),
        ),
        steps=(
            Compile(0, sgd(), MSE),
            on_batch(start=1),
            on_batch(start=2, train=False),
            Fit(0, Data(6, 3), 4, 2, validation=Data(4, 1)),
            Predict(0, Data(3, 1), 2),
            SetTrainable(0, False, "norm"),
            Compile(0, sgd(), MSE),
            on_batch(start=3),
            Evaluate(0, Data(5, 2), 2),
        ),
    )
    p["words"] = of(
        Model(
            "sequential",
            "words",
            (
                Node("input", "x", (), {"shape": [3], "dtype": "int32"}),
                Node("embedding", "table", (0,), {"input_dim": 5, "output_dim": 2}),
                Node("flatten", "flat", (1,)),
                dense("last", 2),
            ),
            0,
            3,
            2,
        ),
        steps=(
            Compile(0, adam(), MSE),
            on_batch(start=1),
            Fit(0, Data(6, 3), 4, 2),
            Predict(0, Data(3, 1), 2),
        ),
    )
    p["padded"] = of(
        Model(
            "sequential",
            "padded",
            (
                Node("input", "x", (), {"shape": [3], "dtype": "int32"}),
                Node(
                    "embedding",
                    "table",
                    (0,),
                    {"input_dim": 3, "output_dim": 2, "mask_zero": True},
                ),
                Node("activation", "bent", (1,), {"activation": "tanh"}),
                dense("last", 2),
            ),
            0,
            3,
            2,
        ),
        steps=(
            Compile(0, sgd(), MSE, metrics=listed(MAE)),
            on_batch(start=1),
            on_batch(start=2, train=False),
            Predict(0, Data(3, 1), 2),
        ),
    )
    p["own_class"] = of(
        two(form="subclass"),
        steps=(
            Compile(0, sgd(), listed(MSE, MAE), listed(2.0, 0.5)),
            on_batch(start=1, y=BOTH),
            Fit(0, Data(6, 3, y=BOTH), 4, 2),
            Predict(0, Data(3, 1), 2),
        ),
    )
    p["own_class_of_keys"] = of(
        two(keyed(price=2, area=3), form="subclass"),
        steps=(
            Compile(0, sgd(), keyed(price=MSE, area=MAE), metrics=keyed(price=listed(MAE))),
            on_batch(start=1, y=NAMED),
            Fit(0, Data(6, 3, y=NAMED), 4, 2),
            Predict(0, Data(3, 1), 2),
        ),
    )
    keys = two(keyed(price=2, area=3))
    for feed in ("dataset", "sequence", "generator"):
        p[f"fed_by_{feed}"] = of(
            keys,
            steps=(
                Compile(0, sgd(), keyed(area=MSE, price=MAE)),
                Fit(0, Data(6, 3, y=NAMED, feed=feed), 4, 1 if feed == "generator" else 2),
                Evaluate(0, Data(5, 2, y=NAMED, feed=feed), 2),
            ),
        )
    p["first_batches_only"] = of(
        small(),
        steps=(Compile(0, sgd(), MSE), Fit(0, Data(7, 3), 2, 1, steps_per_epoch=2)),
    )


def callbacks() -> None:
    p = PROGRAMS
    watches = {"monitor": "val_loss", "patience": 1}
    for name, rate, callback in (
        ("stopped_early", 1.5, Callback("EarlyStopping", watches)),
        (
            "best_restored",
            1.5,
            Callback("EarlyStopping", {**watches, "restore_best_weights": True}),
        ),
        (
            "rate_reduced",
            0.5,
            Callback("ReduceLROnPlateau", {**watches, "factor": 0.5, "min_delta": 0.25}),
        ),
        ("terminated", 0.125, Callback("TerminateOnNaN")),
        ("not_stopped", 0.125, Callback("EarlyStopping", {**watches, "min_delta": 0.0})),
    ):
        p[name] = of(
            small(),
            steps=(
                Compile(0, sgd(rate), MSE),
                Fit(0, Data(6, 3), 4, 5, validation=Data(4, 1), callbacks=(callback,)),
                on_batch(start=2),
            ),
        )


def checkpoints() -> None:
    # The second epoch is worse than the first.
    file = "best.weights.h5"
    watches = {"filepath": file, "monitor": "val_loss", "save_weights_only": True}
    for name, more in (
        ("checkpoint_last", {}),
        ("checkpoint_best", {"save_best_only": True}),
    ):
        PROGRAMS[name] = of(
            small(),
            steps=(
                Compile(0, sgd(0.875), MSE),
                Fit(
                    0,
                    Data(6, 3),
                    4,
                    2,
                    validation=Data(4, 1),
                    callbacks=(Callback("ModelCheckpoint", {**watches, **more}),),
                ),
                on_batch(start=2),
                LoadWeights(0, file),
                Predict(0, Data(3, 1), 3),
                on_batch(start=1),
            ),
        )


def models_called_twice() -> None:
    def model(name: str, *nodes: Node) -> Model:
        return Model("functional", name, nodes, 0, len(nodes) - 1, 2)

    inner = model("inner", x(), dense("deep", 0, 2, activation="tanh"))
    called = Node("model", "inner", (0,), {"model": 0})
    between = model("between", x(2, "z"), called, dense("near", 1, 2))
    for name, other in (("called_twice", 1), ("in_two_models", 0)):
        outer = model(
            "outer",
            x(2, "w"),
            Node("model", "between", (0,), {"model": 1}),
            Node("model", "again", (1,), {"model": other}),
            dense("top", 2),
        )
        PROGRAMS[name] = of(
            inner,
            between,
            outer,
            steps=(
                Compile(2, sgd(), MSE),
                on_batch(model=2, start=1),
                Fit(2, Data(5, 3), 2, 2),
                Predict(0, Data(2, 1), 2),
            ),
        )

    # It adds a loss in each call, also of what no output with a loss depends on.
    adding = line(
        x(2), dense("within", 0, 2), Node("add_loss", "counted", (1,)), name="adding"
    )
    called = (
        x(),
        dense("first", 0, 2),
        Node("model", "adding", (1,), {"model": 0}),
        dense("second", 2, 2),
        Node("model", "adding_again", (3,), {"model": 0}),
        dense("price", 4),
        dense("area", 0),
    )
    PROGRAMS["added_loss_of_a_model_called_twice"] = of(
        adding,
        Model("functional", "outer", called, 0, listed(5, 6)),
        steps=(
            Compile(1, adam(), listed(None, MSE)),
            on_batch(model=1, y=BOTH),
            Fit(1, Data(6, 3, y=BOTH), 4, 2),
            Predict(1, Data(3, 6), 2),
        ),
    )


for make in (
    one_output,
    two_outputs,
    optimizers,
    architectures,
    callbacks,
    checkpoints,
    models_called_twice,
):
    make()
