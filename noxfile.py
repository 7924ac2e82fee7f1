# /// script
# dependencies = ["nox[uv]>=2025.2.9"]
# ///
"""The jobs of this project: ``nox -s matrix`` is the main one, ``nox -s tests`` the tests."""

from __future__ import annotations

import os
import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["matrix"]
nox.options.reuse_existing_virtualenvs = True

HERE = Path(__file__).parent
MATRIX = tomllib.loads((HERE / "matrix.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Job:
    """A command of krepro's that is a session of the same name."""

    name: str
    help: str
    extra: str = ""


JOBS = (
    Job("matrix", "Run the repros on releases and backends, and print who is affected."),
    Job("releases", "List the releases that matrix.toml knows."),
    Job("adopt", "Take a new Keras release in: measure, compare, write.", "picture"),
    Job("bisect", "Find the releases, or commits, that a script misbehaves on."),
    Job("culprit", "Find the few lines of Keras that brought a bug in, or took it out."),
    Job("upgrade", "Say what is known to change from one release to another."),
    Job("fuzz", "Draw training programs, and look for bugs nobody wrote down.", "fuzz"),
    Job("gan", "Train GANs on releases and backends, and say what becomes of them.", "gan"),
    Job("report", "Write a verified bug report for upstream, or a note on what to pin."),
    Job("page", "Write the matrix as static pages to look at."),
    Job("audit", "Prove entries two-sided, stable, independent, and as declared."),
    Job("doctor", "Say what is installed, what is missing, and what to do about it."),
)


def install(session: nox.Session, *groups: str, extra: str = "") -> None:
    """Install krepro, with an extra of its, and the dependency groups that a session needs."""
    more = [item for group in groups for item in dependency_group(group)]
    session.install("--editable", f".[{extra}]" if extra else ".", *more)


def dependency_group(name: str) -> list[str]:
    """Return the requirements of a dependency group."""
    table = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))
    found: list[str] = table["dependency-groups"][name]
    return found


def add_job(job: Job) -> None:
    """Define the session of a job."""

    @nox.session(name=job.name)
    def run(session: nox.Session) -> None:
        install(session, extra=job.extra)
        # 1 is a finding and 3 a gap: the report has said which; nox passes them on as failures.
        session.run("krepro", job.name, *session.posargs)

    run.__doc__ = job.help


for job in JOBS:
    add_job(job)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests; needs no network but the package index."""
    install(session, "test", "docs")
    # More processes than that gain little: the tests start processes of their own.
    parallel = ("-n", "auto", "--maxprocesses", "4", "--dist", "loadfile")
    # In the order of collection: long files first, as tests/conftest.py has them.
    order = ("--no-loadscope-reorder", "--durations", "20")
    session.run("pytest", *parallel, *order, *session.posargs)


@nox.session(default=False)
def coverage(session: nox.Session) -> None:
    """Run the tests one after the other, and say which lines none of them reaches."""
    install(session, "test", "docs")
    session.run("coverage", "erase")
    session.run("coverage", "run", "--parallel-mode", "-m", "pytest", *session.posargs)
    session.run("coverage", "combine", "--quiet")
    session.run("coverage", "report", "--skip-covered", "--show-missing", silent=False)


@nox.session
def docs(session: nox.Session) -> None:
    """Make a site of docs/, with every link in it checked (-- --external: on the web, too)."""
    session.install(*dependency_group("docs"))
    external = session.posargs == ["--external"]
    builder, folder = ("linkcheck", "links") if external else ("html", "docs")
    session.run(
        "sphinx-build", "-W", "--keep-going", "-b", builder, "docs", f"build/{folder}"
    )


@nox.session
def lint(session: nox.Session) -> None:
    """Check format, lint and types."""
    install(session, "lint", "test")
    session.install("nox")
    session.run(
        "ruff", "format", *([] if session.posargs == ["--fix"] else ["--check"]), "."
    )
    session.run("ruff", "check", *session.posargs, ".")
    session.run("mypy")


@nox.session(default=False)
def truth(session: nox.Session) -> None:
    """Run what CI runs a sample of: every script on every pair, every page, 50 kills, Dask (hours)."""
    install(session, "test")
    env = {"KREPRO_TRUTH": "all", "KREPRO_DOCS": "all", "KREPRO_KILLS": "50"}
    names = ("scripts", "docs", "faults", "dask")
    files = [f"tests/test_{name}.py" for name in names]
    session.run("pytest", *files, *session.posargs, env=env)


@nox.session(default=False)
def teeth(session: nox.Session) -> None:
    """Plant faults in Keras, one at a time, and see which the fuzzer finds (an hour)."""
    install(session, extra="fuzz")
    session.run("python", "-m", "krepro.fuzz.teeth", *session.posargs)


@nox.session(default=False)
def gan_truth(session: nox.Session) -> None:
    """Train GANs, and count how often the diagnosis is what they truly are (half an hour)."""
    install(session, extra="gan")
    session.run("python", "-m", "krepro.gan.truth", *session.posargs)


@nox.session(default=False)
def pictures(session: nox.Session) -> None:
    """Write the page, and take the pictures of it that the documentation shows."""
    install(session, "test")
    folder = session.create_tmp()
    session.run("krepro", "page", "--output", f"{folder}/page", success_codes=[0, 1, 3])
    session.run("python", "-m", "krepro.page.pictures", f"{folder}/page", "docs/page")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure what the engine costs, against the plain way and against its floor."""
    install(session, extra="fuzz")
    session.install("nox")
    session.run("python", "benchmarks/engine.py", *session.posargs)
    session.run("python", "benchmarks/searches.py")
    session.run("python", "benchmarks/upgrade.py")
    session.run("python", "benchmarks/fuzz.py")


