"""What a search runs: a repro of the catalogue, or a user's script with what it needs."""

from __future__ import annotations

import ast
import hashlib
import re
import shutil
import tokenize
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from krepro import installer
from krepro.cell.script import Script, sort_tests
from krepro.home import Home
from krepro.overlay import made_once
from krepro.project import Project, SelectionError, normal
from krepro.repro import Repro, block_toml, is_repro, metadata_block
from krepro.stack import Environment

# A folder beside a script is copied whole up to here; of a larger one only what is imported.
MOST_FILES, MOST_BYTES = 500, 20_000_000
LEFT_OUT = {"__pycache__", "node_modules", "site-packages"}
# The stack and the cell supply these.
SUPPLIED = {"keras", "tensorflow", "tensorflow-cpu", "tf-keras", "jax", "jaxlib", "torch"}


@dataclass(frozen=True)
class Target:
    """A repro or a script, and a hash of all that can change what it says."""

    name: str
    digest: str
    repro: Repro | None = None
    script: Script | None = None
    requirements: tuple[str, ...] = ()
    note: str = ""


def find(
    project: Project,
    name: str,
    room: Path,
    *,
    module: str = "",
    arguments: Sequence[str] = (),
    data: Sequence[Path] = (),
    requirements: Sequence[str] = (),
    left_out: Sequence[Path] = (),
) -> Target:
    """Return what a name means: an id of the catalogue, or a file.

    Args:
        project: where the catalogue is.
        name: an id or a path.
        room: a working folder; what a script needs is copied into it.
        module: the dotted name of the file as a module, to run it as ``python -m`` does.
        arguments: for a script.
        data: files and folders that a script reads, besides those beside it.
        requirements: packages that it imports and the stacks lack.
        left_out: files beside a script that are not its own, such as the report to write.

    Raises:
        SelectionError: there is no such thing, the script is not Python, or something that it
            needs is not there.
    """
    path = Path(name)
    named = path.suffix != ".py" and path.name == name
    entry = project.repros_folder / f"{name}.py"
    id_meant = named and entry.is_file()
    if path.is_dir() and not id_meant:
        raise SelectionError(f"{name}: is a folder: name a script in it")
    if id_meant or is_repro(path) or (path.suffix != ".py" and not path.exists()):
        repros = project.repros([str(entry) if id_meant else name])
        if len(repros) != 1:
            raise SelectionError(f"{name!r} means {len(repros)} repros: name one")
        if arguments or data:
            raise SelectionError(f"{name} is a repro: it takes no arguments or data")
        wanted = tuple(sorted(checked(requirements)))
        key = hashlib.sha256(repr(wanted).encode()).hexdigest()[:8]
        own = repros[0].source_hash + (f"-{key}" if wanted else "")
        return Target(repros[0].id, own, repro=repros[0], requirements=wanted)
    if not path.is_file():
        raise SelectionError(f"{name}: no such file")
    # What lies beside a linked script is what Python itself looks at: beside the real one.
    path = normal(path).resolve()
    source = read_source(name, path)
    called, uncalled = sort_tests(ast.parse(source))
    if uncalled and not called:
        raise SelectionError(
            f"{name}: runs nothing by itself, and {uncalled[0]} wants pytest: call it in the file"
        )
    wanted = tuple(sorted({*declared_requirements(name, source), *checked(requirements)}))
    kit = room / "kit"
    kit.mkdir()
    base = path.parents[name_depth(path, module)] if module else path.parent
    note = pack(path, kit, [normal(each).resolve() for each in left_out], base)
    for item in data:
        add(item, kit)
    inside = path.relative_to(base).as_posix()
    digest = hashlib.sha256(repr((inside, module, tuple(arguments), wanted)).encode())
    for file in sorted(kit.rglob("*")):
        if file.is_file():
            digest.update(str(file.relative_to(kit)).encode() + b"\0" + file.read_bytes())
    return Target(
        name=path.name,
        digest=digest.hexdigest()[:16],
        script=Script(kit, inside, tuple(arguments), module),
        requirements=wanted,
        note="; ".join(filter(None, [note, not_called(uncalled)])),
    )


def not_called(tests: Sequence[str]) -> str:
    """Return a line on tests that want pytest, or nothing."""
    return f"not run, since they want pytest: {', '.join(tests)}" if tests else ""


def read_source(name: str, path: Path) -> str:
    """Return the text of a script, in the encoding that it declares.

    Raises:
        SelectionError: it cannot be read, or Python could not run it.
    """
    try:
        ast.parse(path.read_bytes())
        with tokenize.open(path) as file:
            return file.read()
    except SyntaxError as error:
        place = f"{name}:{error.lineno}" if error.lineno else name
        raise SelectionError(f"{place}: is not valid Python: {error.msg}") from None
    except (OSError, ValueError) as error:
        raise SelectionError(f"{name}: cannot be read: {error}") from None


def name_depth(path: Path, module: str) -> int:
    """Return how many folders a module's name goes down, less one."""
    return module.count(".") + (path.name == "__main__.py")


