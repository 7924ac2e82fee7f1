"""The shapes in a program, by its text alone. Pure."""

from __future__ import annotations

import math

from krepro.fuzz.program import Model, Program, leaves

Shape = tuple[int, ...]


def node_shapes(program: Program, number: int) -> tuple[tuple[Shape, ...], ...]:
    """Return for each node of a model the shapes of what it gives, without the batch.

    A node that calls a model gives as many as that has outputs; any other gives one.
    """
    found: list[tuple[Shape, ...]] = []
    nodes = program.models[number].nodes
    for node in nodes:
        given = [found[each][0] for each in node.inputs]
        args = nodes[node.shares].args if node.shares >= 0 else node.args
        if node.op == "input":
            shape: Shape = tuple(args["shape"])
        elif node.op == "dense":
            shape = (*given[0][:-1], int(args["units"]))
        elif node.op == "embedding":
            shape = (*given[0], int(args["output_dim"]))
        elif node.op == "concatenate":
            shape = (*given[0][:-1], sum(each[-1] for each in given))
        elif node.op == "flatten":
            shape = (math.prod(given[0]),)
        elif node.op == "reshape":
            shape = tuple(args["target_shape"])
        elif node.op == "model":
            found.append(output_shapes(program, int(args["model"])))
            continue
        else:
            shape = given[0]
        found.append((shape,))
    return tuple(found)


def output_shapes(program: Program, number: int) -> tuple[Shape, ...]:
    """Return the shapes of a model's outputs, in the order of their leaves."""
    shapes = node_shapes(program, number)
    return tuple(shapes[leaf][0] for leaf in leaves(program.models[number].outputs))


def word_counts(model: Model) -> dict[int, int]:
    """Return for each input of whole numbers below which number its numbers are."""
    ends: dict[int, int] = {}
    for number, node in enumerate(model.nodes):
        if node.op == "input" and str(node.args.get("dtype", "float32")).startswith("int"):
            ends.setdefault(number, 2)
        if node.op == "embedding":
            layer = model.nodes[node.shares] if node.shares >= 0 else node
            for given in node.inputs:
                if given in ends:
                    ends[given] = int(layer.args["input_dim"])
    return ends


def inputs_of(model: Model) -> list[int]:
    """Return the numbers of the input nodes, in their order."""
    return [number for number, node in enumerate(model.nodes) if node.op == "input"]
