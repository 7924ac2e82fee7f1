"""The script that trains a GAN, on real Keras."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from krepro.cell.script import Script
from krepro.cell.supervise import Limits
from krepro.engine import SCRIPT, Engine
from krepro.gan.run import training_script
from krepro.matrix import Cell
from krepro.project import Project
from tests.conftest import ROOT, users_home

pytestmark = [pytest.mark.keras]

CELL = Cell("torch-2.13", "3.8.0")
SETTINGS: dict[str, Any] = {
    "size": "small",
    "recipe": "classic",
    "seed": 3,
    "iterations": 12,
    "checkpoint": 4,
    "batch": 16,
    "latent": 4,
    "discriminator_rate": 1e-3,
    "generator_rate": 1e-3,
    "beta_1": 0.5,
    "stacked": False,
    "generator_width": 1.0,
    "generator_frozen": False,
    "samples": 9,
}
Train = Callable[..., Path]


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Train]:
    """Train by some settings, in a folder, new or not; return it."""
    own = users_home(tmp_path_factory.mktemp("home"))
    engine = Engine(own, ROOT, Project(ROOT).matrix)
    data = tmp_path_factory.mktemp("data") / "images.npz"
    images = np.random.default_rng(0).uniform(-1, 1, (20, 8, 8, 1))
    np.savez(data, x=images.astype("float32"))
    with engine.room() as scratch:

        def trained(folder: Path | None = None, **changes: Any) -> Path:
            folder = folder or tmp_path_factory.mktemp("run")
            settings = SETTINGS | {"folder": str(folder), "data": str(data)} | changes
            kit = tmp_path_factory.mktemp("kit")
            shutil.copy(training_script(), kit / "training.py")
            path = folder / "settings.json"
            path.write_text(json.dumps(settings))
            script = Script(kit, "training.py", (str(path),))
            limits = Limits(timeout_s=120, memory_mb=4096, output_kb=256)
            record = engine.ask(CELL, [], scratch, script=script, limits=limits)[SCRIPT]
            assert record["status"] == 0, record
            return folder

        yield trained


def rows(folder: Path) -> list[dict[str, float]]:
    """Return what a training told, a row for each iteration."""
    with (folder / "history.csv").open(encoding="utf-8") as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


def told(folder: Path, *columns: str) -> list[list[float]]:
    return [[row[column] for column in columns] for row in rows(folder)]


LOSSES = ("real_loss", "generated_loss", "generator_loss")
CHANGES = ("discriminator_change", "generator_change")


def test_recipes_that_train_both_do_the_same_to_the_last_bit(train: Train) -> None:
    """On 3.8.0, where the flag of each step counts on torch."""
    ways = [train(recipe=name) for name in ("flag-per-step", "frozen-clone", "train-step")]
    histories = [told(folder, *LOSSES, *CHANGES) for folder in ways]
    assert len(histories[0]) == SETTINGS["iterations"]
    assert histories[0] == histories[1] == histories[2]
    assert all(row[-1] > 0 and row[-2] > 0 for row in histories[0])
    assert all(np.isfinite(np.ravel(histories[0])))
    samples = [np.load(folder / "samples-00012.npy") for folder in ways]
    assert samples[0].shape == (9, 8, 8, 1)
    assert np.array_equal(samples[0], samples[1])
    assert not np.array_equal(samples[0], np.load(ways[0] / "samples-00000.npy"))


def test_the_published_recipe_does_not_train_the_discriminator(train: Train) -> None:
    for recipe in ("classic", "frozen-twin"):
        for discriminator, generator in told(train(recipe=recipe), *CHANGES):
            assert discriminator == 0
            assert generator > 0


def test_a_training_goes_on_where_it_was(train: Train) -> None:
    """As if it had never been stopped, also where it was killed between two checkpoints."""
    whole = told(train(recipe="frozen-clone"), *LOSSES, *CHANGES)
    folder = train(recipe="frozen-clone", iterations=6)
    (folder / "state.npz").replace(folder / "late.npz")
    again = train(recipe="frozen-clone", iterations=4)
    (again / "state.npz").replace(folder / "state.npz")
    train(folder, recipe="frozen-clone")
    assert told(folder, *LOSSES, *CHANGES) == whole
    facts = json.loads((folder / "facts.json").read_text())
    assert facts == {
        "keras": "3.8.0",
        "backend": "torch",
        "error": "",
        "finite": True,
        "iterations": 12,
    }


def test_a_training_that_kept_nothing_starts_again(train: Train) -> None:
    whole = told(train(recipe="frozen-clone"), *LOSSES)
    folder = train(recipe="frozen-clone", iterations=3, checkpoint=99)
    (folder / "state.npz").unlink()
    train(folder, recipe="frozen-clone")
    assert told(folder, *LOSSES) == whole


def test_what_keras_raises_is_written_down(train: Train) -> None:
    """3.8.0 refuses a batch of no images."""
    folder = train(recipe="classic", batch=0)
    facts = json.loads((folder / "facts.json").read_text())
    assert facts["error"]
    assert facts["iterations"] == 0


QUICK = """import itertools
import json
import sys

import jax
import keras
import numpy as np

import training

given = jax.lax.conv_transpose
training.quicken_jax()
ways = given, jax.lax.conv_transpose
off = []
for size, stride, padding, side in json.loads(sys.argv[1]):
    draw = np.random.default_rng(size + stride + side)
    images = draw.standard_normal((2, side, side + 1, 3)).astype("float32")
    kernel = draw.standard_normal((size, size, 4, 3)).astype("float32")
    said = []
    for jax.lax.conv_transpose in ways:
        made, back = jax.vjp(
            lambda *both: keras.ops.conv_transpose(*both, stride, padding), images, kernel
        )
        said.append((made, *back(np.cos(np.asarray(made)))))
    off.append([
        float(np.max(np.abs(a - b)) / np.max(np.abs(a)))
        for a, b in zip(*map(lambda x: list(map(np.asarray, x)), said))
    ])
print("said", json.dumps(off))
"""


def test_a_transposed_convolution_on_jax_sums_what_it_did(tmp_path: Path) -> None:
    """Kernels that strides divide and others, both paddings, and one that is left as it is."""
    cases = [
        (4, 2, "same", 7),
        (5, 2, "same", 6),
        (3, 3, "same", 5),
        (5, 3, "same", 4),
        (2, 2, "valid", 4),
        (4, 2, "valid", 5),
    ]
    kit = tmp_path / "kit"
    kit.mkdir()
    shutil.copy(training_script(), kit / "training.py")
    (kit / "quick.py").write_text(QUICK)
    engine = Engine(users_home(tmp_path / "home"), ROOT, Project(ROOT).matrix)
    script = Script(kit, "quick.py", (json.dumps(cases),))
    with engine.room() as scratch:
        cell = Cell("jax-0.4", "3.8.0")
        record = engine.ask(cell, [], scratch, script=script)[SCRIPT]
    assert record["status"] == 0, record
    off = json.loads(record["output"].rpartition("said ")[2])
    assert len(off) == len(cases)
    assert max(map(max, off)) < 1e-5
    # Other ways round off otherwise: the new one did run, but where it does not apply.
    assert all(any(each) for each in off[:-1])
    assert not any(off[-1])
