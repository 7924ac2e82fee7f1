"""The catalogue's triggers: each hits code as users write it, and not what only looks like it."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import pytest

from krepro.repro import Repro, find_repros, read_repro
from krepro.scan.scan import scan_with
from krepro.scan.trigger import Trigger, all_triggers
from tests import triggers as tables
from tests.triggers import Cases

ROOT = Path(__file__).parents[1]
REPROS = {path.stem: read_repro(path) for path in find_repros(ROOT / "repros")}
BY_HAND = "drives the callback's methods by hand, without a fit"
METRIC_BY_HAND = "updates the metric by hand"
BY_SHAPE = "has sequences by their shape alone"
# Entries whose own source their trigger cannot hit.
OWN_SOURCE = {
    "best_checkpoint_saved_without_monitor": BY_HAND,
    "checkpoint_of_each_epoch_rejects_metric": BY_HAND,
    "checkpoint_rejects_output_metric": BY_HAND,
    "class_weight_on_sequences_raises": BY_SHAPE,
    "csv_logger_reuse_drops_columns": BY_HAND,
    "early_stopping_rejects_output_metric": BY_HAND,
    "early_stopping_reuse_stops_at_once": BY_HAND,
    "layer_metrics_missing_from_model": METRIC_BY_HAND,
    "metrics_computed_in_float16": METRIC_BY_HAND,
    "nested_model_own_metric_is_dropped": METRIC_BY_HAND,
    "predict_leaves_ema_weights_in_the_model": BY_HAND,
    "predict_rejects_generator_of_arrays": "does not say how many steps",
    "reduce_lr_auto_mode_minimizes_auc": BY_HAND,
    "reduce_lr_reuse_cuts_at_once": BY_HAND,
    "repeated_layer_loss_counted_once_on_jax": "makes more such layers, called once",
    "sample_weights_of_sequences_raise": BY_SHAPE,
    "sample_weights_weigh_time_steps": BY_SHAPE,
}


def all_cases() -> Cases:
    """Every table of the folder in one."""
    found: Cases = {}
    for module in pkgutil.iter_modules(tables.__path__):
        own: Cases = importlib.import_module(f"tests.triggers.{module.name}").CASES
        assert not found.keys() & own.keys(), f"{module.name}: an entry has a table already"
        found |= own
    return found


CASES = all_cases()
TRIGGERED = [repro for repro in REPROS.values() if repro.triggers]
TRIGGERS: dict[str, list[Trigger]] = {r.id: all_triggers([r]) for r in TRIGGERED}


def surenesses(repro: Repro, path: Path) -> list[str]:
    found = scan_with([path], [repro], TRIGGERS[repro.id])
    assert not found.notes
    return [hit.sureness.value for hit in found.hits]


@pytest.mark.parametrize(
    ("name", "code", "expected"),
    [
        pytest.param(name, code, expected, id=f"{name}-{number}-{expected}")
        for name, cases in CASES.items()
        for number, (code, expected) in enumerate(cases, 1)
    ],
)
def test_what_a_trigger_hits(
    tmp_path: Path, name: str, code: str, expected: str | None
) -> None:
    path = tmp_path / "train.py"
    path.write_text(code)
    found = surenesses(REPROS[name], path)
    surest = "certain" if "certain" in found else next(iter(found), None)
    assert surest == expected


@pytest.mark.parametrize("repro", TRIGGERED, ids=lambda repro: repro.id)
def test_every_trigger_has_hits_and_near_misses(repro: Repro) -> None:
    expected = [sureness for _, sureness in CASES.get(repro.id, [])]
    assert sum(sureness is not None for sureness in expected) >= 1
    assert sum(sureness is None for sureness in expected) >= 2


@pytest.mark.parametrize("repro", TRIGGERED, ids=lambda repro: repro.id)
def test_a_trigger_hits_the_source_that_shows_the_bug(repro: Repro) -> None:
    hit = bool(surenesses(repro, repro.path))
    assert hit is (repro.id not in OWN_SOURCE), OWN_SOURCE.get(repro.id, "hit nothing")


def test_no_table_is_of_an_entry_without_a_trigger() -> None:
    assert CASES.keys() <= TRIGGERS.keys()
    assert OWN_SOURCE.keys() <= TRIGGERS.keys()
