"""Stacks as environments: locked, made once, never used half-made."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec
import tomlkit
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from krepro import installer
from krepro.home import Home, remove, touch
from krepro.installer import InstallError
from krepro.matrix import Matrix, Stack
from krepro.result import write_atomically
from krepro.verdict import Verdict

STAMP = "krepro.json"
LOCKS_FOLDER = "locks"
# What torch wants for CUDA, and a CPU build does without.
CUDA_PACKAGES = re.compile(r"(?m)^(nvidia-|cuda-|triton\b)")


class Lock(msgspec.Struct, frozen=True):
    """The exact packages of a stack.

    ``text`` is a requirements file of pins; ``hash`` stands for it and the Python version.
    """

    stack: str
    text: str
    hash: str

    @property
    def pins(self) -> dict[str, str]:
        """The versions by canonical name, those for other platforms included."""
        lines = (line for line in self.text.splitlines() if re.match(r"[A-Za-z0-9]", line))
        pinned = map(Requirement, lines)
        return {
            canonicalize_name(each.name): str(each.specifier).removeprefix("==")
            for each in pinned
        }


class Stamp(msgspec.Struct, frozen=True):
    """What a finished environment says of itself."""

    stack: str
    lock: str
    backend_version: str
    python: str


@dataclass(frozen=True)
class Environment:
    """A finished environment, and the stack that runs in it."""

    stack: Stack
    lock: Lock
    path: Path
    stamp: Stamp

    @property
    def python(self) -> Path:
        """The interpreter."""
        return interpreter(self.path)

    @property
    def preload_file(self) -> Path:
        """Names of the modules that Keras was seen to import here."""
        return self.path / f"preload-{self.stack.name}.json"


def interpreter(environment: Path) -> Path:
    """Return the interpreter of a virtual environment."""
    if os.name == "nt":
        return environment / "Scripts" / "python.exe"
    return environment / "bin" / "python"


def lock_of(stack: Stack, text: str) -> Lock:
    """Return the lock that a requirements text makes for a stack; comments do not count."""
    pins = sorted(
        line.strip() for line in text.splitlines() if line.strip() and line[0] != "#"
    )
    content = "\n".join([f"python=={stack.python}", *pins])
    return Lock(
        stack.name,
        "\n".join(pins) + "\n",
        hashlib.sha256(content.encode()).hexdigest()[:12],
    )


def lock_file(folder: Path, stack: Stack) -> Path:
    """Return where the lock of a stack is kept, beside ``matrix.toml``."""
    return folder / LOCKS_FOLDER / f"{stack.name}.txt"


def read_lock(folder: Path, matrix: Matrix, stack: Stack) -> Lock | None:
    """Return the kept lock of a stack, or None where there is none for its requirements."""
    try:
        text = lock_file(folder, stack).read_text(encoding="utf-8")
    except OSError:
        return None
    header = _header(matrix, stack)
    return lock_of(stack, text) if text.startswith(header) else None


def _header(matrix: Matrix, stack: Stack) -> str:
    inputs = "".join(f"#   {line}\n" for line in matrix.requirements_of(stack))
    return f"# Made by 'krepro lock' for Python {stack.python} from\n{inputs}"


def resolve(home: Home, matrix: Matrix, stack: Stack) -> str:
    """Resolve the requirements of a stack for every platform; return the text of its lock file.

    Raises:
        InstallError: they do not resolve.
    """
    requirements = matrix.requirements_of(stack)
    major, minor = stack.python.split(".")[:2]
    only = f"python_full_version < '{major}.{int(minor) + 1}'"
    with tempfile.TemporaryDirectory() as folder:
        # A project file, since only there uv takes the environments to resolve for.
        project = {
            "project": {
                "name": stack.name,
                "version": "0",
                "requires-python": f"=={major}.{minor}.*",
                "dependencies": requirements,
            },
            "tool": {
                "uv": {
                    "environments": [only],
                    # Keras is a subject, never part of a stack, whatever a backend requires.
                    "override-dependencies": ["keras ; sys_platform == 'never'"],
                }
            },
        }
        path = Path(folder) / "pyproject.toml"
        path.write_text(tomlkit.dumps(project), encoding="utf-8")
        output = installer.run_uv(
            home,
            "pip",
            "compile",
            str(path),
            f"--project={folder}",
            "--universal",
            "--no-header",
            "--no-annotate",
            *installer.torch_arguments(requirements, home),
            configured=True,
        )
    pins = []
    for line in output.splitlines():
        pin = line.replace(f" ; {only}", "").removeprefix("and ").strip()
        pin = re.sub(r"^(\S+) and ", r"\1 ; ", pin)
        # Which build of a version is taken is decided when it is installed.
        pin = re.sub(r"\+cpu\b", "", pin)
        never = pin.endswith("sys_platform == 'never'") or CUDA_PACKAGES.match(pin)
        if pin and pin[0] not in "-#" and not never:
            pins.append(pin)
    return _header(matrix, stack) + "\n".join(sorted(pins)) + "\n"


def prepare(home: Home, folder: Path, matrix: Matrix, stack: Stack) -> Environment:
    """Return the finished environment of a stack, making it if it is not there.

    Args:
        home: where environments are kept.
        folder: the folder of ``matrix.toml``, which may hold locks.
        matrix: the matrix.
        stack: the stack.

    Raises:
        InstallError: it could not be made.
    """
    found = find(home, folder, matrix, stack)
    if found:
        touch(found.path)
        return found
    lock = ensure_lock(home, folder, matrix, stack)
    path = path_of(home, stack, lock)
    with home.lock(path.name):
        found = read_environment(path, stack, lock)
        if found:
            return found
        remove(path)
        # Made beside its place: what a killed run leaves behind, and what its orphaned uv still
        # writes, is in nobody's way.
        new = path.with_name(f".{path.name}.{os.getpid()}.new")
        remove(new)
        try:
            stamp = _make(home, stack, lock, new)
            new.rename(path)
        except OSError as error:
            raise InstallError(installer.cause_of(str(error)), str(error)) from None
        finally:
            remove(new)
    return Environment(stack, lock, path, stamp)


def find(home: Home, folder: Path, matrix: Matrix, stack: Stack) -> Environment | None:
    """Return the finished environment of a stack, or None where it is not made yet."""
    lock = current_lock(home, folder, matrix, stack)
    return read_environment(path_of(home, stack, lock), stack, lock) if lock else None


def path_of(home: Home, stack: Stack, lock: Lock) -> Path:
    """Return where the environment of a stack is kept."""
    return home.stacks / f"{stack.name}-{lock.hash}"


def ensure_lock(home: Home, folder: Path, matrix: Matrix, stack: Stack) -> Lock:
    """Return the lock of a stack, resolving it where there is none.

    Raises:
        InstallError: it could not be resolved.
    """
    return read_lock(folder, matrix, stack) or _resolve_once(home, matrix, stack)


def lock_text(matrix: Matrix, stack: Stack, lock: Lock) -> str:
    """Return the text of a lock as it lies beside a ``matrix.toml``."""
    return _header(matrix, stack) + lock.text


def _resolve_once(home: Home, matrix: Matrix, stack: Stack) -> Lock:
    """Resolve a stack without a kept lock, and keep the answer for the next run."""
    with home.lock(f"{stack.name}.resolve"):
        found = read_lock(home.stacks, matrix, stack)
        if found:
            return found
        text = resolve(home, matrix, stack)
        write_atomically(lock_file(home.stacks, stack), text.encode())
    return lock_of(stack, text)


def current_lock(home: Home, folder: Path, matrix: Matrix, stack: Stack) -> Lock | None:
    """Return the lock of a stack without resolving it, or None.

    The one beside ``matrix.toml`` counts, else the one that an earlier run resolved.
    """
    return read_lock(folder, matrix, stack) or read_lock(home.stacks, matrix, stack)


def read_environment(path: Path, stack: Stack, lock: Lock) -> Environment | None:
    """Return the environment in a folder if it is finished."""
    try:
        stamp = msgspec.json.decode((path / STAMP).read_bytes(), type=Stamp)
    except (OSError, msgspec.DecodeError):
        return None
    return Environment(stack, lock, path, stamp)


def _make(home: Home, stack: Stack, lock: Lock, path: Path) -> Stamp:
    """Make an environment in a folder that can be moved afterwards."""
    path.parent.mkdir(parents=True, exist_ok=True)
    installer.run_uv(
        home, "venv", f"--python={stack.python}", "--no-project", "--relocatable", str(path)
    )
    requirements = path / "requirements.txt"
    requirements.write_text(lock.text, encoding="utf-8")
    installer.run_uv(
        home,
        "pip",
        "install",
        f"--python={interpreter(path)}",
        "--no-deps",
        "--compile-bytecode",
        f"--requirement={requirements}",
        *installer.torch_arguments(lock.text.splitlines(), home),
    )
    installed = installer.run_uv(home, "pip", "freeze", f"--python={interpreter(path)}")
    cuda = CUDA_PACKAGES.findall(installed)
    if cuda:
        raise InstallError(
            Verdict.INSTALL, f"{stack.name} is not a CPU build: it holds {cuda[0]} packages"
        )
    stamp = Stamp(stack.name, lock.hash, *_probe(stack, path))
    (path / STAMP).write_bytes(msgspec.json.format(msgspec.json.encode(stamp)))
    return stamp


def _probe(stack: Stack, path: Path) -> tuple[str, str]:
    """Return the versions of backend and Python in a new environment.

    Raises:
        InstallError: the backend does not import, or is no CPU build.
    """
    code = (
        f"import platform, {stack.backend} as b; "
        "cuda = getattr(getattr(b, 'version', None), 'cuda', None); "
        "print('krepro', getattr(b, '__version__', 'unknown'), platform.python_version(), "
        "cuda if isinstance(cuda, str) else 'cpu')"
    )
    done = subprocess.run(
        [interpreter(path), "-s", "-c", code],
        env=cell_variables(stack),
        capture_output=True,
        text=True,
        check=False,
    )
    answer = re.search(r"(?m)^krepro (\S+) (\S+) (\S+)$", done.stdout)
    if not answer:
        said = done.stderr.strip().split("\n")
        reason = said[-1][-300:] or f"it ended with {done.returncode}"
        raise InstallError(Verdict.IMPORT, f"import {stack.backend}: {reason}")
    backend_version, python, cuda = answer.groups()
    if cuda != "cpu":
        raise InstallError(
            Verdict.INSTALL, f"{stack.name} holds a build of torch for CUDA {cuda}"
        )
    return backend_version, python


# What a cell sees of its surroundings; the rest could change what Keras does.
KEPT_VARIABLES = (
    "HOME",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "PATH",
    "SYSTEMROOT",
    "TMPDIR",
)


def cell_variables(stack: Stack, **more: str) -> dict[str, str]:
    """Return the environment variables of a cell on a stack.

    One thread per operation: cells run side by side, and results do not depend on how many
    cores there are.
    """
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    return {
        **kept,
        "CUDA_VISIBLE_DEVICES": "-1",
        "JAX_PLATFORMS": "cpu",
        "KERAS_BACKEND": stack.backend,
        "MKL_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "TF_NUM_INTEROP_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": "1",
        "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false --xla_backend_optimization_level=0",
        **stack.environment,
        **more,
    }


def fork_is_safe() -> bool:
    """Whether cells may be forked here: on Linux, where it was seen to work."""
    return sys.platform == "linux"
