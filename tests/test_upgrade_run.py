"""``krepro upgrade`` with a script, from the command line, on real Keras."""

from __future__ import annotations

import json
import os
import textwrap
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from krepro.cli import main
from krepro.home import VARIABLE
from tests.conftest import ROOT, users_home

pytestmark = pytest.mark.keras
# The lost loss tracker: a crash that 3.6.0 has and 3.5.0 has not.
NESTED = """
    import keras
    import numpy as np

    inner = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    inner.compile(loss="mse", optimizer="sgd")
    outer = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), inner])
    outer.compile(loss="mse", optimizer="sgd")
    inner.train_on_batch(np.ones((4, 2)), np.zeros((4, 1)))
"""
PLAIN = """
    import sys

    import keras
    import numpy as np

    rng = np.random.default_rng()
    x = rng.random((64, 3))
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(x, x.sum(1), epochs=int(sys.argv[1]), verbose=0)
    open("written.txt", "w").write("beside the copy")
    sys.exit(0)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The user's environments, and a cache folder that knows nothing else."""
    own = users_home(tmp_path_factory.mktemp("home"))
    return own.path


@pytest.fixture
def folder(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(home))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, name: str, text: str) -> str:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(textwrap.dedent(text), encoding="utf-8")
    return name


def upgrade(*arguments: str, old: str = "3.5.0@jax", new: str = "3.6.0") -> Result:
    return CliRunner().invoke(main, ["upgrade", "--from", old, "--to", new, *arguments])


def test_a_crash_is_named_in_every_format(folder: Path) -> None:
    script = write(folder, "train.py", NESTED)
    found = upgrade(script)
    assert found.exit_code == 1
    assert "1 thing changes; the first, train_on_batch at train.py:9" in " ".join(
        found.stdout.split()
    )
    assert "outer_compile_drops_inner_loss_tracker, crash" in found.stdout
    assert "in the code: train.py:9" in found.stdout
    assert "way around it, seen to work on 3.6.0" in found.stdout

    known = upgrade(script, "-f", "json")
    assert known.exit_code == 1
    # What was run before is not run again.
    assert "first run" not in known.stderr
    table = json.loads(known.stdout)
    assert (table["exit"], table["safe"], table["complete"]) == (1, False, True)
    [finding] = table["findings"]
    assert "outer_compile_drops_inner_loss_tracker" in finding["causes"]
    assert finding["first"]["kind"] == "raises"
    assert finding["first"]["after"].startswith("AttributeError: 'NoneType' object")
    assert [side["end"] for side in table["run"]["sides"]] == ["3.5.0@jax", "3.6.0@jax"]

    page = upgrade(script, "-f", "markdown")
    assert page.stdout.startswith("## Keras 3.5.0@jax → 3.6.0@jax\n")
    assert "it raises, train_on_batch at train.py:9" in page.stdout

    annotated = upgrade(script, "-f", "github")
    lines = annotated.stdout.splitlines()
    assert any(line.startswith("::warning file=train.py,line=9,") for line in lines)
    assert lines[-1].startswith(
        "::error title=Keras 3.5.0@jax to 3.6.0@jax::train.py: 1 thing"
    )

    sarif = json.loads(upgrade(script, "-f", "sarif").stdout)
    rules = {result["ruleId"] for result in sarif["runs"][0]["results"]}
    assert "outer_compile_drops_inner_loss_tracker" in rules


def test_a_summary_and_a_picture_are_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = write(folder, "train.py", NESTED)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folder / "summary.md"))
    found = upgrade(script, "-f", "github", "-o", "out.txt", "--picture", "losses.png")
    assert found.exit_code == 1
    assert not found.stdout
    assert (folder / "out.txt").read_text().startswith("::")
    assert (folder / "summary.md").read_text().startswith("## Keras 3.5.0@jax")
    assert (folder / "losses.png").read_bytes().startswith(b"\x89PNG")


def test_nothing_changes_with_arguments_and_an_exit_of_its_own(folder: Path) -> None:
    script = write(folder, "train.py", PLAIN)
    before = sorted(folder.iterdir())
    found = upgrade(script, "--", "2")
    assert found.exit_code == 0, found.stdout
    assert "train.py: nothing changes (4 training steps compared)" in found.stdout
    # An unseeded generator is seeded: two runs are the same.
    assert "two runs on 3.5.0@jax are the same" in found.stdout
    assert sorted(folder.iterdir()) == before


