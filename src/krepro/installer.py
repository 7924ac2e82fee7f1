"""uv, as krepro uses it: which index, which cache, and what its failures mean."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

import uv

from krepro.cell.supervise import kill_group
from krepro.home import Home
from krepro.verdict import Verdict

# What pip was told about indexes holds for uv too, which does not read pip's settings.
FROM_PIP = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
}

CAUSES = {
    Verdict.NO_SPACE: (
        "no space left on device",
        "disk quota exceeded",
        r"os error (28|122)\b",
    ),
    Verdict.NETWORK: (
        "dns error",
        "failed to lookup address",
        "error sending request",
        "connection refused",
        "connection reset",
        "timed out",
        "network is unreachable",
        "could not connect",
        "failed to fetch",
        r"client error \(connect\)",
        r"status code: 5\d\d",
    ),
}


class InstallError(Exception):
    """An environment that could not be made: the verdict it means, and one line why."""

    def __init__(self, verdict: Verdict, message: str) -> None:
        """Keep the verdict that every repro gets in that environment."""
        super().__init__(message)
        self.verdict = verdict


def cause_of(output: str) -> Verdict:
    """Return what a failed installation means, from what uv printed."""
    for verdict, patterns in CAUSES.items():
        if re.search("|".join(patterns), output, re.IGNORECASE):
            return verdict
    return Verdict.INSTALL


def environment(home: Home) -> dict[str, str]:
    """Return the environment variables to run uv with."""
    variables = dict(os.environ)
    for theirs, ours in FROM_PIP.items():
        if variables.get(theirs) and not variables.get(ours):
            separator = "," if ours == "UV_FIND_LINKS" else " "
            variables[ours] = separator.join(variables[theirs].split())
    variables.setdefault("UV_CACHE_DIR", str(home.downloads))
    variables.pop("VIRTUAL_ENV", None)
    variables.pop("PYTHONPATH", None)
    return variables


def find_uv() -> str:
    """Return uv's executable, from one thread at a time.

    It reads sysconfig's variables, and in CPython 3.11 a thread that asks for them while
    another one reads them for the first time gets none.
    """
    with _FINDING:
        return str(uv.find_uv_bin())


def run_uv(home: Home, *arguments: str, configured: bool = False) -> str:
    """Run uv and return what it printed.

    ``configured`` lets uv read the settings in the project file it is given.

    Raises:
        InstallError: uv failed.
    """
    options = ["--quiet"] if configured else ["--quiet", "--no-config"]
    command = [find_uv(), *options, *arguments]
    process = subprocess.Popen(
        command,
        env=environment(home),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Ctrl-C is for krepro, which knows what a uv that ends early means.
        start_new_session=True,
    )
    _RUNNING.add(process)
    try:
        out, err = process.communicate()
    finally:
        _RUNNING.discard(process)
    if process.returncode:
        message = " ".join(err.split()) or f"uv ended with {process.returncode}"
        raise InstallError(cause_of(err), message[:600])
    return out


_FINDING = threading.Lock()
_RUNNING: set[subprocess.Popen[str]] = set()


def stop_all() -> None:
    """End every uv that is running."""
    for process in list(_RUNNING):
        kill_group(process.pid)


def torch_arguments(requirements: Sequence[str], home: Home) -> list[str]:
    """Return what makes uv take a CPU build of torch.

    A wheel that ``UV_FIND_LINKS`` offers is preferred; else PyTorch's own index has them.
    """
    if not any(re.match(r"torch\b", requirement) for requirement in requirements):
        return []
    folders = environment(home).get("UV_FIND_LINKS", "").split(",")
    for folder in filter(None, folders):
        path = Path(folder.removeprefix("file://"))
        if path.is_dir() and any(path.glob("torch-*")):
            return []
    return ["--torch-backend=cpu"]
