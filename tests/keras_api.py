"""Keras' public names, read from its source without importing it.

``python -m tests.keras_api OVERLAY`` writes ``src/krepro/scan/api.json`` anew.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TABLE = Path(__file__).parents[1] / "src/krepro/scan/api.json"
# What a trigger has no use for: functions on tensors, data sets, other namespaces of the same.
LEFT_OUT = (
    "keras.ops.",
    "keras.random.",
    "keras.datasets.",
    "keras.activations.",
    "keras.constraints.",
    "keras.distribution.",
    "keras.quantizers.",
    "keras.tree.",
    "keras.legacy.",
    "keras.visualization.",
    "keras.wrappers.",
    "keras.backend.",
    "keras._legacy.",
)
# Whose methods a trigger can name; others inherit them or have none of interest.
WITH_METHODS = {
    "keras.Layer",
    "keras.Model",
    "keras.Sequential",
    "keras.Optimizer",
    "keras.Metric",
    "keras.callbacks.Callback",
}
# Bases that are not exported under a name of their own.
STAND_INS = {"BackendTrainer": "Trainer"}


def api(overlay: Path) -> dict[str, Any]:
    """Return the public classes and functions of a release."""
    exported, classes = collected(overlay)
    known = {node.name: names for names, node in exported if isinstance(node, ast.ClassDef)}
    table: dict[str, Any] = {"classes": {}, "functions": {}, "aliases": {}}
    for names, node in exported:
        table["aliases"].update(dict.fromkeys(names[1:], names[0]))
        if isinstance(node, ast.FunctionDef):
            table["functions"][names[0]] = parameters(node)
            continue
        entry: dict[str, Any] = {
            "bases": sorted({*public_bases(node, classes, known)}),
            "parameters": constructor(node, classes),
        }
        called = call_parameters(node, classes)
        if called:
            entry["call"] = called
        if names[0] in WITH_METHODS:
            entry["methods"] = dict(sorted(methods(node, classes, known).items()))
        table["classes"][names[0]] = entry
    return {part: dict(sorted(names.items())) for part, names in table.items()}


Exported = list[tuple[list[str], ast.ClassDef | ast.FunctionDef]]


def collected(overlay: Path) -> tuple[Exported, dict[str, ast.ClassDef]]:
    """Return what is exported, and all classes by the name that a base goes by."""
    exported: Exported = []
    classes: dict[str, ast.ClassDef] = {}
    public: set[str] = set()
    for path in sorted((overlay / "keras/src").rglob("*.py")):
        if path.name.endswith("_test.py") or "legacy" in path.parts:
            continue
        for node in ast.parse(path.read_bytes()).body:
            if not isinstance(node, ast.ClassDef | ast.FunctionDef):
                continue
            names = [n for n in public_names(node) if not n.startswith(LEFT_OUT)]
            if names:
                exported.append((names, node))
            # Of classes of one name the exported one is what others derive from.
            if isinstance(node, ast.ClassDef) and (names or node.name not in public):
                classes[node.name] = node
                public |= {node.name} if names else set()
    return exported, classes


def public_names(node: ast.ClassDef | ast.FunctionDef) -> list[str]:
    """Return the names that ``keras_export`` gives to a thing."""
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func).endswith(
            "keras_export"
        ):
            found = ast.literal_eval(decorator.args[0])
            names = [found] if isinstance(found, str) else list(found)
            return sorted(names, key=lambda n: (n.count("."), "losses" not in n))
    return []


def base_names(node: ast.ClassDef) -> Iterator[str]:
    """Yield the names of the bases, the last word of a dotted one."""
    for base in node.bases:
        name = ast.unparse(base)
        yield STAND_INS.get(name, name.rpartition(".")[2])


def public_bases(
    node: ast.ClassDef, classes: dict[str, ast.ClassDef], exported: dict[str, list[str]]
) -> Iterator[str]:
    """Yield the nearest exported ancestors."""
    for name in base_names(node):
        if name in exported:
            yield exported[name][0]
        elif name in classes and classes[name] is not node:
            yield from public_bases(classes[name], classes, exported)


def ancestry(
    node: ast.ClassDef, classes: dict[str, ast.ClassDef]
) -> Iterator[ast.ClassDef]:
    """Yield a class and its ancestors, the nearest first."""
    yield node
    for name in base_names(node):
        if name in classes and classes[name] is not node:
            yield from ancestry(classes[name], classes)


def constructor(node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> list[str]:
    """Return the names of what a class is built with, in order."""
    if node.name == "Model":
        return ["inputs", "outputs", "name", "trainable"]
    for each in ancestry(node, classes):
        for part in each.body:
            if isinstance(part, ast.FunctionDef) and part.name == "__init__":
                return parameters(part)[1:]
    return []


def call_parameters(node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> list[str]:
    """Return what a layer can be called with after its inputs, in order."""
    line = list(ancestry(node, classes))
    if "Layer" not in {each.name for each in line}:
        return []
    for each in line:
        for part in each.body:
            if isinstance(part, ast.FunctionDef) and part.name == "call":
                return [n for n in parameters(part)[2:] if not n.startswith("*")]
    return []


def methods(
    node: ast.ClassDef, classes: dict[str, ast.ClassDef], exported: dict[str, list[str]]
) -> dict[str, list[str]]:
    """Return the public methods that a class brings, or a base that is not exported."""
    found: dict[str, list[str]] = {}
    for each in ancestry(node, classes):
        if each is not node and each.name in exported:
            continue
        for part in each.body:
            if not isinstance(part, ast.FunctionDef) or part.name.startswith("_"):
                continue
            if any(
                re.search("property|setter", ast.unparse(d)) for d in part.decorator_list
            ):
                continue
            found.setdefault(part.name, parameters(part)[1:])
    return found


def parameters(node: ast.FunctionDef) -> list[str]:
    """Return a function's parameters, in order, those by name last; ``*name`` as such."""
    found = [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
    if node.args.vararg:
        found.append("*" + node.args.vararg.arg)
    return found + [a.arg for a in node.args.kwonlyargs]


def as_text(table: dict[str, Any]) -> str:
    """Return the table as JSON, a name a line."""
    parts = []
    for part, names in table.items():
        lines = ",\n".join(f"  {json.dumps(n)}: {json.dumps(v)}" for n, v in names.items())
        parts.append(f' "{part}": {{\n{lines}\n }}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    TABLE.write_text(as_text(api(Path(sys.argv[1]))), encoding="utf-8")
