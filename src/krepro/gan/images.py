"""Real images to train on: grey, of one size, scaled to [-1, 1]."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from krepro.gan.settings import Size
from krepro.project import SelectionError

Array = npt.NDArray[Any]

SIDES: dict[Size, int] = {"full": 28, "small": 8}
# Where an NPZ file has its images, and their classes if it has any.
IMAGES, CLASSES = ("x", "x_train", "images", "arr_0"), ("y", "y_train", "labels", "target")
LEAST = 10


def digits(size: Size, digit: int) -> Array:
    """Return the images of one digit among those that come with scikit-learn.

    Returns:
        Shape (count, side, side, 1), float32, in [-1, 1]; there are 174 to 183 of each.

    Raises:
        SelectionError: it is no digit.
    """
    from sklearn.datasets import load_digits  # noqa: PLC0415  Optional, and slow to import.

    data = load_digits()
    if digit not in data.target:
        raise SelectionError(f"no image is of the class {digit}")
    return fitted(data.images[data.target == digit] / 8.0 - 1.0, size)


def from_file(path: Path, size: Size, digit: int) -> Array:
    """Return the images of an NPZ file, those of one class where it says which is which.

    Raises:
        SelectionError: it cannot be read, or holds no grey images.
    """
    try:
        with np.load(path, allow_pickle=False) as held:
            arrays = {name: held[name] for name in held.files}
    except FileNotFoundError:
        raise SelectionError(f"{path}: no such file") from None
    except (OSError, ValueError, AttributeError, zipfile.BadZipFile, EOFError) as error:
        raise SelectionError(f"{path}: not an NPZ file of arrays: {error}") from error
    name = next((name for name in IMAGES if name in arrays), "")
    if not name:
        raise SelectionError(
            f"{path}: no images: one of {', '.join(IMAGES)} (there are: {', '.join(arrays)})"
        )
    images = arrays[name]
    if images.ndim == 4 and images.shape[-1] == 1:
        images = images[..., 0]
    if images.ndim != 3:
        raise SelectionError(
            f"{path}: {name} has the shape {images.shape}, not that of grey images: "
            "(count, height, width)"
        )
    classes = next((arrays[n] for n in CLASSES if n in arrays), None)
    if classes is not None and classes.shape == (len(images),):
        images = images[classes == digit]
        if not len(images):
            raise SelectionError(f"{path}: no image is of the class {digit}")
    return fitted(scaled(images, f"{path}: {name}"), size)


def scaled(images: Array, where: str) -> Array:
    """Return images in [-1, 1]: bytes from 0 to 255, or fractions from 0 or -1 to 1.

    Raises:
        SelectionError: they are neither.
    """
    if images.dtype == np.uint8:
        return images / 127.5 - 1.0
    if not np.issubdtype(images.dtype, np.floating) or not np.isfinite(images).all():
        raise SelectionError(f"{where}: not bytes, and not finite fractions")
    low, high = float(images.min()), float(images.max())
    if low >= 0 and high <= 1:
        return images * 2.0 - 1.0
    if low >= -1 and high <= 1:
        return images
    raise SelectionError(
        f"{where}: from {low:g} to {high:g}, not in [-1, 1], [0, 1] or bytes"
    )


def fitted(images: Array, size: Size) -> Array:
    """Return images of another size, by linear interpolation.

    Args:
        images: shape (count, height, width), in [-1, 1].
        size: what the networks take.

    Returns:
        Shape (count, side, side, 1), float32.

    Raises:
        SelectionError: there are too few of them.
    """
    if len(images) < LEAST:
        raise SelectionError(f"{len(images)} images are too few: {LEAST} are needed")
    side = SIDES[size]
    for axis in (1, 2):
        images = resampled(images, side, axis)
    return np.clip(images, -1, 1)[..., None].astype("float32")


def resampled(images: Array, count: int, axis: int) -> Array:
    """Return images with so many pixels along an axis; the outermost stay where they are."""
    held = images.shape[axis]
    at = np.linspace(0, held - 1, count)
    below = np.minimum(at.astype(int), max(held - 2, 0))
    above = np.minimum(below + 1, held - 1)
    shape = [1] * images.ndim
    shape[axis] = count
    share = (at - below).reshape(shape)
    taken: Array = images.take(below, axis) * (1 - share) + images.take(above, axis) * share
    return taken


def flat(images: Array) -> Array:
    """Return images as rows, in float64."""
    return images.reshape(len(images), -1).astype(float)


def distances(some: Array, others: Array) -> Array:
    """Return the distance from each of some rows to each of others."""
    squares = (some**2).sum(1)[:, None] + (others**2).sum(1) - 2 * some @ others.T
    found: Array = np.sqrt(np.maximum(squares, 0))
    return found
