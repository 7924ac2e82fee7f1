"""What is said of a GAN's training: histories, diagnoses, images, the true class; no Keras."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from krepro import gan
from krepro.gan import images, truth
from krepro.gan.diagnosis import Diagnosis, diagnose, median_gap, variety_of
from krepro.gan.history import History, read_history, to_json
from krepro.gan.settings import RECIPES, SCENARIOS, settings_of
from krepro.gan.watch import Watch, callback
from krepro.project import SelectionError

RANDOM = np.random.default_rng(0)
REAL = RANDOM.uniform(-1, 1, (60, 8, 8, 1)).astype("float32")
OTHERS = RANDOM.uniform(-1, 1, (60, 8, 8, 1)).astype("float32")
ALIKE = REAL[:1] + 0.001 * OTHERS
Columns = dict[str, Any]


def curves(count: int = 300, **changes: float | Any) -> Columns:
    """A healthy training, with some columns at another level or another altogether."""
    levels = {
        "real_loss": 0.65,
        "generated_loss": 0.65,
        "generator_loss": 0.8,
        "real_accuracy": 0.6,
        "generated_accuracy": 0.7,
        "discriminator_change": 0.01,
        "generator_change": 0.01,
    }
    noise = np.random.default_rng(count).normal(1, 0.05, (len(levels), count))
    found: Columns = {}
    for row, (name, level) in enumerate((levels | changes).items()):
        if level is not None:
            found[name] = level * noise[row % len(levels)] if np.ndim(level) == 0 else level
    return found


def said(columns: Columns, samples: Any = OTHERS, real: Any = REAL) -> gan.Finding:
    return diagnose(History.of(columns), samples, real)


# --- the diagnosis ------------------------------------------------------------------------

LOST = {
    "real_loss": 0.05,
    "generated_loss": 0.02,
    "generator_loss": 6.0,
    "real_accuracy": 0.98,
    "generated_accuracy": 1.0,
}
# A discriminator that answers 1 to a quarter of the generated images and to no real one.
ONE_OR_ZERO = {
    "real_loss": 16.118,
    "generated_loss": 16.118 / 4,
    "generator_loss": 16.118 * 3 / 4,
    "real_accuracy": 0.0,
    "generated_accuracy": 0.75,
}


@pytest.mark.parametrize(
    ("columns", "diagnosis"),
    [
        (curves(), "stable"),
        (curves(**LOST), "convergence-failure"),
        (curves(**ONE_OR_ZERO), "diverged"),
        (curves(discriminator_change=0.0), "discriminator-frozen"),
        (curves(generator_change=0.0), "generator-frozen"),
        (curves(149), "undecided"),
        (curves(20, discriminator_change=0.0), "discriminator-frozen"),
        (curves(19, discriminator_change=0.0), "undecided"),
        (curves(generator_loss=3.5), "undecided"),
        (curves(generator_loss=0.2), "undecided"),
        (curves(real_loss=0.01, generated_loss=0.01), "undecided"),
        (curves(generated_accuracy=0.05), "undecided"),
    ],
)
def test_a_diagnosis_by_curves_and_weights(columns: Columns, diagnosis: str) -> None:
    assert said(columns).diagnosis == diagnosis


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_losses_that_are_no_numbers(bad: float) -> None:
    losses = np.full(30, 0.7)
    losses[12:] = bad
    finding = said(curves(30, generated_loss=losses))
    assert finding.diagnosis == Diagnosis.DIVERGED
    assert finding.reason == f"the loss on generated images is {bad} from iteration 13 on"


def test_samples_that_are_all_alike_have_collapsed() -> None:
    assert said(curves(), ALIKE).diagnosis == Diagnosis.MODE_COLLAPSE
    half = np.concatenate([REAL[:30], REAL[:30] + 0.3 * OTHERS[:30]])
    assert 0.2 < variety_of(half, REAL) < 0.4
    finding = said(curves(), half)
    assert finding.diagnosis == Diagnosis.UNDECIDED
    assert "variety of the samples" in finding.reason
    alone = diagnose(History.of(curves()), ALIKE)
    assert alone.diagnosis == Diagnosis.STABLE
    assert "no real images were given" in " ".join(alone.notes)
    assert "no samples were given" in " ".join(diagnose(History.of(curves())).notes)


def test_a_lost_game_comes_before_collapse_and_frozen_weights_before_both() -> None:
    assert said(curves(**LOST), ALIKE).diagnosis == Diagnosis.CONVERGENCE_FAILURE
    frozen = curves(**LOST, generator_change=0.0)
    assert said(frozen, ALIKE).diagnosis == Diagnosis.GENERATOR_FROZEN


def test_a_training_that_runs_away_is_not_called_stable() -> None:
    late = np.arange(300) >= 250
    falling = np.where(late, 0.45, 0.75)
    columns = curves(
        real_loss=falling, generated_loss=falling, generator_loss=np.where(late, 1.5, 0.6)
    )
    finding = said(columns)
    assert finding.diagnosis == Diagnosis.UNDECIDED
    assert "more iterations would tell" in finding.reason


def test_a_frozen_discriminator_by_the_curves_alone() -> None:
    fooled = {"generator_loss": 0.05, "generated_loss": 3.0}
    told = curves(**fooled, discriminator_change=None, generator_change=None)
    finding = diagnose(History.of(told))
    assert finding.diagnosis == Diagnosis.DISCRIMINATOR_FROZEN
    assert "by the curves alone" in finding.reason
    # With its weights told, or with a loss on real images that moves, it is something else.
    assert diagnose(History.of(curves(**fooled))).diagnosis == Diagnosis.UNDECIDED
    moving = {**told, "real_loss": np.linspace(0.7, 0.3, 300)}
    assert diagnose(History.of(moving)).diagnosis == Diagnosis.UNDECIDED


def test_a_discriminator_that_moves_in_the_generators_step_is_told() -> None:
    aside = np.where(np.arange(300) % 2, 0.01, 0.0)
    told = said(curves(discriminator_change_in_generator_step=aside))
    assert told.notes[0].startswith("in 50% of the iterations the generator's step changed")


def test_saturation_without_accuracies() -> None:
    columns = curves(**ONE_OR_ZERO, discriminator_change=None)
    columns = {name: c for name, c in columns.items() if "accuracy" not in name}
    assert said(columns).diagnosis == Diagnosis.DIVERGED


@settings(max_examples=200)
@given(
    st.dictionaries(
        st.sampled_from(
            ["real_loss", "generated_loss", "generator_loss", "generator_change"]
        ),
        st.floats(0, 20),
    ),
    st.integers(1, 400),
)
def test_every_history_has_a_diagnosis(changes: dict[str, float], count: int) -> None:
    """And a healthy one is never called broken; a lost one never stable."""
    columns = curves(count, **changes)
    finding = said(columns)
    assert str(finding).startswith(finding.diagnosis)
    if finding.diagnosis == Diagnosis.STABLE:
        history = History.of(columns)
        assert 0.3 <= history.discriminator[-count // 3 :].mean() <= 0.9
        assert count >= 150
        assert columns["generator_change"].any()


def test_variety() -> None:
    assert variety_of(REAL, REAL) == pytest.approx(1)
    assert variety_of(OTHERS, REAL) == pytest.approx(1, abs=0.1)
    assert variety_of(0.5 * OTHERS, REAL) == pytest.approx(0.5, abs=0.05)
    assert variety_of(np.repeat(REAL[:1], 20, axis=0), REAL) == 0
    assert variety_of(np.full_like(REAL, np.nan), REAL) == 0
    # As many of each are compared: the first 20 of these are 3 apart, all 60 are 1 apart.
    apart = np.concatenate([np.arange(0, 60, 3), np.arange(1, 60, 3), np.arange(2, 60, 3)])
    line = apart[:, None, None].astype(float)
    assert variety_of(line, line[:20]) == pytest.approx(1)
    corners = np.array([[0.0, 0.0], [0.0, 3.0], [4.0, 0.0]])
    assert median_gap(corners) == pytest.approx(3)
    with pytest.raises(
        SelectionError, match=r"\(4, 4, 1\) cannot be compared .* \(8, 8, 1\)"
    ):
        variety_of(REAL[:, :4, :4], REAL)
    with pytest.raises(SelectionError, match="9 samples are too few"):
        variety_of(REAL[:9], REAL)


# --- histories ----------------------------------------------------------------------------


def csv_text(columns: Columns) -> str:
    rows = zip(*columns.values(), strict=True)
    return "\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]) + "\n"


def lists(columns: Columns) -> dict[str, list[float]]:
    return {name: list(map(float, values)) for name, values in columns.items()}


def as_rows(columns: Columns) -> list[dict[str, float]]:
    table = lists(columns)
    return [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]


@pytest.mark.parametrize("kind", ["csv", "lists.json", "rows.json", "own.json", "npz"])
def test_a_history_is_the_same_from_every_kind_of_file(tmp_path: Path, kind: str) -> None:
    columns = curves(40)
    path = tmp_path / f"told.{kind}"
    if kind == "npz":
        np.savez(path, **columns)
    else:
        text = {
            "csv": csv_text(columns),
            "lists.json": json.dumps(lists(columns)),
            "rows.json": json.dumps({"history": as_rows(columns)}),
            "own.json": to_json(History.of(columns)),
        }[kind]
        path.write_text(text)
    found = read_history(path)
    assert len(found) == 40
    assert found.columns.keys() == columns.keys()
    for name, values in columns.items():
        np.testing.assert_array_equal(found[name], values)


def test_columns_are_known_by_the_names_of_published_gans() -> None:
    names = {"d1_hist": 1.0, "D2 hist": 2.0, "g-loss": 3.0, "a1": 0.5, "acc_fake": 0.25}
    found = History.of({name: [value] for name, value in names.items()})
    assert {name: float(found[name][0]) for name in found.columns} == {
        "real_loss": 1.0,
        "generated_loss": 2.0,
        "generator_loss": 3.0,
        "real_accuracy": 0.5,
        "generated_accuracy": 0.25,
    }
    both = History.of({"d_loss": [0.5], "g_loss": [1.0]})
    assert both.discriminator.tolist() == [0.5]


def test_losses_that_are_no_numbers_survive_json(tmp_path: Path) -> None:
    columns = curves(3, real_loss=[0.5, np.nan, np.inf], real_accuracy=[np.nan] * 3)
    path = tmp_path / "h.json"
    path.write_text(to_json(History.of(columns)))
    table = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert table["history"]["real_accuracy"] == [None] * 3
    assert table["history"]["real_loss"] == [0.5, "nan", "inf"]
    found = read_history(path)
    np.testing.assert_array_equal(found["real_loss"], [0.5, np.nan, np.inf])
    assert "real_accuracy" not in found
    assert found.columns["real_accuracy"].shape == (3,)


BAD_FILES = {
    "none.csv": (None, "no such file"),
    "h.txt": ("", "a history is a .csv, .json or .npz file"),
    "empty.csv": ("", "no column real_loss"),
    "short.csv": ("real_loss,generated_loss\n1,2\n", "no column generator_loss"),
    "ragged.csv": ("real_loss,generated_loss,generator_loss\n1,2\n", "line 2 has 2 fields"),
    "word.csv": ("d1,d2,g\n1,2,oops\n", "line 2, g: 'oops' is no number"),
    "blank.csv": ("d1,d2,g\n1,2,\n", "line 2, g: '' is no number"),
    "twice.csv": ("d1,d2,g,real_loss\n1,2,3,4\n", "real_loss is there twice"),
    "half.json": ('{"d1": [1', "cannot be read"),
    "text.json": ('"hello"', "neither lists by name nor a list of rows"),
    "rows.json": ('[{"d1": 1}, {"d2": 2}]', "not every row has every column"),
    "deep.json": ('{"d1": [[1]], "d2": [1], "g": [1]}', "d1 is not a list of numbers"),
    "odd.json": ('{"d1": [{}], "d2": [1], "g": [1]}', "d1 is not a list of numbers"),
    "long.json": ('{"d1": [1, 2], "d2": [1], "g": [1]}', "of several lengths"),
    "not.npz": ("hello", "cannot be read"),
    "binary.csv": (b"\xff\xfe\x00", "cannot be read"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_what_is_no_history_is_one_line(tmp_path: Path, name: str) -> None:
    text, message = BAD_FILES[name]
    path = tmp_path / name
    if isinstance(text, bytes):
        path.write_bytes(text)
    elif text is not None:
        path.write_text(text)
    with pytest.raises(SelectionError) as told:
        read_history(path)
    assert str(path) in str(told.value)
    assert message in str(told.value)


# --- watching a training of one's own -----------------------------------------------------


class Network:
    """Stands for a model of Keras."""

    def __init__(self) -> None:
        self.weights = [np.ones((2, 2)), np.zeros(2)]

    def get_weights(self) -> list[Any]:
        return self.weights


def test_a_watch_sees_which_weights_move(tmp_path: Path) -> None:
    discriminator, generator = Network(), Network()
    watch = Watch(discriminator, generator)
    for _ in range(30):
        generator.weights[0] *= 2
        watch.add(real_loss=0.7, generated_loss=0.7, generator_loss=0.7)
    assert watch.history["discriminator_change"].tolist() == [0.0] * 30
    assert watch.history["generator_change"].tolist() == [1.0] * 30
    assert watch.finding().diagnosis == Diagnosis.DISCRIMINATOR_FROZEN
    watch.save(tmp_path / "h.csv")
    assert diagnose(read_history(tmp_path / "h.csv")) == watch.finding()


def test_a_watch_is_told_the_same_things_each_time() -> None:
    watch = Watch()
    with pytest.raises(SelectionError, match="no column real_loss"):
        watch.finding()
    watch.add(d1=1, d2=2, g=3)
    with pytest.raises(ValueError, match=r"told before: d1, d2, g; now: d1, d2$"):
        watch.add(d1=1, d2=2)
    assert len(watch.history) == 1


def test_a_callback_tells_a_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    keras: Any = ModuleType("keras")
    keras.callbacks = ModuleType("keras.callbacks")
    keras.callbacks.Callback = type("Callback", (), {})
    monkeypatch.setitem(sys.modules, "keras", keras)
    watch = Watch()
    names = {"real_loss": "d_real", "generated_loss": "d_fake", "generator_loss": "g"}
    teller = callback(watch, names)
    assert isinstance(teller, keras.callbacks.Callback)
    teller.on_train_batch_end(
        0, {"d_real": 1.0, "d_fake": np.float32(2), "g": 3, "more": 4}
    )
    assert watch.history["generated_loss"].tolist() == [2.0]
    with pytest.raises(KeyError, match="the logs have no d_fake, g"):
        teller.on_train_batch_end(1, {"d_real": 1.0})


def test_the_package_names_what_users_import() -> None:
    for name in gan.__all__:
        assert getattr(gan, name).__name__ == name
    with pytest.raises(AttributeError, match="nothing"):
        _ = gan.nothing


# --- images -------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "side"), [("full", 28), ("small", 8)])
def test_the_digits(size: Any, side: int) -> None:
    found = images.digits(size, 8)
    assert found.shape == (174, side, side, 1)
    assert found.dtype == np.float32
    assert (found.min(), found.max()) == (-1, 1)


def test_images_keep_their_corners_when_enlarged() -> None:
    image = np.array([[[0.0, 1.0], [2.0, 3.0]]])
    found = images.resampled(images.resampled(image, 3, 1), 3, 2)
    assert found[0].tolist() == [[0, 0.5, 1], [1, 1.5, 2], [2, 2.5, 3]]
    assert images.resampled(image, 2, 1).tolist() == image.tolist()
    assert images.resampled(image[:, :1], 3, 1).tolist() == [[[0, 1], [0, 1], [0, 1]]]


BYTES = RANDOM.integers(0, 256, (20, 8, 8), dtype=np.uint8)


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ({"x": BYTES}, BYTES / 127.5 - 1),
        ({"images": BYTES[..., None] / 255}, BYTES / 127.5 - 1),
        ({"x_train": REAL[:20]}, REAL[:20, ..., 0]),
        ({"x": REAL[:40], "y": np.arange(40) % 2 * 8}, REAL[1:40:2, ..., 0]),
    ],
)
def test_images_of_a_file(tmp_path: Path, arrays: Columns, expected: Any) -> None:
    np.savez(tmp_path / "i.npz", **arrays)
    found = images.from_file(tmp_path / "i.npz", "small", 8)
    np.testing.assert_allclose(found[..., 0], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"z": BYTES}, "no images: one of x, x_train"),
        ({"x": BYTES[0]}, "not that of grey images"),
        ({"x": np.stack([BYTES] * 3, axis=-1)}, "not that of grey images"),
        ({"x": BYTES * 2.0}, "not in [-1, 1]"),
        ({"x": BYTES.astype(int)}, "not bytes, and not finite fractions"),
        ({"x": np.full((20, 8, 8), np.nan)}, "not bytes, and not finite fractions"),
        ({"x": BYTES[:9]}, "9 images are too few"),
        ({"x": BYTES, "y": np.zeros(20)}, "no image is of the class 8"),
        (None, "no such file"),
        ("text", "not an NPZ file"),
    ],
)
def test_what_are_no_images_is_one_line(tmp_path: Path, arrays: Any, message: str) -> None:
    path = tmp_path / "i.npz"
    if isinstance(arrays, str):
        path.write_text(arrays)
    elif arrays is not None:
        np.savez(path, **arrays)
    with pytest.raises(SelectionError) as told:
        images.from_file(path, "small", 8)
    assert message in str(told.value)


# --- settings -----------------------------------------------------------------------------


def test_scenarios_depart_from_the_experiment() -> None:
    base = settings_of()
    assert (base.batch, base.latent, base.iterations) == (128, 50, 450)
    assert (base.discriminator_rate, base.beta_1) == (2e-4, 0.5)
    assert settings_of("mode-collapse").latent == 1
    assert settings_of("convergence-failure").stacked
    aggressive = settings_of("aggressive")
    assert (aggressive.discriminator_rate, aggressive.beta_1) == (pytest.approx(1e-3), 0.9)
    assert settings_of("aggressive", size="small").discriminator_rate == 1e-3
    for name in SCENARIOS:
        assert (settings_of(name) == base) == (name == "stable")
    assert settings_of(iterations=7, seed=3).iterations == 7


def test_unknown_names_say_what_is_known() -> None:
    with pytest.raises(SelectionError, match="unknown scenario 'x': one of stable, mode"):
        settings_of("x")
    with pytest.raises(SelectionError, match="unknown recipe 'x': one of classic"):
        settings_of(recipe="x")
    for recipe in RECIPES:
        if recipe != "train-step":
            assert settings_of("frozen-generator", recipe=recipe).generator_frozen
    with pytest.raises(SelectionError, match="train-step has none"):
        settings_of("frozen-generator", recipe="train-step")


# --- what a training truly came to --------------------------------------------------------


def final(**changes: Any) -> dict[str, Any]:
    """What healthy networks are in the end."""
    answers = np.random.default_rng(1).uniform(0.2, 0.8, (2, 60, 1))
    return {
        "samples": REAL + 0.05 * OTHERS,
        "of_real": answers[0],
        "of_generated": answers[1],
        "discriminator_moved": np.array(0.1),
        "generator_moved": np.array(0.1),
    } | changes


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "stable"),
        ({"discriminator_moved": np.array(0.0)}, "discriminator-frozen"),
        ({"generator_moved": np.array(0.0)}, "generator-frozen"),
        ({"samples": REAL * np.nan}, "diverged"),
        ({"of_real": np.full((60, 1), np.nan)}, "diverged"),
        ({"of_real": np.ones((60, 1)), "of_generated": np.zeros((60, 1))}, "diverged"),
        (
            {"of_real": np.full((60, 1), 0.99), "of_generated": np.full((60, 1), 0.04)},
            "convergence-failure",
        ),
        ({"samples": ALIKE}, "mode-collapse"),
        # Noise: nothing that is near to a real image.
        ({"samples": 5 * OTHERS}, None),
        # Told apart well, but the generator still learns.
        (
            {"of_real": np.full((60, 1), 0.99), "of_generated": np.full((60, 1), 0.06)},
            "stable",
        ),
    ],
)
def test_the_rule_of_the_truth(changes: Columns, expected: str | None) -> None:
    assert truth.truth_of(final(**changes), REAL) == expected


@pytest.mark.parametrize(
    ("behind", "expected"), [(20, "mode-collapse"), (45, None), (400, "stable")]
)
def test_how_many_images_are_behind_the_samples(behind: int, expected: str | None) -> None:
    """Of 60 real images; those behind the samples are near to them."""
    draw = np.random.default_rng(2)
    many = REAL[np.arange(behind) % 60] + 0.3 * draw.uniform(-1, 1, (behind, 8, 8, 1))
    samples = many[draw.integers(behind, size=500)]
    assert truth.truth_of(final(samples=samples), REAL) == expected


def test_auc() -> None:
    assert truth.auc(np.array([0.9, 0.8]), np.array([0.1, 0.2])) == 1
    assert truth.auc(np.array([0.5, 0.5]), np.array([0.5, 0.5])) == 0.5
    assert truth.auc(np.array([0.9, 0.1]), np.array([0.5])) == 0.5


def test_a_confusion_table() -> None:
    def case(real: str | None, named: str, seed: int) -> truth.Case:
        return truth.Case(
            "small", "stable", "classic", "3.8.0", "s", seed, 800, real, named
        )

    cases = [
        case("stable", "stable", 0),
        case("stable", "undecided", 1),
        case(None, "stable", 2),
        case("diverged", "diverged", 3),
    ]
    assert truth.confusion(cases) == [
        ["truth", "diverged", "stable", "undecided"],
        ["diverged", "1", "", ""],
        ["stable", "", "1", "1"],
    ]
    assert truth.agreement(cases) == pytest.approx(2 / 3)


def test_cases_are_kept(tmp_path: Path) -> None:
    cases = [
        truth.Case(
            "small",
            "stable",
            "classic",
            "3.8.0",
            "s",
            0,
            800,
            None,
            "stable",
            (0.5, 1.0),
            0.5,
        )
    ]
    truth.write_cases(tmp_path / "c.json", cases)
    assert truth.read_cases(tmp_path / "c.json") == cases
