"""The reference of training programs, held to Keras itself where nothing is known to be wrong."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from krepro.engine import Engine
from krepro.fuzz.compare import Divergence, first_divergence
from krepro.fuzz.oracle import expect
from krepro.fuzz.pool import DONE, Pool
from krepro.fuzz.source import chunks, model_names
from krepro.matrix import Cell
from krepro.project import Project
from tests.conftest import ROOT, users_home
from tests.fuzz_programs import PROGRAMS

pytestmark = pytest.mark.keras
CELL = Cell("torch-2.13", "3.15.1")
# Where this cell does not keep its promises: the entry of the catalogue, or what is wrong.
BROKEN = {
    "list_loss_dict_weights": "dict_loss_weights_applied_alphabetically",
    "one_loss_two_weights": "loss_weights_with_one_loss_rejected",
    "dict_loss_for_one": "dict_loss_for_some_outputs_rejected",
    "sgd_accumulation_ema": "the average moves in batches without an update",
    "adam_accumulation_ema": "the average moves in batches without an update",
    "compiled_again": "compile() without metrics keeps those of the compile() before",
    "one_metric_in_both_lists": "a metric in both lists is returned twice",
    "gan": "gan_classic_discriminator_never_learns",
    "flag_after_compile": "flip_before_first_step_takes_effect",
}
# A tf.data.Dataset needs TensorFlow.
LEFT_OUT = {"fed_by_dataset"}


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    own = users_home(tmp_path_factory.mktemp("home"))
    engine = Engine(own, ROOT, Project(ROOT).matrix)
    with engine.room() as scratch, Pool(engine, scratch, [CELL]) as found:
        yield found


def played(pool: Pool, name: str) -> tuple[int, Divergence | None]:
    """How many steps a program was held to, and the first thing that it did otherwise."""
    program = PROGRAMS[name]
    expected = expect(program)
    run = pool.play(chunks(program), model_names(program))[CELL]
    assert run.ending == DONE, run.message
    return len(expected.steps), first_divergence(program.steps, expected.steps, run.steps)


def test_keras_does_as_predicted_but_where_it_is_known_to_be_wrong(pool: Pool) -> None:
    found = {}
    for name in PROGRAMS:
        if name not in LEFT_OUT:
            held, divergence = played(pool, name)
            assert held == len(PROGRAMS[name].steps) + 1, name
            if divergence:
                found[name] = divergence
    assert found.keys() == BROKEN.keys(), found
