"""Layers and models: their weights, and what they compute."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd.tracer import getval

from krepro.fuzz import program as programs
from krepro.fuzz import shapes
from krepro.fuzz.numbers import numbers
from krepro.fuzz.program import Node, Program
from krepro.fuzz.reference import rules
from krepro.fuzz.reference.words import Array, Computation, Undefined

EPSILON_OF_BATCH_NORMALIZATION = 0.001


@dataclass(eq=False)
class Layer:
    """A layer: its weights in the order of ``get_weights``, and its flag."""

    node: Node
    weights: list[Array]
    trainable: bool = True

    @property
    def name(self) -> str:
        """Return the layer's name."""
        return self.node.name

    @property
    def learned(self) -> int:
        """How many of the weights gradients are taken of."""
        return 2 if self.node.op == "batch_normalization" else len(self.weights)

    def parts(self) -> Iterator[Layer | Network]:
        """Yield all that a flag set here is set on."""
        yield self


@dataclass(eq=False)
class Network:
    """A model: what each of its nodes calls."""

    model: programs.Model
    called: dict[int, Layer | Network]
    trainable: bool = True
    compiled: Any = None
    unclear: str = ""

    @property
    def name(self) -> str:
        """Return the model's name."""
        return self.model.name

    def children(self) -> list[Layer | Network]:
        """Return the layers, each once, in their order."""
        return list(dict.fromkeys(self.called.values()))

    def parts(self) -> Iterator[Layer | Network]:
        """Yield the model and all that is in it; what is in it twice may come twice."""
        yield self
        for child in self.children():
            yield from child.parts()

    def layers(self) -> list[Layer]:
        """Return the layers that are no models, each once, in their order."""
        return list(dict.fromkeys(p for p in self.parts() if isinstance(p, Layer)))

    def weights(self) -> dict[Layer, list[Array]]:
        """Return the weights of the layers, as they are now."""
        return {layer: list(layer.weights) for layer in self.layers()}

    def named(self, name: str) -> Layer | Network:
        """Return a layer of the model's own."""
        for child in self.children():
            if child.name == name:
                return child
        raise Undefined(f"{self.name} has no layer {name}")

    def values(self, path: str) -> Iterator[tuple[str, Array]]:
        """Yield paths and values of the weights."""
        for child in self.children():
            inside = f"{path}/{child.name}"
            if isinstance(child, Network):
                yield from child.values(inside)
            else:
                yield from ((f"{inside}/{i}", w) for i, w in enumerate(child.weights))


def build(program: Program, computation: Computation) -> list[Network]:
    """Return the models of a program with their weights in."""
    networks: list[Network] = []
    for number, model in enumerate(program.models):
        computation.use(rules.LAYERS_OF_A_MODEL)
        found: dict[int, Layer | Network] = {}
        of_nodes = shapes.node_shapes(program, number)
        for each, node in enumerate(model.nodes):
            if node.op == "input":
                continue
            if node.shares >= 0:
                computation.use(rules.SHARED_LAYER)
                found[each] = found[node.shares]
            elif node.op == "model":
                computation.use(rules.NESTED_MODEL)
                found[each] = networks[int(node.args["model"])]
            else:
                given = of_nodes[node.inputs[0]][0]
                weights = initial(node, given, model.start + 7 * each)
                found[each] = Layer(node, weights, bool(node.args.get("trainable", True)))
        networks.append(Network(model, found))
    return networks


def initial(node: Node, given: shapes.Shape, start: int) -> list[Array]:
    """Return the weights that a program gives a layer."""
    if node.op == "dense":
        units = int(node.args["units"])
        wanted: list[shapes.Shape] = [(given[-1], units)]
        if node.args.get("use_bias", True):
            wanted.append((units,))
    elif node.op == "embedding":
        wanted = [(int(node.args["input_dim"]), int(node.args["output_dim"]))]
    elif node.op == "batch_normalization":
        size = given[-1]
        return [np.ones(size), np.zeros(size), np.zeros(size), np.ones(size)]
    else:
        wanted = []
    return [numbers(shape, start + i) for i, shape in enumerate(wanted)]


