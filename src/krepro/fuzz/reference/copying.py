"""Models that are saved and loaded, or cloned."""

from __future__ import annotations

import dataclasses
from typing import Any

from krepro.fuzz.reference.dealing import frozen
from krepro.fuzz.reference.layers import Layer, Network
from krepro.fuzz.reference.optimizers import Optimizing
from krepro.fuzz.reference.words import Undefined

Copies = dict[Any, Any]


def copy(part: Layer | Network, copies: Copies) -> Layer | Network:
    """Return a copy of a layer or model with weights of its own; shared ones stay shared."""
    if part not in copies:
        if isinstance(part, Layer):
            copies[part] = Layer(part.node, list(part.weights), part.trainable)
        else:
            if part.model.form == "subclass":
                raise Undefined("a copy of a class of the user's own")
            called = {number: copy(each, copies) for number, each in part.called.items()}
            copies[part] = Network(part.model, called, part.trainable)
    found: Layer | Network = copies[part]
    return found


def loaded(network: Network) -> Network:
    """Return a model as it is after it was saved and loaded."""
    copies: Copies = {}
    found = copy(network, copies)
    assert isinstance(found, Network)
    compiled = network.compiled
    if compiled is not None:
        old = compiled.optimizer
        optimizer = Optimizing(old.optimizer, old.steps, old.updates, old.rate_now)
        for what, by_variable in old.state.items():
            optimizer.state[what] = {
                (copies[layer], i): value for (layer, i), value in by_variable.items()
            }
        unclear = ""
        if frozenset(frozen(network)) != compiled.frozen:
            unclear = "which flags a model trains by, loaded after they changed"
        now = frozenset(copies[layer] for layer in compiled.frozen)
        found.compiled = dataclasses.replace(
            compiled, optimizer=optimizer, frozen=now, unclear=unclear or compiled.unclear
        )
    return found


def cloned(network: Network) -> Network:
    """Return a clone; whether it is compiled, and its flags, are not documented."""
    found = copy(network, {})
    assert isinstance(found, Network)
    if not all(part.trainable for part in network.parts()):
        found.unclear = "the flags of a clone"
    return found
