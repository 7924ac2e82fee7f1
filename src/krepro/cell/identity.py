"""Import Keras and prove which Keras it is."""

from __future__ import annotations

import importlib
import platform
import sys
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from krepro.release import is_checkout

KERAS_2 = "tf_keras"


class NotAsAsked(ImportError):
    """Keras imported, but it is not the Keras that was asked for."""


def drop_keras() -> None:
    """Forget whatever goes by the name of Keras: a backend may have imported some.

    A stack holds no Keras, so there is none as a rule; a first ``import keras`` must be the
    cell's own.
    """
    for name in [n for n in sys.modules if n.partition(".")[0] == "keras"]:
        del sys.modules[name]


def import_keras(
    overlay: Path, release: str, backend: str, backend_version: str
) -> dict[str, str]:
    """Import the Keras of an overlay and return what was imported.

    Keras 2 (a ``tf_keras`` in the overlay) goes by the name ``keras`` too, so that repros
    need not know.

    Args:
        overlay: the folder that holds the release.
        release: the version asked for; empty for a commit, which says one of its own. A checkout
            says its version without the mark of its content.
        backend: the backend asked for.
        backend_version: the version of it that the stack was made with.

    Returns:
        The names ``keras``, ``keras_file``, ``backend``, ``backend_version``, ``numpy`` and
        ``python``.

    Raises:
        NotAsAsked: another version, place or backend came.
        BaseException: whatever ``import keras`` raises.
    """
    sys.path.insert(0, str(overlay))
    importlib.invalidate_caches()
    if (overlay / KERAS_2).is_dir():
        leave_as_it_is(KERAS_2)
        keras = importlib.import_module(KERAS_2)
        for name in [n for n in sys.modules if n.partition(".")[0] == KERAS_2]:
            sys.modules["keras" + name[len(KERAS_2) :]] = sys.modules[name]
    else:
        keras = importlib.import_module("keras")
    found = identity()
    if release and not is_asked(found["keras"], release):
        raise NotAsAsked(f"asked for keras {release}, got {found['keras']}")
    if not Path(str(keras.__file__)).resolve().is_relative_to(overlay.resolve()):
        raise NotAsAsked(f"asked for keras from {overlay}, got {found['keras_file']}")
    if found["backend"] != backend:
        raise NotAsAsked(f"asked for backend {backend}, got {found['backend']}")
    if found["backend_version"] != backend_version:
        raise NotAsAsked(
            f"asked for {backend} {backend_version}, got {found['backend_version']}"
        )
    return found


def is_asked(said: str, release: str) -> bool:
    """Whether what Keras says of itself is the release asked for."""
    if said == release or not is_checkout(Version(release)):
        return said == release
    try:
        return Version(said).public == Version(release).public
    except InvalidVersion:
        return False


def leave_as_it_is(package: str) -> None:
    """Keep TensorFlow's autograph from converting a package's own code.

    Its rules name ``keras``, where Keras 2 lived; under the name ``tf_keras`` the same code
    is converted at the first step, which takes a quarter of a minute and changes nothing.
    """
    config: Any = importlib.import_module("tensorflow.python.autograph.core.config")
    config.CONVERSION_RULES = (config.DoNotConvert(package), *config.CONVERSION_RULES)


def identity() -> dict[str, str]:
    """Return what this process runs, after ``import keras``."""
    keras = importlib.import_module("keras")
    backend = keras.backend.backend()
    module = sys.modules.get(backend)
    numpy = sys.modules.get("numpy")
    return {
        "keras": str(keras.__version__),
        "keras_file": str(keras.__file__),
        "backend": str(backend),
        "backend_version": str(getattr(module, "__version__", "unknown")),
        "numpy": str(getattr(numpy, "__version__", "none")),
        "python": platform.python_version(),
    }