def real_cells() -> list[nox.param]:
    """Return a parameter per cell: every release on the primary stacks."""
    primary = [stack for stack in MATRIX["stack"] if stack.get("primary")]
    return [
        nox.param(
            release["version"], stack["name"], id=f"{release['version']}@{stack['name']}"
        )
        for release in MATRIX["release"]
        for stack in primary
    ]


@nox.session(default=False, reuse_venv=False)
@nox.parametrize(("release", "stack"), real_cells())
def repros(session: nox.Session, release: str, stack: str) -> None:
    """Run the repros the plain way: a real environment per cell, then pytest in it."""
    entry = next(s for s in MATRIX["stack"] if s["name"] == stack)
    lock = (HERE / "locks" / f"{stack}.txt").read_text(encoding="utf-8")
    pins = [line for line in lock.splitlines() if line and not line.startswith("#")]
    requirements = Path(session.create_tmp()) / "requirements.txt"
    requirements.write_text("\n".join([*pins, f"keras=={release}"]), encoding="utf-8")
    session.install(
        "--no-deps", "--requirement", str(requirements), *cpu_build(session, entry)
    )
    session.install("--no-deps", "--editable", ".")
    records = HERE / ".nox" / "records"
    records.mkdir(parents=True, exist_ok=True)
    try:
        run_plainly(session, entry, records / f"{release}@{stack}.json")
    finally:
        # A hundred of these would fill a disk.
        shutil.rmtree(session.virtualenv.location, ignore_errors=True)


def run_plainly(session: nox.Session, stack: dict[str, Any], record: Path) -> None:
    """Run pytest on the repros in a session's environment, and keep what they said."""
    session.run(
        "python",
        "-m",
        "pytest",
        "--override-ini=addopts=",
        "--override-ini=filterwarnings=",
        "-p",
        "no:cacheprovider",
        "--continue-on-collection-errors",
        f"--krepro-json={record}",
        *(session.posargs or ["repros"]),
        env={
            "KERAS_BACKEND": stack["backend"],
            "KERAS_HOME": session.create_tmp(),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "CUDA_VISIBLE_DEVICES": "-1",
        },
    )


def cpu_build(session: nox.Session, stack: dict[str, Any]) -> list[str]:
    """Return what makes the installer take a CPU build of torch.

    A wheel in a folder that pip or uv was told of is preferred; else PyTorch's own index.
    """
    folders = os.environ.get("UV_FIND_LINKS") or os.environ.get("PIP_FIND_LINKS") or ""
    local = [f"--find-links={folder}" for folder in folders.replace(",", " ").split()]
    if stack["backend"] != "torch" or any(
        any(Path(folder).glob("torch-*")) for folder in folders.replace(",", " ").split()
    ):
        return local
    if session.venv_backend == "uv":
        return [*local, "--torch-backend=cpu"]
    return [*local, "--extra-index-url=https://download.pytorch.org/whl/cpu"]


if __name__ == "__main__":
    nox.main()