def test_a_module_is_run_as_python_does(folder: Path) -> None:
    write(folder, "pkg/__init__.py", "")
    write(folder, "pkg/model.py", PLAIN)
    write(folder, "pkg/train.py", "from pkg import model\n")
    found = upgrade("--module", "pkg.train", "--", "1")
    assert found.exit_code == 0, found.stdout
    assert "pkg.train: nothing changes (2 training steps compared)" in found.stdout


def test_steps_end_a_training_early(folder: Path) -> None:
    script = write(folder, "train.py", PLAIN)
    found = upgrade(script, "--steps", "3", "--", "100000")
    assert found.exit_code == 0, found.stdout
    assert "3 training steps compared; each training was ended after 3" in found.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "print('hi')",
            "trains nothing, so nothing was compared (that is not the same as safe)",
        ),
        ("raise ValueError('of its own')", "it already ends with ValueError: of its own"),
        (
            "import tensorflow as tf",
            "only a stack of its own has it: --from 3.5.0@tensorflow",
        ),
        ("import tf_keras", "that is Keras 2, which is not compared here"),
        ("import no_such_package", "the stack lacks it: add --with no_such_package"),
        (
            "open('data.csv')",
            "what a script reads and does not lie beside it is named with --data",
        ),
        ("from keras.preprocessing.image import ImageDataGenerator", "Keras 2 had others"),
    ],
)
def test_what_was_not_compared_is_not_called_safe(
    folder: Path, text: str, said: str
) -> None:
    script = write(folder, "train.py", text)
    found = upgrade(script)
    assert found.exit_code == 3, found.stdout
    assert said in " ".join(found.stdout.split())
    table: dict[str, Any] = json.loads(upgrade(script, "-f", "json").stdout)
    assert (table["exit"], table["complete"], table["run"]["triggered"]) == (
        3,
        False,
        False,
    )


def test_threads_that_train_are_not_compared_by_numbers(folder: Path) -> None:
    script = write(
        folder,
        "train.py",
        """
        import threading
        import keras
        import numpy as np

        x = np.ones((32, 3))
        models = [keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)]) for _ in "ab"]
        for model in models:
            model.compile("sgd", "mse")
        threads = [threading.Thread(target=m.fit, args=(x, x), kwargs={"verbose": 0}) for m in models]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        """,
    )
    found = upgrade(script)
    assert found.exit_code == 3
    assert "trains in several threads, so its numbers could not be compared" in " ".join(
        found.stdout.split()
    )


def test_secrets_are_neither_seen_nor_kept(
    folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_TOKEN", "s3cr3t-0123456789")
    text = "import os\nraise ValueError(os.environ.get('API_TOKEN', 'no token'))\n"
    found = upgrade(write(folder, "train.py", text))
    assert "ValueError: no token" in found.stdout
    kept = [path for path in home.rglob("*") if path.is_file() and not path.is_symlink()]
    inside = [p for p in kept if "recordings" in p.parts or "sightings" in p.parts]
    assert inside
    assert not any(b"s3cr3t" in path.read_bytes() for path in inside)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train.py", "--steps", "0"], "0 is not in the range"),
        (["--steps", "5"], "--steps needs a script to run"),
        (["--picture", "a.png"], "--picture needs a script to run"),
        (["train.py", "--picture", "a.txt"], "--picture a.txt: use .png, .svg, .pdf"),
        (["--format", "sarif"], "--format sarif needs a script, or --scan PATH"),
        (["missing.py"], "missing.py: no such file"),
        (
            ["--module", "no.such"],
            "no module no.such here: no/such.py or no/such/__main__.py",
        ),
        (["--module"], "--module needs the name of a module"),
        (["broken.py"], "broken.py:1: is not valid Python: '(' was never closed"),
        (
            ["train.py", "--requirements", "none.txt"],
            "--requirements none.txt: cannot be read",
        ),
        (
            ["train.py", "--requirements", "bad.txt"],
            "bad.txt:2: options are not read: -r x",
        ),
        (["train.py", "-o", "no/such/out.txt"], "no/such/out.txt"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    folder: Path, arguments: list[str], said: str
) -> None:
    write(folder, "train.py", "print('hi')")
    write(folder, "broken.py", "x = (")
    write(folder, "bad.txt", "# packages\n-r x\n")
    found = upgrade(*arguments)
    assert found.exit_code == 2, found.output
    assert said in found.stderr
    if found.stderr.startswith("krepro: "):
        assert found.stderr.count("\n") == 1


def test_a_hook_for_pre_commit_runs_the_command() -> None:
    yaml = pytest.importorskip("yaml")
    [hook] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert hook["entry"].split() == ["krepro", "upgrade"]
    assert not hook["pass_filenames"]
    assert os.access(ROOT / "pyproject.toml", os.R_OK)
