"""What was told of a GAN's training, an entry for each iteration, from any of three kinds of file."""

from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from krepro.project import SelectionError

Numbers = npt.NDArray[np.float64]

# Other names for a column, as published GANs have them.
ALIASES = {
    "real_loss": ("d_loss_real", "d_real_loss", "d1_loss", "d1_hist", "d1", "loss_real"),
    "generated_loss": (
        "d_loss_fake",
        "d_fake_loss",
        "fake_loss",
        "d2_loss",
        "d2_hist",
        "d2",
        "loss_fake",
    ),
    "generator_loss": ("g_loss", "gan_loss", "g_hist", "g", "loss_g"),
    "discriminator_loss": ("d_loss", "disc_loss", "loss_d"),
    "real_accuracy": ("acc_real", "d_acc_real", "a1_hist", "a1", "accuracy_real"),
    "generated_accuracy": (
        "acc_fake",
        "d_acc_fake",
        "fake_accuracy",
        "a2_hist",
        "a2",
        "accuracy_fake",
    ),
    "iteration": ("step", "epoch", "batch"),
}
ASIDE = "discriminator_change_in_generator_step"
CHANGES = ("discriminator_change", "generator_change", ASIDE)
LOSSES = ("real_loss", "generated_loss", "generator_loss")
ACCURACIES = ("real_accuracy", "generated_accuracy")
KNOWN = (*LOSSES, *ACCURACIES, *CHANGES, "discriminator_loss", "iteration")


@dataclass(frozen=True)
class History:
    """The columns of a training, all of one length.

    Losses are binary crossentropies, in nats; accuracies between 0 and 1; a change is how far a
    network's weights moved in an iteration, relative to their size. Only the losses must be there.
    """

    columns: Mapping[str, Numbers]
    source: str = "the history"

    @classmethod
    def of(
        cls, columns: Mapping[str, Iterable[float]], source: str = "the history"
    ) -> History:
        """Return a history of columns by any name they are known by.

        Raises:
            SelectionError: a column is missing, of another length, or holds no numbers.
        """
        found: dict[str, Numbers] = {}
        for name, values in columns.items():
            known = canonical(name)
            if known in found:
                raise SelectionError(f"{source}: {known} is there twice")
            try:
                found[known] = np.asarray(list(values), dtype=float)
            except (TypeError, ValueError) as error:
                raise SelectionError(
                    f"{source}: {name} is not a list of numbers"
                ) from error
            if found[known].ndim != 1:
                raise SelectionError(f"{source}: {name} is not a list of numbers")
        if "discriminator_loss" in found:
            for name in ("real_loss", "generated_loss"):
                found.setdefault(name, found["discriminator_loss"])
        missing = [name for name in LOSSES if name not in found]
        if missing:
            raise SelectionError(
                f"{source}: no column {' and no column '.join(missing)} "
                f"(there are: {', '.join(map(str, columns)) or 'none'})"
            )
        lengths = {len(values) for name, values in found.items() if name in KNOWN}
        if len(lengths) > 1:
            raise SelectionError(f"{source}: the columns are of several lengths")
        return cls(found, source)

    def __len__(self) -> int:
        """Return the number of iterations."""
        return len(self.columns["generator_loss"])

    def __getitem__(self, name: str) -> Numbers:
        """Return a column."""
        return self.columns[name]

    def __contains__(self, name: str) -> bool:
        """Whether a column is there, and was told of in any iteration."""
        return name in self.columns and not np.isnan(self.columns[name]).all()

    @property
    def discriminator(self) -> Numbers:
        """The discriminator's loss: the mean of those on both halves, shape (iterations,)."""
        found: Numbers = (self["real_loss"] + self["generated_loss"]) / 2
        return found


def canonical(name: str) -> str:
    """Return the name by which a column is known here."""
    plain = name.strip().lower().replace(" ", "_").replace("-", "_")
    return next((known for known, others in ALIASES.items() if plain in others), plain)


def read_history(path: Path) -> History:
    """Read a history: CSV with a header, JSON (lists by name, or a list of rows) or NPZ.

    Raises:
        SelectionError: it cannot be read, or is no history.
    """
    readers = {".csv": from_csv, ".json": from_json, ".npz": from_npz}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise SelectionError(f"{path}: a history is a .csv, .json or .npz file")
    try:
        columns = reader(path)
    except FileNotFoundError:
        raise SelectionError(f"{path}: no such file") from None
    except (OSError, ValueError, csv.Error, zipfile.BadZipFile, EOFError) as error:
        raise SelectionError(f"{path}: cannot be read: {error}") from error
    return History.of(columns, str(path))


def from_csv(path: Path) -> dict[str, list[float]]:
    """Return the columns of a CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        names = next(rows, [])
        columns: dict[str, list[float]] = {name: [] for name in names}
        for row in rows:
            if len(row) != len(names):
                raise ValueError(
                    f"line {rows.line_num} has {len(row)} fields, not {len(names)}"
                )
            for name, text in zip(names, row, strict=True):
                columns[name].append(number(text, f"line {rows.line_num}, {name}"))
    return columns


def number(text: str, where: str) -> float:
    """Return the number that a field holds.

    Raises:
        ValueError: it holds none.
    """
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{where}: {text!r} is no number") from None


def from_json(path: Path) -> dict[str, list[Any]]:
    """Return the columns of a JSON file: those under "history" where there is such a key."""
    read = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(read, dict) and isinstance(read.get("history"), dict | list):
        read = read["history"]
    if isinstance(read, list) and all(isinstance(row, dict) for row in read):
        names = dict.fromkeys(name for row in read for name in row)
        if any(name not in row for row in read for name in names):
            raise ValueError("not every row has every column")
        return {name: [row[name] for row in read] for name in names}
    if isinstance(read, dict):
        return {name: v for name, v in read.items() if isinstance(v, list)}
    raise ValueError("neither lists by name nor a list of rows")


def from_npz(path: Path) -> dict[str, Any]:
    """Return the arrays of one dimension in an NPZ file."""
    with np.load(path, allow_pickle=False) as held:
        return {name: held[name] for name in held.files if held[name].ndim == 1}


def to_json(history: History) -> str:
    """Return a history as JSON: lists by name; null: not told; "nan": the loss was that."""

    def entry(name: str, value: float) -> float | str | None:
        if np.isfinite(value):
            return value
        return None if np.isnan(value) and name not in LOSSES else str(value)

    columns = {
        name: [entry(name, value) for value in values.tolist()]
        for name, values in history.columns.items()
    }
    return json.dumps({"schema": 1, "history": columns}, indent=1) + "\n"
