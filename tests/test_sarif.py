"""Hits as SARIF: valid against the standard's schema, relative, and stable."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema as Log

from krepro.render.sarif import as_sarif
from krepro.repro import find_repros, read_repro
from krepro.scan.scan import Scan, scan

ROOT = Path(__file__).parents[1]
CATALOGUE = [read_repro(path) for path in find_repros(ROOT / "repros")]
HEAD = """import keras
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
"""
BAD = "model.compile('adam', 'mse', loss_weights=[2.0])\n"


def scanned(folder: Path, text: str, name: str = "train me.py") -> Scan:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return scan([path], CATALOGUE)


def run_of(found: Scan, root: Path) -> dict[str, Any]:
    """The run, after the whole was held against the schema."""
    text = as_sarif(found, CATALOGUE, root)
    Log.model_validate_json(text)
    [run] = json.loads(text)["runs"]
    return run


def test_a_result(tmp_path: Path) -> None:
    run = run_of(scanned(tmp_path, HEAD + BAD, "my code/train me.py"), tmp_path)
    [result] = run["results"]
    assert result["ruleId"] == "loss_weights_of_a_single_output_rejected"
    assert result["level"] == "error"
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {
        "uri": "my%20code/train%20me.py",
        "uriBaseId": "%SRCROOT%",
    }
    assert place["region"] == {
        "startLine": 3,
        "startColumn": 1,
        "endLine": 3,
        "endColumn": 49,
        "snippet": {"text": BAD.strip()},
    }
    rule = run["tool"]["driver"]["rules"][result["ruleIndex"]]
    assert rule["id"] == result["ruleId"]
    assert rule["shortDescription"]["text"].startswith("Model.compile: ")
    assert "krepro" not in rule.get("helpUri", "")
    assert "suppressions" not in result
    assert run["columnKind"] == "unicodeCodePoints"
    assert str(tmp_path) not in json.dumps(run)


def test_the_help_of_a_rule_is_the_upstream_issue(tmp_path: Path) -> None:
    text = (
        HEAD
        + "model.fit(1)\nmodel.layers[0].trainable = False\nmodel.compile('adam')\nouter = keras.Sequential([keras.Input((2,)), model])\nouter.compile('adam')\nmodel.fit(1)\n"
    )
    rules = run_of(scanned(tmp_path, text), tmp_path)["tool"]["driver"]["rules"]
    [rule] = [r for r in rules if r["id"] == "outer_compile_drops_inner_loss_tracker"]
    assert rule["helpUri"] == "https://github.com/keras-team/keras/issues/20474"
    assert rule["properties"]["issues"] == [20474]


def test_what_is_ignored_is_suppressed(tmp_path: Path) -> None:
    run = run_of(scanned(tmp_path, HEAD + BAD.strip() + "  # krepro: ignore\n"), tmp_path)
    assert run["results"][0]["suppressions"] == [{"kind": "inSource"}]


@pytest.mark.parametrize(
    ("imported", "level"),
    [
        (
            "import keras\nmodel = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])\n",
            "error",
        ),
        ("import keras\nfrom zoo import model\n", "warning"),
    ],
)
def test_the_level_is_lower_where_it_is_only_possible(
    tmp_path: Path, imported: str, level: str
) -> None:
    run = run_of(scanned(tmp_path, imported + BAD), tmp_path)
    levels = {r["ruleId"]: r["level"] for r in run["results"]}
    assert levels["loss_weights_of_a_single_output_rejected"] == level


def test_a_change_is_less_than_a_bug(tmp_path: Path) -> None:
    text = HEAD + "model.compile('adam', 'mse', metrics=['mae'])\nmodel.metrics_names\n"
    run = run_of(scanned(tmp_path, text), tmp_path)
    assert [r["level"] for r in run["results"]] == ["warning"]


def test_fingerprints_outlive_lines_above(tmp_path: Path) -> None:
    def prints(text: str) -> list[str]:
        run = run_of(scanned(tmp_path, text), tmp_path)
        return [r["partialFingerprints"]["krepro/v1"] for r in run["results"]]

    first = prints(HEAD + BAD)
    assert prints("# new\n\n" + HEAD + "x = 1\n" + BAD) == first
    twice = prints(HEAD + BAD + BAD)
    assert twice[0] == first[0]
    assert len(set(twice)) == 2
    assert prints(HEAD + BAD.replace("2.0", "3.0")) != first


def test_related_steps_and_notebooks(tmp_path: Path) -> None:
    cells = [
        HEAD,
        "stop = keras.callbacks.EarlyStopping()",
        "model.fit(1, callbacks=[stop])\nmodel.fit(1, callbacks=[stop])",
    ]
    document = {"cells": [{"cell_type": "code", "source": cell} for cell in cells]}
    found = scanned(tmp_path, json.dumps(document), "a.ipynb")
    run = run_of(found, tmp_path)
    result = next(r for r in run["results"] if r["ruleId"].startswith("early_stopping"))
    [location] = result["locations"]
    assert location["logicalLocations"][0]["name"] == "cell 3"
    assert "region" not in location["physicalLocation"]
    assert "(cell 3, line 2)" in result["message"]["text"]
    assert [r["logicalLocations"][0]["name"] for r in result["relatedLocations"]] == [
        "cell 2",
        "cell 3",
    ]


def test_notes_are_notifications(tmp_path: Path) -> None:
    run = run_of(scanned(tmp_path, "import keras\nx = (\n", "broken.py"), tmp_path)
    [notice] = run["invocations"][0]["toolExecutionNotifications"]
    assert notice["message"]["text"].startswith("broken.py: is not valid Python")
    assert run["results"] == []


def test_all_of_the_catalogue_is_valid() -> None:
    found = scan([ROOT / "repros", ROOT / "tests/scripts"], CATALOGUE)
    run = run_of(found, ROOT)
    assert len(run["results"]) == len(found.hits) > 100
    ids = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert ids == sorted(ids)
    assert all(not uri.startswith(("/", "..")) for uri in addresses(run))


def addresses(run: dict[str, Any]) -> list[str]:
    return [
        place["physicalLocation"]["artifactLocation"]["uri"]
        for result in run["results"]
        for place in result["locations"]
    ]
