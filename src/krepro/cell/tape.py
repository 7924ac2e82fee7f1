"""What a recorded run writes down: events as lines of JSON, and numbers in a file beside them.

``tape.jsonl`` holds one event a line; ``numbers.bin`` holds samples of arrays as float64, which
events refer to by their offset. ``krepro.recorded.recording`` reads both.
"""

from __future__ import annotations

import json
import os
import struct
import threading
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

EVENTS, NUMBERS = "tape.jsonl", "numbers.bin"
# An array is kept whole up to here; of a larger one, this many elements at even distances.
SAMPLE = 512
# Of long containers, strings and mappings the beginning says enough.
MOST_ITEMS, MOST_TEXT = 16, 200
DEEPEST = 6


class Writer:
    """Writes one recording into a folder."""

    def __init__(self, folder: Path) -> None:
        """Start anew: what an earlier run left in the folder is overwritten."""
        folder.mkdir(parents=True, exist_ok=True)
        self._events = (folder / EVENTS).open("w", encoding="utf-8", buffering=1)
        self._numbers = (folder / NUMBERS).open("wb", buffering=0)
        self._written = 0
        self._guard = threading.Lock()
        self._kept: dict[Any, tuple[tuple[Any, ...], dict[str, Any]]] = {}
        self._pid = os.getpid()

    def tell(self, event: str, **facts: Any) -> None:
        """Write one event, unless this process is a fork of the recorded one."""
        if os.getpid() != self._pid:
            return
        line = json.dumps({"event": event, **facts}) + "\n"
        with self._guard:
            self._events.write(line)

    def sketch(self, array: Any, key: Any = None) -> dict[str, Any]:
        """Return what stands for an array: shape, dtype, checksum, and where its sample is.

        Args:
            array: a NumPy array.
            key: what it is the value of; a value that did not change is not written again.
        """
        shape, dtype = list(array.shape), str(array.dtype)
        if array.dtype.kind not in "fiubc" and not hasattr(array, "astype"):
            return {"shape": shape, "dtype": dtype}
        data = array if array.flags.c_contiguous else array.copy()
        if data.dtype.kind in "OUSV" and dtype != "bfloat16":
            crc = zlib.crc32(repr(data.tolist()).encode())
            return {"shape": shape, "dtype": dtype, "crc": crc}
        crc = zlib.crc32(data.reshape(-1).view("uint8")) if data.size else 0
        # Keys come again: what is at an address may be another variable by now.
        mark = (crc, dtype, *shape)
        known = self._kept.get(key) if key is not None else None
        if known and known[0] == mark:
            return known[1]
        flat = data.reshape(-1)
        if flat.dtype.kind == "c":
            flat = flat.view(flat.real.dtype)
        stride = -(-flat.size // SAMPLE) or 1
        sample = flat[::stride].astype("float64")
        found = {
            "shape": shape,
            "dtype": dtype,
            "crc": crc,
            "sum": float(flat.sum(dtype="float64")) if flat.size else 0.0,
            "at": self._append(sample.tobytes()),
            "count": int(sample.size),
        }
        if key is not None:
            self._kept[key] = (mark, found)
        return found

    def _append(self, data: bytes) -> int:
        if os.getpid() != self._pid:
            return 0
        with self._guard:
            place = self._written
            left = memoryview(data)
            while left:
                # A disk that is nearly full takes a part.
                left = left[self._numbers.write(left) :]
            self._written += len(data)
        return place

    def close(self) -> None:
        """Finish both files."""
        with self._guard:
            self._events.close()
            self._numbers.close()


def read_numbers(data: bytes, place: int, count: int) -> tuple[float, ...]:
    """Return the sample of an array from the bytes of ``numbers.bin``."""
    return struct.unpack_from(f"<{count}d", data, place)


def describe(value: Any, depth: int = 0) -> Any:
    """Return the structure of an argument, as plain data: containers, shapes, dtypes, classes.

    Values of arrays are left out, and so is what an object holds.
    """
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return value[:MOST_TEXT]
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is not None and dtype is not None:
        return f"{dtype_name(dtype)}{shape_text(shape)}"
    if isinstance(value, (Mapping, list, tuple)):
        return describe_items(value, depth + 1) if depth < DEEPEST else "…"
    return getattr(value, "__name__", None) or type(value).__name__


def describe_items(value: Any, depth: int) -> Any:
    """Return the structure of a container."""
    if isinstance(value, Mapping):
        items = list(value.items())[:MOST_ITEMS]
        return {str(name): describe(item, depth) for name, item in items}
    found = [describe(item, depth) for item in value[:MOST_ITEMS]]
    if len(value) > MOST_ITEMS:
        found.append(f"… {len(value)} in all")
    return found if isinstance(value, list) else {"tuple": found}


def dtype_name(dtype: Any) -> str:
    """Return a dtype's name without its library: ``float32``."""
    return str(getattr(dtype, "name", dtype)).rpartition(".")[2]


def shape_text(shape: Any) -> str:
    """Return a shape as a tuple in text."""
    try:
        return str(tuple(shape))
    except (TypeError, ValueError):  # TensorFlow's unknown rank.
        return "(?)"