@dataclass
class Pass:
    """One forward pass.

    ``weights`` replaces weights of layers, for gradients; ``frozen`` are the layers that are
    not to learn; ``statistics`` are the moving statistics after the pass, by layer; ``masks``
    are those of the outputs of ``run``; ``added`` are losses that layers added.
    """

    computation: Computation
    training: bool = False
    frozen: frozenset[Layer] = frozenset()
    weights: Mapping[Layer, Sequence[Array]] = field(default_factory=dict)
    statistics: dict[Layer, list[Array]] = field(default_factory=dict)
    masks: list[Array | None] = field(default_factory=list)
    added: list[Array] = field(default_factory=list)

    def run(self, network: Network, given: Mapping[int, Array]) -> list[Array]:
        """Return the outputs of a model, in the order of their leaves."""
        model = network.model
        values: dict[int, Array] = dict(given)
        masks: dict[int, Array] = {}
        for number, node in enumerate(model.nodes):
            if node.op == "input":
                continue
            inputs = [values[each] for each in node.inputs]
            called = network.called[number]
            if isinstance(called, Network):
                if any(each in masks for each in node.inputs):
                    raise Undefined("what a nested model does with a mask")
                values[number] = self.nested(called, inputs)
                mask = self.masks[0]
            else:
                values[number] = self.computation.rounded(self.layer(called, inputs))
                mask = self.mask(node, inputs, masks)
            if mask is not None:
                masks[number] = mask
        outputs = list(programs.leaves(model.outputs))
        self.masks = [masks.get(leaf) for leaf in outputs]
        return [values[leaf] for leaf in outputs]

    def mask(
        self, node: Node, inputs: Sequence[Array], masks: Mapping[int, Array]
    ) -> Array | None:
        """Return the mask of what a layer gives, None where it has none."""
        if node.op == "embedding" and node.args.get("mask_zero"):
            self.computation.use(rules.MASK)
            return np.not_equal(inputs[0], 0)
        found = [masks[each] for each in node.inputs if each in masks]
        if not found:
            return None
        if node.op not in rules.PASS_MASKS_ON:
            raise Undefined(f"what {node.op} does with a mask")
        self.computation.use(rules.MASK_PASSED_ON)
        return found[0]

    def nested(self, network: Network, inputs: Sequence[Array]) -> Array:
        """Return the output of a model that is called as a layer."""
        model = network.model
        if not isinstance(model.outputs, int):
            raise Undefined("a model of several outputs, or of a structure, as a layer")
        taken = list(programs.leaves(model.inputs))
        if len(taken) != len(inputs):
            raise Undefined("a model called on another structure than its inputs")
        return self.run(network, dict(zip(taken, inputs, strict=True)))[0]

    def layer(self, layer: Layer, inputs: Sequence[Array]) -> Array:
        """Return what a layer gives."""
        node, x = layer.node, inputs[0]
        weights = self.weights.get(layer, layer.weights)
        if node.op == "batch_normalization":
            return self.batch_normalization(layer, weights, x)
        if node.op == "activation":
            return self.activation(str(node.args["activation"]), x)
        if node.op == "add_loss":
            self.computation.use(rules.ADDED_LOSS)
            self.added.append(self.computation.rounded(0.25 * anp.mean(x**2)))
            return x
        if node.op not in rules.LAYERS:
            raise Undefined(f"the layer {node.op} is not covered")
        self.computation.use(rules.LAYERS[node.op])
        if node.op == "dense":
            y = anp.dot(x, weights[0])
            if len(weights) > 1:
                y = y + weights[1]
            return self.activation(str(node.args.get("activation", "linear")), y)
        if node.op == "embedding":
            return weights[0][getval(x).astype(int)]
        return rearranged(node, inputs)

    def activation(self, name: str, x: Array) -> Array:
        """Return an activation of values."""
        if name == "linear":
            return x
        if name not in rules.ACTIVATIONS:
            raise Undefined(f"the activation {name} is not covered")
        self.computation.use(rules.ACTIVATIONS[name])
        if name == "relu":
            if np.any(getval(x) == 0):
                self.computation.use(rules.KINK)
            return anp.where(x > 0, x, 0.0)
        if name == "tanh":
            return anp.tanh(x)
        if name == "sigmoid":
            return 1 / (1 + anp.exp(-x))
        powers = anp.exp(x - anp.max(getval(x), axis=-1, keepdims=True))
        return powers / anp.sum(powers, axis=-1, keepdims=True)

    def batch_normalization(
        self, layer: Layer, weights: Sequence[Array], x: Array
    ) -> Array:
        """Return normalized values; in training the moving statistics move."""
        gamma, beta = weights[:2]
        mean, variance = self.statistics.get(layer, layer.weights[2:])
        if self.training and layer not in self.frozen:
            self.computation.use(rules.BATCH_NORMALIZATION_TRAINING)
            axes = tuple(range(x.ndim - 1))
            momentum = float(layer.node.args.get("momentum", 0.99))
            of_batch = anp.mean(x, axis=axes), anp.var(x, axis=axes)
            self.statistics[layer] = [
                self.computation.rounded(old * momentum + getval(new) * (1 - momentum))
                for old, new in zip((mean, variance), of_batch, strict=True)
            ]
            mean, variance = of_batch
        elif self.training:
            self.computation.use(rules.BATCH_NORMALIZATION_FROZEN)
        else:
            self.computation.use(rules.BATCH_NORMALIZATION_INFERENCE)
        scale = anp.sqrt(variance + EPSILON_OF_BATCH_NORMALIZATION)
        # However a backend arranges it, the difference is off by a rounding of x.
        return gamma * (self.computation.rounded(x) - mean) / scale + beta


def rearranged(node: Node, inputs: Sequence[Array]) -> Array:
    """Return what a layer without weights gives."""
    x = inputs[0]
    if node.op == "add":
        return sum(inputs[1:], x)
    if node.op == "concatenate":
        return anp.concatenate(list(inputs), axis=-1)
    if node.op == "flatten":
        return anp.reshape(x, (x.shape[0], -1))
    if node.op == "reshape":
        return anp.reshape(x, (x.shape[0], *node.args["target_shape"]))
    return x


def behind_added(network: Network) -> set[Layer]:
    """Return the layers that losses added in a model depend on."""
    found: set[Layer] = set()
    for number, called in network.called.items():
        if isinstance(called, Network):
            if adds(called):
                found |= behind_added(called)
                found |= behind(network, network.model.nodes[number].inputs)
        elif called.node.op == "add_loss":
            found |= behind(network, [number])
    return found


def adds(network: Network) -> bool:
    """Whether a layer of a model adds a loss."""
    return any(layer.node.op == "add_loss" for layer in network.layers())


def behind(network: Network, outputs: Collection[int]) -> set[Layer]:
    """Return the layers that some nodes of a model depend on."""
    found: set[Layer] = set()
    going, seen = list(outputs), set(outputs)
    while going:
        number = going.pop()
        node = network.model.nodes[number]
        called = network.called.get(number)
        if isinstance(called, Network):
            found |= behind(called, set(programs.leaves(called.model.outputs)))
        elif called is not None:
            found.add(called)
        going += [each for each in node.inputs if each not in seen]
        seen |= set(node.inputs)
    return found
