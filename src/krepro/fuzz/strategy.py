"""Programs drawn by hypothesis, a few features of Keras at a time.

A program takes up a few features and is plain otherwise: programs that use everything at once hide
what goes wrong in one feature behind what goes wrong in another. Alternatives are listed the plain
one first, since hypothesis shrinks towards it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from msgspec.structs import replace

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
    is_nested,
    layer_nodes,
    leaves,
    output_layers,
    shaped,
)
from krepro.fuzz.shapes import output_shapes

# Features that have to do with each other.
THEMES: dict[str, tuple[str, ...]] = {
    "training": (
        "partial batches",
        "validation",
        "batch methods",
        "running values",
        "evaluation",
        "prediction",
        "steps per epoch",
        "steps per execution",
        "eagerness",
        "compilation",
    ),
    "losses": (
        "outputs",
        "nested outputs",
        "loss forms",
        "missing losses",
        "loss weights",
        "labels",
        "sample weights",
    ),
    "metrics": (
        "outputs",
        "metrics",
        "weighted metrics",
        "sample weights",
        "labels",
        "evaluation",
        "partial batches",
        "recompiling",
    ),
    "flags": ("trainable", "recompiling", "normalization", "batch methods", "prediction"),
    "models in models": (
        "nesting",
        "inner training",
        "trainable",
        "batch methods",
        "added losses",
    ),
    "optimizers": (
        "optimizers",
        "clipping",
        "weight decay",
        "averaging",
        "accumulation",
        "schedules",
        "partial batches",
    ),
    "layers": (
        "regularizers",
        "added losses",
        "sharing",
        "inputs",
        "sequential",
        "subclassing",
        "normalization",
        "embedding",
        "masks",
        "evaluation",
    ),
    "masks": (
        "embedding",
        "masks",
        "metrics",
        "evaluation",
        "batch methods",
        "compilation",
    ),
    "data": ("inputs", "feeds", "class weights", "sample weights", "partial batches"),
    "copies": (
        "saving",
        "cloning",
        "optimizers",
        "clipping",
        "metrics",
        "loss forms",
        "loss weights",
        "regularizers",
        "sharing",
        "inputs",
        "outputs",
        "nested outputs",
        "trainable",
        "normalization",
        "evaluation",
    ),
    "callbacks": ("callbacks", "checkpoints", "validation", "metrics", "labels"),
}
FEATURES = tuple(dict.fromkeys(feature for each in THEMES.values() for feature in each))
# Names of outputs and inputs, by model; any order of them may be drawn.
HEADS = (
    ("apple", "berry", "cherry"),
    ("dahlia", "elder", "fern"),
    ("ginger", "hazel", "iris"),
)
INPUTS = (("east", "west"), ("north", "south"), ("left", "right"))
NESTED = ("inner", "between", "outer")
ACTIVATIONS = ("linear", "relu", "tanh", "sigmoid")
LOSSES = ("mean_squared_error", "mean_absolute_error", "huber", "log_cosh")
SHORT = {"mean_squared_error": "mse", "mean_absolute_error": "mae"}
METRICS = ("mean_absolute_error", "mean_squared_error", "root_mean_squared_error")
# What is lost on targets of a kind, and what is measured of it.
LABEL_LOSSES = {
    "binary": "binary_crossentropy",
    "classes": "sparse_categorical_crossentropy",
    "one_hot": "categorical_crossentropy",
}
LABEL_METRICS = {
    "binary": "binary_accuracy",
    "classes": "sparse_categorical_accuracy",
    "one_hot": "categorical_accuracy",
}
# Schedules of which each step is another one; the last is documented to raise.
SCHEDULES = tuple(
    Named(name, "object", args)
    for name, args in (
        ("PiecewiseConstantDecay", {"boundaries": [1, 2], "values": [0.5, 0.25, 0.125]}),
        (
            "ExponentialDecay",
            {"initial_learning_rate": 0.5, "decay_steps": 2, "decay_rate": 0.5},
        ),
        (
            "ExponentialDecay",
            {
                "initial_learning_rate": 0.5,
                "decay_steps": 2,
                "decay_rate": 0.5,
                "staircase": True,
            },
        ),
        (
            "PolynomialDecay",
            {
                "initial_learning_rate": 0.5,
                "decay_steps": 4,
                "end_learning_rate": 0.125,
                "power": 2.0,
            },
        ),
        (
            "InverseTimeDecay",
            {"initial_learning_rate": 0.5, "decay_steps": 2, "decay_rate": 0.5},
        ),
        ("CosineDecay", {"initial_learning_rate": 0.5, "decay_steps": 4, "alpha": 0.25}),
        ("PiecewiseConstantDecay", {"boundaries": [1, 2], "values": [0.5, 0.25]}),
    )
)
LABEL_ACTIVATIONS = {"binary": "sigmoid", "classes": "softmax", "one_hot": "softmax"}

Draw = Any


@dataclass
class Maker:
    """Draws a program; ``features`` are those that it takes up."""

    draw: Draw
    features: frozenset[str]
    models: list[Model] = field(default_factory=list)
    kinds: list[tuple[str, ...]] = field(default_factory=list)
    masked: set[int] = field(default_factory=set)
    checkpoints: dict[int, str] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    compiled: dict[int, Compile] = field(default_factory=dict)

    def uses(self, *features: str) -> bool:
        """Whether one of some features is taken up."""
        return any(feature in self.features for feature in features)

    def one(self, options: Sequence[Any]) -> Any:
        """Draw one of some options, the plain one first."""
        if len(options) == 1:
            return options[0]
        # Hypothesis tells strategies apart by the hashes of what they draw from. Those of
        # numbers are the same in every process, so that a seed draws the same programs.
        first = zlib.crc32(repr(options).encode())
        return options[
            self.draw(st.sampled_from(range(first, first + len(options)))) - first
        ]

    def number(self, least: int, most: int) -> int:
        """Draw a whole number."""
        return int(self.draw(st.integers(least, most)))

    def maybe(self, *features: str) -> bool:
        """Draw whether to do what a feature is about; mostly, it is done."""
        return self.uses(*features) and bool(self.one((False, True, True)))

    def sometimes(self, *features: str) -> bool:
        """Draw whether to do what a feature is about, one time in two."""
        return self.uses(*features) and bool(self.one((False, True)))

    def seldom(self, *features: str) -> bool:
        """Draw whether to do what a feature is about, one time in three."""
        return self.uses(*features) and bool(self.one((False, False, True)))

    # --- models ---------------------------------------------------------------------------

    def make(self) -> Program:
        """Draw a program."""
        inner = self.uses("nesting", "inner training")
        self.model(single=inner)
        if inner:
            three = self.one((False, False, True))
            self.model(single=three, inner=0)
            if three:
                self.model(inner=1)
        self.take_steps()
        return Program(tuple(self.models), tuple(self.steps))

    def model(self, *, single: bool = False, inner: int | None = None) -> None:
        """Draw a model; ``single``: of one output; ``inner``: that calls an earlier model."""
        number = len(self.models)
        count = 1
        if not single and self.uses("outputs"):
            count = self.one((1, 2, 3, 2, 2))
        form = "functional"
        if count == 1 and self.uses("sequential") and not self.uses("inputs", "sharing"):
            form = "sequential"
        if self.uses("subclassing") and not self.uses("saving", "cloning"):
            form = self.one(("functional", "subclass"))
        nodes = self.inputs(number, form)
        last = self.body(nodes, number, inner)
        inputs = [each for each, node in enumerate(nodes) if node.op == "input"]
        heads = self.heads(nodes, number, last, count)
        structure: Structure = heads[0]
        if count > 1:
            structure = self.output_structure(nodes, heads)
        taken: Structure = inputs[0]
        if len(inputs) > 1:
            taken = ListOf(tuple(inputs))
            if self.maybe("inputs"):
                taken = DictOf(tuple(nodes[each].name for each in inputs), tuple(inputs))
        if form == "sequential" and any(
            len(node.inputs) > 1 or node.inputs not in ((), (each - 1,))
            for each, node in enumerate(nodes)
        ):
            form = "functional"
        name = NESTED[number] if self.uses("nesting", "inner training") else "model"
        self.models.append(
            Model(form, name, tuple(nodes), taken, structure, start=self.number(0, 3))
        )

    def inputs(self, number: int, form: str) -> list[Node]:
        """Draw the inputs of a model."""
        words = not number and self.maybe("embedding")
        if words:
            shape, dtype = [2], "int32"
        else:
            shape, dtype = [self.number(1, 3)], "float32"
        names = list(INPUTS[number])
        count = 1
        if self.uses("inputs") and form != "sequential" and dtype == "float32":
            count = self.one((1, 2, 2))
            names = self.draw(st.permutations(names))
        return [
            Node("input", names[each], (), {"shape": shape, "dtype": dtype})
            for each in range(count)
        ]

    def body(self, nodes: list[Node], number: int, inner: int | None) -> int:
        """Draw what comes between the inputs and the outputs; return its last node."""
        place = f"_{number}" if number else ""
        last = len(nodes) - 1
        if last == 1:
            joined = self.one(("concatenate", "add"))
            nodes.append(Node(joined, f"joined{place}", (0, 1)))
            last = 2
        if nodes[0].args["dtype"] != "float32":
            sizes = {"input_dim": 3, "output_dim": self.number(1, 2)}
            if self.maybe("masks"):
                sizes["mask_zero"] = True
                self.masked.add(number)
            nodes.append(Node("embedding", "words", (last,), sizes))
            last += 1
            if number not in self.masked:
                last = self.add(nodes, Node("flatten", "flat", (last,)))
        args: dict[str, Any] = {}
        if inner is not None:
            last = self.calling(nodes, number, last, inner)
        elif self.maybe(
            "regularizers", "sharing", "normalization", "trainable", "optimizers", "masks"
        ):
            args = {"units": self.number(1, 2), "activation": self.one(ACTIVATIONS)}
            if self.maybe("regularizers"):
                args["kernel_l2"] = 0.25
            if self.sometimes("trainable"):
                args["trainable"] = False
            hidden = Node("dense", f"hidden{place}", (last,), args)
            if self.sometimes("sharing"):
                args["units"] = shape_of(nodes, last, self.models)
                last = self.add(nodes, hidden)
                hidden = Node("dense", f"{hidden.name}_again", (last,), shares=last)
            last = self.add(nodes, hidden)
        return self.middle(nodes, number, last)

    def middle(self, nodes: list[Node], number: int, last: int) -> int:
        """Draw layers between those that learn; return the last node."""
        place = f"_{number}" if number else ""
        args: dict[str, Any] = {}
        # What normalization does with a mask depends on the release.
        if not self.masked and self.maybe("normalization"):
            args = {"momentum": self.one((0.5, 0.25))}
            if self.sometimes("trainable"):
                args["trainable"] = False
            normal = Node("batch_normalization", f"normal{place}", (last,), args)
            last = self.add(nodes, normal)
        if self.maybe("normalization", "sharing", "masks"):
            op = self.one(("activation", "dropout", "reshape")[: 2 + (not self.masked)])
            args = {"activation": "tanh"} if op == "activation" else {}
            if op == "reshape":
                args = {"target_shape": [shape_of(nodes, last, self.models)]}
            if op == "dropout":
                args = {"rate": 0.0}
            last = self.add(nodes, Node(op, f"middle{place}", (last,), args))
        # What a layer of the user's own does with a mask, it says itself.
        if not self.masked and self.sometimes("added losses"):
            last = self.add(nodes, Node("add_loss", f"counted{place}", (last,)))
        return last

    def calling(self, nodes: list[Node], number: int, last: int, inner: int) -> int:
        """Draw how an earlier model is called; return the node that does so."""
        taken = [node for node in self.models[inner].nodes if node.op == "input"]
        if taken[0].args["dtype"] != "float32" or len(taken) > 1:
            # It takes what only an input can give: this model has the same inputs.
            nodes[:] = [
                replace(node, name=name)
                for node, name in zip(taken, INPUTS[number], strict=False)
            ]
            given = tuple(range(len(nodes)))
        else:
            args = {"units": taken[0].args["shape"][0], "activation": self.one(ACTIVATIONS)}
            name = f"before_{number}"
            given = (self.add(nodes, Node("dense", name, (last,), args)),)
        called = self.add(nodes, Node("model", NESTED[inner], given, {"model": inner}))
        if inner in self.masked:
            self.masked.add(number)
        elif nodes[given[0]].op == "dense" and self.one((False, True)):
            called = self.calling_again(nodes, number, called)
        return called

    def calling_again(self, nodes: list[Node], number: int, called: int) -> int:
        """Draw a second call of a model, or one of the model inside of it as well."""
        model = int(nodes[called].args["model"])
        inputs = [node for node in self.models[0].nodes if node.op == "input"]
        simple = len(inputs) == 1 and inputs[0].args["dtype"] == "float32"
        if model and simple and self.one((False, True)):
            model = 0
        shape = self.models[model].nodes[0].args["shape"]
        before = Node("dense", f"again_{number}", nodes[called].inputs, {"units": shape[0]})
        given = self.add(nodes, before)
        name = f"{NESTED[model]}_again_{number}"
        again = self.add(nodes, Node("model", name, (given,), {"model": model}))
        return self.add(nodes, Node("concatenate", f"both_{number}", (called, again)))

    @staticmethod
    def add(nodes: list[Node], node: Node) -> int:
        """Put a node at the end; return its number."""
        nodes.append(node)
        return len(nodes) - 1

    def heads(self, nodes: list[Node], number: int, last: int, count: int) -> list[int]:
        """Draw the outputs: what their targets are, and the layers that make them."""
        names = HEADS[number][:count]
        if count > 1:
            names = tuple(self.draw(st.permutations(names)))
        found: list[int] = []
        kinds: list[str] = []
        for each, name in enumerate(names):
            kind = "numbers"
            if self.uses("labels", "class weights"):
                options: Sequence[str] = ("numbers", "binary", "classes", "one_hot")
                if number in self.masked:
                    # A class is of a sample, not of a step of it.
                    options = options[:2]
                kind = self.one(options if self.uses("labels") else options[1:])
            least = 2 if kind in ("classes", "one_hot") else 1
            args: dict[str, Any] = {"units": self.number(least, 2)}
            if kind == "binary" and self.uses("class weights"):
                args["units"] = 1
            if kind != "numbers":
                args["activation"] = LABEL_ACTIVATIONS[kind]
            if self.maybe("regularizers"):
                args["kernel_l2"] = 0.5
            node = Node("dense", name, (last,), args)
            if each and each == count - 1 and self.seldom("sharing"):
                # One layer makes two outputs, of two tensors.
                before = Node("activation", f"{name}_of", (last,), {"activation": "tanh"})
                node = Node("dense", name, (self.add(nodes, before),), shares=found[0])
                kind = kinds[0]
            found.append(self.add(nodes, node))
            kinds.append(kind)
        self.kinds.append(tuple(kinds))
        return found

    def output_structure(self, nodes: list[Node], heads: list[int]) -> Structure:
        """Draw the structure of several outputs."""
        shared = any(nodes[each].shares >= 0 for each in heads)
        names = tuple(nodes[each].name for each in heads)
        if len(heads) == 3 and not shared and self.maybe("nested outputs"):
            first, *others = heads
            if self.one((False, True)):
                return DictOf((names[0], "rest"), (first, ListOf(tuple(others))))
            return ListOf((first, DictOf(names[1:], tuple(others))))
        form = self.one(("list", "tuple") if shared else ("list", "dict", "tuple"))
        if form == "dict":
            return DictOf(names, tuple(heads))
        return TupleOf(tuple(heads)) if form == "tuple" else ListOf(tuple(heads))

    # --- compile --------------------------------------------------------------------------

    def compile(self, model: int) -> Compile:
        """Draw how a model is compiled."""
        structure = self.models[model].outputs
        kinds = self.kinds[model]
        args: dict[str, Any] = {"loss": self.losses(model)}
        if self.maybe("loss weights"):
            args |= self.loss_weights(model, args["loss"])
        for word in ("metrics", "weighted_metrics"):
            # How metrics are given for outputs in each other is written nowhere.
            if not is_nested(structure) and self.maybe(word.replace("_", " ")):
                args[word] = self.metrics(structure, kinds, self.output_names(model))
        if self.uses("eagerness"):
            args["run_eagerly"] = self.one((False, True))
        if self.uses("compilation") and not args.get("run_eagerly"):
            # That of torch takes half a minute: it is not drawn.
            args["jit_compile"] = self.one((None, False))
        if self.maybe("steps per execution"):
            args["steps_per_execution"] = self.one((1, 2))
        return Compile(model, self.optimizer(), **args)

    def losses(self, model: int) -> Structure:
        """Draw the losses of a model."""
        structure, kinds = self.models[model].outputs, self.kinds[model]
        losses: list[Named | None] = [self.loss(kind) for kind in kinds]
        if len(kinds) == 1:
            return losses[0]
        by_key = isinstance(structure, DictOf)
        if self.seldom("missing losses"):
            losses[self.number(0, len(kinds) - 1)] = None
        if self.seldom("loss forms"):
            if None not in losses and len(set(kinds)) == 1:
                return losses[0]
        elif self.sometimes("loss forms") and (None not in losses or self.one((0, 0, 1))):
            # A dictionary that lacks an output is known to be refused.
            by_key = True
        return self.by_output(model, losses, by_name=by_key)

    def loss_weights(self, model: int, loss: Structure) -> dict[str, Structure]:
        """Draw loss weights; return them, with the loss where that must be a list for them."""
        structure, count = self.models[model].outputs, len(self.kinds[model])
        if count == 1:
            weights = ListOf((self.one((0.5, 2.0)),))
            return {"loss": ListOf((loss,)), "loss_weights": weights}
        by_key = isinstance(loss, DictOf) or isinstance(structure, DictOf)
        by_name = by_key or self.one((False, True))
        if isinstance(loss, ListOf) and None in loss.items:
            # How an output without a loss is left out by name is written nowhere.
            by_name = False
        drawn: list[Structure] = self.draw(st.permutations((0.5, 2.0, 0.25)))[:count]
        if isinstance(loss, DictOf) and not is_nested(structure):
            drawn = [
                weight if name in loss.keys else None
                for name, weight in zip(self.output_names(model), drawn, strict=True)
            ]
        return {"loss_weights": self.by_output(model, drawn, by_name=by_name)}

    def output_names(self, model: int) -> list[str]:
        """Return the names by which the outputs of a model are known."""
        return output_layers(self.models[model])

    def by_output(
        self, model: int, values: Sequence[Structure], *, by_name: bool
    ) -> Structure:
        """Return values by output: as a list, or as a dictionary in any order.

        A dictionary lacks what is None. For outputs in each other it is their structure.
        """
        structure, names = self.models[model].outputs, self.output_names(model)
        if is_nested(structure):
            return shaped(structure, values)
        if by_name and len(set(names)) == len(names):
            order = self.draw(st.permutations(range(len(names))))
            order = [each for each in order if values[each] is not None]
            return DictOf(
                tuple(names[each] for each in order), tuple(values[each] for each in order)
            )
        return ListOf(tuple(values))

    def loss(self, kind: str) -> Named:
        """Draw a loss for targets of a kind."""
        options = LOSSES if self.uses("loss forms") else LOSSES[:2]
        name = LABEL_LOSSES[kind] if kind != "numbers" else self.one(options)
        form = "string"
        if self.uses("loss forms"):
            form = self.one(("string", "object", "function"))
            if form == "object" and self.one((False, True)):
                return Named(name, form, {"reduction": "sum"})
        return Named(SHORT.get(name, name) if form == "string" else name, form)

    def metrics(
        self, structure: Structure, kinds: Sequence[str], names: Sequence[str]
    ) -> Structure:
        """Draw the metrics of a model."""

        def one(kind: str) -> Named:
            options: Sequence[str] = METRICS
            if kind != "numbers":
                options = (LABEL_METRICS[kind], "accuracy", LABEL_LOSSES[kind])
            name = self.one(options)
            forms = {"accuracy": ["string"], "root_mean_squared_error": ["object"]}
            form = self.one(forms.get(name, ["string", "object", "function"]))
            return Named(SHORT.get(name, name) if form == "string" else name, form)

        if len(kinds) == 1:
            return ListOf((one(kinds[0]),))
        if isinstance(structure, DictOf) or self.one((False, True)):
            chosen = [each for each in range(len(names)) if self.one((True, False))]
            if chosen and len(set(names)) == len(names):
                order = self.draw(st.permutations(chosen))
                return DictOf(
                    tuple(names[each] for each in order),
                    tuple(ListOf((one(kinds[each]),)) for each in order),
                )
        if isinstance(structure, DictOf):
            return DictOf(tuple(names), tuple(ListOf((one(kind),)) for kind in kinds))
        return ListOf(tuple(ListOf((one(kind),)) for kind in kinds))

    def optimizer(self) -> Optimizer:
        """Draw an optimizer."""
        name = self.one(("sgd", "adam")) if self.uses("optimizers") else "sgd"
        # With the larger one, losses go up and down.
        rates = (0.25, 1.0) if self.uses("callbacks") else (0.25,)
        args: dict[str, Any] = {"learning_rate": self.one(rates)}
        if name == "adam":
            args["epsilon"] = 0.125
        elif self.maybe("optimizers"):
            args["momentum"] = 0.5
            if self.one((False, True)):
                args["nesterov"] = True
        if self.maybe("schedules"):
            args["learning_rate"] = self.one(SCHEDULES)
        if self.maybe("clipping"):
            args[self.one(("clipnorm", "clipvalue", "global_clipnorm"))] = 0.125
        if self.maybe("weight decay"):
            args["weight_decay"] = 0.25
        if self.maybe("averaging"):
            args |= {"use_ema": True, "ema_momentum": 0.5}
            if self.one((False, True)):
                args["ema_overwrite_frequency"] = 2
        if self.maybe("accumulation"):
            args["gradient_accumulation_steps"] = 2
        return Optimizer(name, args)

    # --- data -----------------------------------------------------------------------------

    def data(
        self, model: int, samples: int, *, feed: bool = True, train: bool = False
    ) -> Data:
        """Draw what a step is given."""
        kinds = self.kinds[model]
        structure = self.models[model].outputs
        y = self.targets(model, list(range(len(kinds))))
        inputs = self.models[model].inputs
        x = "array"
        if isinstance(inputs, DictOf):
            x = "dict"
        elif isinstance(inputs, ListOf):
            x = self.one(("list", "dict")) if self.uses("feeds") else "list"
        args: dict[str, Any] = {}
        if model not in self.masked and self.sometimes("sample weights"):
            y, args["sample_weight"] = self.sample_weights(model, y)
        elif (
            len(kinds) == 1
            and kinds[0] != "numbers"
            and train
            and self.maybe("class weights")
        ):
            args["class_weight"] = ((0, 0.5), (1, 2.0))
        chosen = "arrays"
        if feed and self.uses("feeds") and not is_nested(structure):
            chosen = self.one(("arrays", "sequence", "generator", "dataset"))
        if chosen != "arrays":
            args.pop("class_weight", None)
            # Lists of arrays are no documented elements of a dataset.
            x = "dict" if x == "list" else x
            y = TupleOf(y.items) if isinstance(y, ListOf) else y
            if isinstance(args.get("sample_weight"), ListOf):
                args["sample_weight"] = y
        return Data(
            samples,
            self.number(0, 4),
            x,
            y,
            () if set(kinds) == {"numbers"} else kinds,
            feed=chosen,
            **args,
        )

    def targets(self, model: int, positions: list[Structure]) -> Structure:
        """Draw the structure of what is given for each output."""
        structure = self.models[model].outputs
        if len(positions) == 1:
            return 0
        names = self.output_names(model)
        by_name = self.uses("loss forms") and len(set(names)) == len(names)
        if is_nested(structure):
            return shaped(structure, positions)
        if isinstance(structure, DictOf) or (by_name and self.one((False, True))):
            loss = self.compiled[model].loss
            if isinstance(loss, DictOf) and self.one((False, True)):
                # An output without a loss needs no targets.
                positions = [
                    position if name in loss.keys else None
                    for name, position in zip(names, positions, strict=True)
                ]
            return self.by_output(model, positions, by_name=True)
        return shaped(structure, positions)

    def sample_weights(self, model: int, y: Structure) -> tuple[Structure, Structure]:
        """Draw sample weights for targets of a structure; return targets and weights."""
        outputs, count = self.models[model].outputs, len(self.kinds[model])
        if isinstance(y, int) or len(list(leaves(y))) < count:
            return y, y
        if (
            isinstance(y, DictOf)
            and not isinstance(outputs, DictOf)
            and not self.one((0, 0, 1))
        ):
            # By name they are known to be refused for outputs in a list.
            y = shaped(outputs, range(count))
        return y, 0 if self.one((False, False, True)) else y

    # --- steps ----------------------------------------------------------------------------

    def take_steps(self) -> None:
        """Draw what is done with the models."""
        last = len(self.models) - 1
        if last and self.maybe("inner training"):
            self.compiles(0)
            if self.one((False, True)):
                self.trains(0)
            if self.maybe("trainable"):
                self.steps.append(SetTrainable(0, False))
        elif self.maybe("trainable") and self.one((False, True)):
            self.set_trainable()
        self.compiles(last)
        for _ in range(self.number(1, 4)):
            self.take_step()

    def take_step(self) -> None:
        """Draw a step."""
        model = self.one(sorted(self.compiled, reverse=True))
        steps: dict[str, tuple[str, Callable[[int], None]]] = {
            "evaluate": ("evaluation", self.evaluates),
            "predict": ("prediction", self.predicts),
            "set trainable": ("trainable", lambda _: self.set_trainable()),
            "compile": ("recompiling", lambda _: self.compiles(self.any_model())),
            "save": ("saving", self.saves),
            "clone": ("cloning", self.clones),
            "reset": (
                "batch methods",
                lambda model: self.steps.append(ResetMetrics(model)),
            ),
            "test": ("batch methods", lambda model: self.on_batch(model, train=False)),
            "load": ("checkpoints", self.loads),
        }
        options = [name for name, (feature, _) in steps.items() if self.uses(feature)]
        if "load" in options and model not in self.checkpoints:
            options.remove("load")
        chosen = self.one(["train", "train", *options])
        (self.trains if chosen == "train" else steps[chosen][1])(model)

    def any_model(self) -> int:
        """Draw a model."""
        return self.number(0, len(self.models) - 1)

    def evaluates(self, model: int) -> None:
        """Draw an evaluation."""
        data, size = self.sized(model)
        self.steps.append(Evaluate(model, data, size, self.one((True, False))))

    def predicts(self, model: int) -> None:
        """Draw a prediction."""
        data, size = self.sized(model)
        self.steps.append(Predict(model, replace(data, sample_weight=None), size))

    def saves(self, model: int) -> None:
        """Save a model, load it, and train or test what was loaded."""
        self.steps.append(SaveLoad(model))
        self.checkpoints.pop(model, None)
        (self.trains if self.one((True, False)) else self.evaluates)(model)

    def clones(self, model: int) -> None:
        """Clone a model and go on with the clone, or set its weights to what they are."""
        if self.one((True, False)):
            self.steps.append(Clone(model))
            self.checkpoints.pop(model, None)
            self.compiles(model)
            (self.trains if self.one((True, False)) else self.predicts)(model)
        else:
            self.steps.append(SetWeights(model))

    def loads(self, model: int) -> None:
        """Load what a checkpoint saved."""
        self.steps.append(LoadWeights(model, self.checkpoints[model]))

    def compiles(self, model: int) -> None:
        """Draw a compilation."""
        self.compiled[model] = self.compile(model)
        self.steps.append(self.compiled[model])

    def trains(self, model: int) -> None:
        """Draw a training."""
        if self.sometimes("batch methods", "inner training"):
            self.on_batch(model, train=True)
            return
        data, size = self.sized(model, train=True)
        epochs = self.number(1, 6 if self.uses("callbacks") else 2)
        if data.feed == "generator":
            epochs = 1
        validation = None
        if self.maybe("validation"):
            held = self.data(model, self.number(2, 5), feed=False)
            validation = replace(held, x=data.x)
        callbacks = self.callbacks(model, validation) if self.maybe("callbacks") else ()
        steps = None
        if self.sometimes("steps per epoch"):
            steps = self.number(1, -(-data.samples // size))
            epochs = 1
        for callback in callbacks:
            if callback.args.get("save_weights_only"):
                self.checkpoints[model] = callback.args["filepath"]
        self.steps.append(Fit(model, data, size, epochs, validation, callbacks, steps))

    def monitored(self, model: int, validation: Data | None) -> dict[str, str]:
        """Draw what a callback watches, and which way that is better where "auto" need not know."""
        monitor = "val_loss" if validation is not None else "loss"
        metrics = self.compiled[model].metrics
        if isinstance(metrics, ListOf) and len(self.kinds[model]) == 1:
            (metric,) = metrics.items
            # What "accuracy" is, and so how it goes, depends on the targets.
            if (
                isinstance(metric, Named)
                and metric.name != "accuracy"
                and self.one((False, True))
            ):
                monitor = monitor.replace("loss", metric.name)
                accuracy = metric.name.endswith("accuracy")
                if accuracy and metric.form != "function":
                    return {"monitor": monitor}
                return {"monitor": monitor, "mode": "max" if accuracy else "min"}
        return {"monitor": monitor}

    def callbacks(self, model: int, validation: Data | None) -> tuple[Callback, ...]:
        """Draw the callbacks of a training."""
        names = ["EarlyStopping", "ReduceLROnPlateau", "TerminateOnNaN", "CSVLogger"]
        if self.uses("checkpoints"):
            names += ["ModelCheckpoint"] * 2
        name = self.one(names)
        if name == "TerminateOnNaN":
            return (Callback(name),)
        if name == "CSVLogger":
            return (Callback(name, {"filename": "log.csv"}),)
        watched = self.monitored(model, validation)
        args: dict[str, Any] = {**watched, "patience": self.one((1, 0, 2))}
        if name == "EarlyStopping":
            if self.one((False, True)):
                args["restore_best_weights"] = True
        elif name == "ReduceLROnPlateau":
            args |= {"factor": 0.5, "min_delta": self.one((0.5, 0.0, 2.0))}
            rate = self.compiled[model].optimizer.args["learning_rate"]
            if isinstance(rate, float) and self.one((False, True)):
                args["min_lr"] = 0.75 * rate
        else:
            del args["patience"]
            args |= self.checkpoint(model)
        return (Callback(name, args),)

    def checkpoint(self, model: int) -> dict[str, Any]:
        """Draw what a checkpoint keeps, and where."""
        args: dict[str, Any] = {"filepath": "checkpoint.keras"}
        if self.one((False, True)):
            args["filepath"] = f"checkpoint_{model}.weights.h5"
            args["save_weights_only"] = True
        if self.one((False, True)):
            args["save_best_only"] = True
        return args

    def sized(self, model: int, *, train: bool = False) -> tuple[Data, int]:
        """Draw data and a batch size."""
        size = self.number(1, 3)
        samples = size * self.number(1, 2)
        if self.maybe("partial batches") and size > 1:
            samples += self.number(1, size - 1)
        return self.data(model, samples, train=train), size

    def on_batch(self, model: int, *, train: bool) -> None:
        """Draw a step on one batch; mostly, what it says starts anew."""
        if not self.maybe("running values"):
            self.steps.append(ResetMetrics(model))
        data = self.data(model, self.number(1, 3), feed=False, train=train)
        self.steps.append(OnBatch(model, data, train, self.one((True, False))))

    def set_trainable(self) -> None:
        """Draw a change of a flag, of a model or of a layer that has weights."""
        model = self.any_model()
        layers = [
            node.name
            for _, node in layer_nodes(self.models[model])
            if node.op in ("dense", "embedding", "batch_normalization")
        ]
        layer = self.one(["", *layers])
        self.steps.append(SetTrainable(model, self.one((False, True)), layer))


def shape_of(nodes: Sequence[Node], last: int, models: Sequence[Model]) -> int:
    """Return the last dimension of what a node gives."""
    made = Model("functional", "any", tuple(nodes), 0, last)
    program = Program((*models, made), ())
    return output_shapes(program, len(models))[0][-1]


@st.composite
def programs(draw: Draw) -> Program:
    """Return programs about one or two themes, and perhaps some features besides."""
    all_themes = list(THEMES)
    numbers = st.sampled_from(range(len(all_themes)))
    themes = draw(st.lists(numbers, min_size=1, max_size=2, unique=True))
    more = draw(st.lists(st.sampled_from(range(len(FEATURES))), max_size=2))
    features = frozenset(
        [
            *(FEATURES[number] for number in more),
            *(each for number in themes for each in THEMES[all_themes[number]]),
        ]
    )
    return Maker(draw, features).make()