def pack(script: Path, kit: Path, left_out: Sequence[Path], base: Path) -> str:
    """Copy a script and what lies beside it, or below ``base``; return what was left out."""
    files, total, unread = [script], 0, []
    for file in beside(base):
        if file == script or file in left_out:
            continue
        try:
            size = file.stat().st_size
        except OSError:
            continue
        files.append(file)
        total += size
        if len(files) > MOST_FILES or total > MOST_BYTES:
            for needed in [script, *imported(script)]:
                copy(needed, kit / needed.relative_to(base))
            return (
                f"{base} is large: only {script.name} and the modules it imports "
                "are copied; name what it reads with --data"
            )
    for file in files:
        try:
            copy(file, kit / file.relative_to(base))
        except PermissionError:
            unread.append(file.name)
    return f"left out, since they cannot be read: {', '.join(unread)}" if unread else ""


def beside(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder, but for hidden ones, caches and environments.

    Links to files are files; links to folders may lead anywhere and are not followed.
    """
    try:
        paths = sorted(folder.iterdir())
    except PermissionError:
        return
    for path in paths:
        if path.name.startswith(".") or path.name in LEFT_OUT:
            continue
        if path.is_dir():
            if not path.is_symlink() and not (path / "pyvenv.cfg").exists():
                yield from beside(path)
        elif path.is_file():
            yield path


def imported(script: Path) -> list[Path]:
    """Return the modules beside a script that it imports, and those that they import."""
    found: dict[Path, None] = {}
    pending = [script]
    while pending:
        try:
            tree = ast.parse(pending.pop().read_bytes())
        except (OSError, SyntaxError, ValueError):
            continue
        for name in imported_names(tree):
            base = script.parent / name
            package = sorted(base.rglob("*.py")) if (base / "__init__.py").is_file() else []
            for path in [base.with_suffix(".py"), *package]:
                if path.is_file() and path not in found and path != script:
                    found[path] = None
                    pending.append(path)
    return list(found)


def imported_names(tree: ast.Module) -> Iterator[str]:
    """Yield the top-level names that a module imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def add(item: Path, kit: Path) -> None:
    """Copy a file or a folder that a script reads to where it finds it: as seen from here.

    Raises:
        SelectionError: it is not there.
    """
    path = normal(item)
    place = kit / (
        path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path.name
    )
    try:
        if path.is_dir():
            shutil.copytree(path, place, dirs_exist_ok=True, ignore_dangling_symlinks=True)
        elif path.is_file():
            copy(path, place)
        else:
            raise SelectionError(f"--data {item}: no such file or folder")
    except shutil.Error as error:
        source, _, why = error.args[0][0]
        raise SelectionError(f"--data {source}: cannot be read: {why}") from None
    except PermissionError as error:
        raise SelectionError(f"--data {item}: cannot be read: {error}") from None


def copy(file: Path, place: Path) -> None:
    """Copy a file, making the folders above it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, place)


def declared_requirements(name: str, source: str) -> list[str]:
    """Return what a script's PEP 723 block asks for, without Keras and its backends.

    Raises:
        SelectionError: the block is not valid.
    """
    block = metadata_block(source)
    if block is None:
        return []
    try:
        found = tomllib.loads(block_toml(block)).get("dependencies", [])
    except tomllib.TOMLDecodeError as error:
        raise SelectionError(
            f"{name}: its script metadata is not valid TOML: {error}"
        ) from None
    if not isinstance(found, list):
        raise SelectionError(f"{name}: dependencies must be a list of requirements")
    return checked(map(str, found))


def checked(requirements: Sequence[str] | Iterator[str]) -> list[str]:
    """Return requirements that neither the stack nor the cell supplies.

    Raises:
        SelectionError: one is not valid.
    """
    found = []
    for text in requirements:
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            raise SelectionError(f"{text!r} is not a requirement: {error}") from None
        if canonicalize_name(requirement.name) not in SUPPLIED:
            found.append(str(requirement))
    return found


def prepare_extra(
    home: Home, requirements: Sequence[str], environment: Environment
) -> Path | None:
    """Return a folder with packages that a stack lacks, installing them if it is not there.

    What the stack holds, and Keras itself, stays as it is: their dependencies are resolved
    against the stack's lock, and only what is not in it is installed.

    Raises:
        InstallError: they could not be installed.
    """
    held = set(environment.lock.pins)
    needed = [r for r in requirements if canonicalize_name(Requirement(r).name) not in held]
    if not needed:
        return None
    key = hashlib.sha256(repr((sorted(needed), environment.lock.hash)).encode())
    python = f"--python={environment.python}"

    def install(folder: Path) -> None:
        folder.mkdir()
        asked, lock = folder / "asked.txt", folder / "lock.txt"
        asked.write_text("\n".join(needed), encoding="utf-8")
        lock.write_text(environment.lock.text, encoding="utf-8")
        resolved = installer.run_uv(
            home, "pip", "compile", python, f"--constraint={lock}", str(asked)
        )
        pins = [
            line
            for line in resolved.splitlines()
            if re.match(r"[A-Za-z0-9]", line)
            and canonicalize_name(Requirement(line).name) not in held | SUPPLIED
        ]
        asked.write_text("\n".join(pins), encoding="utf-8")
        installer.run_uv(
            home,
            "pip",
            "install",
            python,
            "--no-deps",
            f"--target={folder}",
            f"--requirement={asked}",
        )

    return made_once(home, home.overlays / f"with-{key.hexdigest()[:12]}", install)
