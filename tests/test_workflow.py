"""The GitHub workflow: made by krepro, and every command and name in it exists."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from krepro import workflow
from krepro.cli import main
from krepro.matrix import read_matrix
from tests.conftest import ROOT, Fake

MATRIX = read_matrix(ROOT / "matrix.toml")
TEXT = (ROOT / workflow.PLACE).read_text(encoding="utf-8")
JOBS: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["jobs"]
EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)


def runs() -> Iterator[tuple[str, str]]:
    for name, job in JOBS.items():
        for step in job["steps"]:
            if "run" in step:
                yield name, step["run"]


def commands(program: str) -> list[Any]:
    """Every command line of a program in the workflow, a parameter each."""
    found = []
    for job, script in runs():
        for line in script.replace("\\\n", " ").splitlines():
            for part in re.split(r"\|\||&&|;|\|", line):
                words = part.strip()
                if words.split(" ")[0] == program:
                    found.append(pytest.param(words, id=f"{job}: {words}"))
    return found


def test_the_file_is_what_krepro_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    result = CliRunner().invoke(main, ["workflow", "--check"])
    assert result.exit_code == 0, result.output


def test_a_file_of_another_making_is_told(fake: Fake) -> None:
    path = fake.project.folder / workflow.PLACE
    missing = fake.run("workflow", "--check")
    assert missing.returncode == 1
    assert "krepro workflow --shards 4" in missing.stderr
    assert fake.run("workflow", "--shards", "3").returncode == 0
    assert fake.run("workflow", "--shards", "3", "--check").returncode == 0
    assert fake.run("workflow", "--check").returncode == 1
    path.write_text(path.read_text() + "\n")
    assert fake.run("workflow", "--shards", "3", "--check").returncode == 1


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("shards", [1, 4, 12])
def test_it_is_valid_by_the_published_schema(own: bool, shards: int) -> None:
    made = yaml.safe_load(workflow.render(MATRIX, shards=shards, own=own))
    vendored = resources.files("check_jsonschema") / "builtin_schemas" / "vendor"
    schema = json.loads((vendored / "github-workflows.json").read_text(encoding="utf-8"))
    # YAML 1.1 reads the word "on" as true.
    made["on"] = made.pop(True)
    jsonschema.Draft7Validator(schema).validate(made)
    assert made["jobs"]["matrix"]["strategy"]["matrix"]["shard"] == [
        f"{k}/{shards}" for k in range(1, shards + 1)
    ]
    assert ("tests" in made["jobs"]) == own


@pytest.mark.parametrize("command", commands("krepro"))
def test_every_command_of_krepro_parses(command: str) -> None:
    _, name, *words = shlex.split(re.sub(r">\s*\S+", "", command))
    found = main.commands[name]
    # What a variable holds is of the kind that the option takes.
    words = [{"$SHARD": "1/4", "$TIER": "all"}.get(word, word) for word in words]
    with click.Context(main) as context:
        found.make_context(name, words, parent=context)


def test_every_session_of_nox_exists() -> None:
    told = [param.values[0] for param in commands("nox")]
    assert len(told) == 2
    listed = subprocess.run(
        [sys.executable, "-m", "nox", "--list", "--json", "--session", "repros"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    sessions = [each["session"] for each in json.loads(listed.stdout)]
    newest = max(release.parsed for release in MATRIX.release)
    newest_cells = [name for name in sessions if name.startswith("repros(")][-3:]
    assert all(str(newest) in name for name in newest_cells)


def test_files_that_steps_run_exist() -> None:
    scripts = [run.removeprefix("bash ") for _, run in runs() if run.startswith("bash ")]
    assert scripts == [".ci/run"]
    assert all((ROOT / script).is_file() for script in scripts)


def test_expressions_name_what_is_there() -> None:
    """Jobs that are needed, outputs that they have, steps that came before, keys of the matrix."""
    checked = 0
    for name, job in JOBS.items():
        needs = job.get("needs", [])
        needs = [needs] if isinstance(needs, str) else needs
        assert set(needs) <= set(JOBS), name
        before: list[str] = []
        for step in [
            {k: v for k, v in job.items() if k not in ("steps", "outputs", "environment")},
            *job["steps"],
        ]:
            for text in expressions(step):
                for kind, *path in re.findall(
                    r"\b(needs|steps|matrix)\.([\w-]+)(?:\.(\w+))?(?:\.(\w+))?", text
                ):
                    checked += 1
                    if kind == "matrix":
                        assert path[0] in job["strategy"]["matrix"], text
                    elif kind == "needs":
                        assert path[0] in needs, text
                        assert path[1] == "result" or path[2] in JOBS[path[0]]["outputs"], (
                            text
                        )
                    else:
                        assert path[0] in before, text
                        assert path[1] == "outputs", text
            before.append(step.get("id", ""))
        for text in expressions(
            {"outputs": job.get("outputs"), "environment": job.get("environment")}
        ):
            (step_id, output) = re.findall(r"steps\.([\w-]+)\.outputs\.(\w+)", text)[0]
            step = next(step for step in job["steps"] if step.get("id") == step_id)
            assert "uses" in step or f"{output}=" in step["run"], text
            checked += 1
    assert checked >= 9


def test_outputs_of_steps_are_written() -> None:
    for job in JOBS.values():
        by_id = {step["id"]: step for step in job["steps"] if "id" in step}
        for step_id, output in re.findall(
            r"steps\.([\w-]+)\.outputs\.(\w+)", json.dumps(job)
        ):
            step = by_id[step_id]
            assert "uses" in step or f"{output}=" in step["run"]


def expressions(node: Any) -> Iterator[str]:
    """Every expression in a node; a bare ``if`` is one."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "if" and "${{" not in str(value):
                yield str(value)
            yield from expressions(value)
    elif isinstance(node, list):
        for value in node:
            yield from expressions(value)
    elif isinstance(node, str):
        yield from EXPRESSION.findall(node)


def test_artifacts_are_put_up_before_they_are_fetched() -> None:
    up = list(of_action("upload-artifact"))
    down = list(of_action("download-artifact"))
    names = [with_["name"] for with_ in up]
    assert names == ["results-${{ strategy.job-index }}", "verdicts", "changes"]
    assert [with_.get("name", with_.get("pattern")) for with_ in down] == [
        "results-*",
        "verdicts",
    ]


def of_action(name: str) -> Iterator[dict[str, str]]:
    for job in JOBS.values():
        for step in job["steps"]:
            if f"actions/{name}@" in step.get("uses", ""):
                yield step["with"]


def test_only_jobs_that_write_may() -> None:
    assert yaml.safe_load(TEXT)["permissions"] == {"contents": "read"}
    more = {name: job["permissions"] for name, job in JOBS.items() if "permissions" in job}
    assert more == {
        "page": {"contents": "read", "pages": "write", "id-token": "write"},
        "new-release": {"contents": "read", "issues": "write"},
    }


def test_what_strangers_write_is_no_code() -> None:
    """Names of branches and the like come as variables, never inside a script."""
    for job, script in runs():
        assert not EXPRESSION.search(script), (job, script)


class Machine:
    """A folder with stand-ins for krepro and gh, to run the steps on a new release for real."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.steps = {step.get("name"): step for step in JOBS["new-release"]["steps"]}
        (folder / "bin").mkdir()

    def program(self, name: str, script: str) -> None:
        path = self.folder / "bin" / name
        path.write_text(f'#!/bin/bash\necho "$0 $*" >> calls\n{script}\n')
        path.chmod(0o755)

    def step(self, name: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                "bash",
                "--noprofile",
                "--norc",
                "-eo",
                "pipefail",
                "-c",
                self.steps[name]["run"],
            ],
            cwd=self.folder,
            env={
                "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
                "GITHUB_OUTPUT": str(self.folder / "output"),
                **variables,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def said(self, name: str) -> str:
        path = self.folder / name
        return path.read_text() if path.exists() else ""


LOOK = "Is there a release that matrix.toml lacks?"
MEASURE = "Measure it, and write down what changed"
DRAFT = "Draft an issue, unless there is one"
NEW = 'printf \'3.15 3.15.1\\n\\n[[release]]\\nversion = "3.16.0"\\npython = ">=3.11"\\n\''


@pytest.mark.parametrize(
    ("script", "code", "output"),
    [
        (f"{NEW}; exit 1", 0, "versions=3.16.0\n"),
        ("echo '3.15  3.15.1'", 0, "versions=\n"),
        ("exit 3", 3, ""),
        ("exit 2", 2, ""),
    ],
)
def test_looking_for_a_release(tmp_path: Path, script: str, code: int, output: str) -> None:
    machine = Machine(tmp_path)
    machine.program("krepro", script)
    assert machine.step(LOOK).returncode == code
    assert machine.said("output") == output


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("echo '# What changed' > changes.md", 0),
        ("echo '# What changed' > changes.md; exit 1", 0),
        ("exit 3", 3),
        ("exit 0", 3),
    ],
)
def test_measuring_a_release(tmp_path: Path, script: str, code: int) -> None:
    machine = Machine(tmp_path)
    machine.program("krepro", script)
    assert machine.step(MEASURE).returncode == code


TITLE = "Keras 3.16.0: what changed"


@pytest.mark.parametrize(
    ("script", "code", "created"),
    [
        ("", 0, True),
        ('echo "Something else"', 0, True),
        (f'echo "{TITLE}, and more"', 0, True),
        (f'[ "$2" = create ] || echo "{TITLE}"', 0, False),
        ('[ "$2" = create ] || exit 4', 4, False),
    ],
)
def test_an_issue_is_drafted_once(
    tmp_path: Path, script: str, code: int, created: bool
) -> None:
    machine = Machine(tmp_path)
    machine.program("gh", script)
    assert machine.step(DRAFT, TITLE=TITLE).returncode == code
    expected = f"issue create --title {TITLE} --body-file changes.md"
    assert (expected in machine.said("calls")) == created
