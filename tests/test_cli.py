"""The command line: exit codes, one clear line for bad input, formats that others can read."""

from __future__ import annotations

import json
import re
import signal
import time
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from packaging.version import Version

from krepro import doctor, index
from tests.conftest import Fake
from tests.fake.subject import header


def one_line(text: str) -> str:
    lines = text.strip().splitlines()
    assert len(lines) == 1, text
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["matrix", "no_such_repro"], "no repro 'no_such_repro'"),
        (["matrix", "no/such/file.py"], "no/such/file.py: no such file"),
        (["matrix", "-r", "3.99"], "'3.99' is no known Keras release"),
        (["matrix", "-r", "newestt"], "'newestt' is neither a version"),
        (["matrix", "-t", "huge"], "no tier 'huge': use quick, all"),
        (["matrix", "-s", "caffe"], "no stack 'caffe': use fake"),
        (["matrix", "-b", "jax"], "no primary stack has the backend jax: use torch"),
        (
            ["upgrade", "--from", "9.0.0", "--to", "9.1.0"],
            "no primary stack has the backend tensorflow: use torch",
        ),
        (["matrix", "-k", "nothing_like_it"], "no repro is meant"),
        (["matrix", "-k", "and and"], "'and and' is not an expression"),
        (["run", "adds_wrongly", "-s", "fake", "-r", ">=9"], "means 8 releases: name one"),
        (["run", "repros", "-s", "fake", "-r", "9.0.0"], "repros: name one"),
        (["matrix", "-o", "no/such/folder/report.txt"], "its folder cannot be written to"),
        (["prune", "--max-size", "much"], "'much' is no size"),
        (["new", "Bad-Name"], "'Bad-Name' is no name for a repro"),
        (["new", "adds_wrongly"], "is there already"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    fake: Fake, arguments: list[str], message: str
) -> None:
    done = fake.run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert message in one_line(done.stderr)
    assert done.stderr.startswith("krepro: ")


def test_a_broken_matrix_is_one_line_and_exit_2(fake: Fake) -> None:
    path = fake.project.folder / "matrix.toml"
    path.write_text(path.read_text().replace('backend = "torch"', 'backend = "caffe"'))
    done = fake.run("matrix")
    assert done.returncode == 2
    line = one_line(done.stderr)
    assert f"{path}:17: backend 'caffe' is not one of" in line


def test_a_broken_repro_is_one_line_and_exit_2(fake: Fake) -> None:
    path = fake.project.repros_folder / "broken.py"
    path.write_text(header() + "def test_it(:\n")
    done = fake.run("matrix")
    assert done.returncode == 2
    assert f"{path}:10: is not valid Python" in one_line(done.stderr)


@pytest.mark.parametrize(
    ("release", "repro", "code"),
    [
        ("9.0.0", "adds_wrongly", 0),
        ("9.1.0", "adds_wrongly", 1),
        ("9.0.0", "lacks_multiply", 125),
        ("9.0.0", "exits", 125),
        ("9.5.0", "adds_wrongly", 125),
    ],
)
def test_one_repro_alone_ends_as_git_bisect_wants(
    fake: Fake, release: str, repro: str, code: int
) -> None:
    done = fake.run("run", repro, "-s", "fake", "-r", release)
    assert done.returncode == code, done.stdout + done.stderr
    assert f"{repro} on {release}@fake: " in done.stdout


def test_exit_codes_and_formats(fake: Fake, tmp_path: Path) -> None:
    names = ["adds_wrongly", "crashes_in_update", "lacks_multiply"]
    expected = fake.run("matrix", *names)
    assert expected.returncode == 0
    assert "every known verdict is the declared one" in expected.stdout
    assert max(len(line) for line in expected.stdout.splitlines()) <= 80

    assert fake.run("matrix", *names, "exits").returncode == 1
    assert fake.run("matrix", *names, "-r", ">=9,<9.6").returncode == 3
    assert fake.run("matrix", *names, "-r", "9.8.0").returncode == 3

    everything = [*names, "exits", "hangs"]
    junit_file = tmp_path / "junit.xml"
    done = fake.run(
        "matrix", *everything, "-r", ">=9,<9.6", "-f", "junit", "-o", str(junit_file)
    )
    assert done.returncode == 1
    suites = {suite.get("name"): suite for suite in ET.parse(junit_file).getroot()}
    good = suites["9.0.0@fake"]
    assert [good.get(n) for n in ("tests", "failures", "errors", "skipped")] == list("5111")
    broken = suites["9.5.0@fake"]
    assert broken.get("errors") == broken.get("tests") == "5"

    data = json.loads(fake.run("show", *everything, "-f", "json", "-t", "all").stdout)
    assert data["exit_code"] == 1
    assert data["ranges"]["adds_wrongly"]["fake"]["intervals"] == [
        {"first_bad": "9.1.0", "last_bad": "9.1.0", "first_fixed": "9.2.0", "unknown": []}
    ]
    assert "9.5.0" in data["ranges"]["adds_wrongly"]["fake"]["unknown"]
    assert {"repro": "exits", "release": "9.6.0", "stack": "fake"} in data["not_measured"]

    markdown = fake.run("show", *everything, "-f", "markdown", "-t", "all").stdout
    assert "| `adds_wrongly` | silent | 9.1.0 (9.5.0?, 9.6.0?" in markdown
    assert (
        "exits: error, declared unaffected, on 9.0.0, 9.1.0, 9.2.0 and 1 more of fake"
        in (markdown)
    )

    github = fake.run("show", *everything, "-f", "github", "-t", "all").stdout
    assert "::error file=repros/exits.py,line=1,title=verdict differs::exits on" in github
    assert "::warning title=untestable::" in github
    assert "::warning title=not measured::" in github


def test_result_files_are_valid_against_the_published_schema(fake: Fake) -> None:
    fake.run("matrix", "adds_wrongly", "-r", "9.1.0")
    schema = json.loads(fake.run("schema").stdout)
    (path,) = fake.home.results.rglob("*.json")
    content = json.loads(path.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(content, schema)
    content["repros"]["adds_wrongly"]["verdict"] = "perhaps"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, schema)


def test_selecting(fake: Fake) -> None:
    def ids(*arguments: str) -> list[str]:
        done = fake.run("matrix", "--list", "--json", *arguments)
        found: list[str] = json.loads(done.stdout)["repros"]
        return found

    everything = ids()
    assert len(everything) > 10
    assert ids("-k", "crash or ADDS") == ["adds_wrongly", "crashes_in_update"]
    assert "adds_wrongly" not in ids("-k", "not adds")
    assert ids("-m", "crash") == ["crashes_in_update"]
    assert set(ids("-m", "silent")) == set(everything) - {"crashes_in_update"}
    assert ids("repros/exits.py", "adds_wrongly") == ["exits", "adds_wrongly"]
    assert ids("repros") == everything
    cells = json.loads(fake.run("matrix", "--list", "--json", "-r", "9.1.0..9.3.0").stdout)
    assert [cell["release"] for cell in cells["cells"]] == ["9.1.0", "9.2.0", "9.3.0"]


def test_new_writes_a_repro_that_runs(fake: Fake) -> None:
    assert fake.run("new", "my_finding").returncode == 0
    path = fake.project.repros_folder / "my_finding.py"
    text = path.read_text()
    # The fake Keras has no models; any promise will do.
    start, end = text.index("    x = np.ones"), text.index("if __name__")
    text = text[:start] + "    assert keras.add(1, 1) == 2\n\n\n" + text[end:]
    path.write_text(text.replace("import numpy as np\n", ""))
    done = fake.run("matrix", "my_finding", "-f", "json")
    verdicts = {e["release"]: e["verdict"] for e in json.loads(done.stdout)["results"]}
    assert verdicts["9.1.0"] == "affected"
    assert verdicts["9.0.0"] == "unaffected"
    assert done.returncode == 1


def test_doctor_and_prune(fake: Fake) -> None:
    done = fake.run("doctor")
    assert done.returncode == 0, done.stdout
    assert "stack fake" in done.stdout
    assert re.search(r"releases +[4-8] of 8 there", done.stdout)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("5GB", 5 * 10**9),
        ("1.5 G", 1_500_000_000),
        ("800MiB", 8 * 10**8),
        ("7k", 7000),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert doctor.parse_size(text) == size


def test_prune_removes_what_was_used_longest_ago_and_never_results(
    fake_session: Fake, tmp_path: Path
) -> None:
    own = Fake(
        fake_session.project,
        type(fake_session.home)(tmp_path / "home"),
        fake_session.wheels,
    )
    assert own.run("matrix", "adds_wrongly").returncode == 0
    results = sorted(own.home.results.rglob("*.json"))
    kept = own.run("prune", "--max-size", "5GB")
    assert (kept.returncode, kept.stdout) == (0, "")
    would = own.run("prune", "--max-size", "0", "--dry-run")
    assert "would remove" in would.stdout
    assert own.home.stacks.exists()
    assert list(own.home.stacks.glob("fake-*"))
    assert own.run("prune", "--max-size", "0").returncode == 0
    assert not list(own.home.stacks.glob("fake-*/*"))
    assert not list(own.home.overlays.glob("keras-*"))
    assert sorted(own.home.results.rglob("*.json")) == results
    # What is gone comes back when it is needed.
    assert own.run("matrix", "adds_wrongly", "--rerun").returncode == 0


def test_releases_on_the_index_that_the_matrix_lacks() -> None:
    files = [
        {"filename": "keras-3.0.0-py3-none-any.whl", "requires-python": ">=3.9"},
        {
            "filename": "keras-3.16.0-py3-none-any.whl",
            "requires-python": ">=3.11",
            "upload-time": "2026-09-01T10:00:00Z",
        },
        {"filename": "keras-3.16.0.tar.gz"},
        {"filename": "keras-3.17.0rc0-py3-none-any.whl"},
        {"filename": "keras-3.15.9-py3-none-any.whl", "yanked": True},
        {"filename": "keras-2.15.0-py3-none-any.whl"},
        {"filename": "nonsense.whl"},
    ]
    assert list(index.entries(files, [Version("3.0.0")])) == [
        '[[release]]\nversion = "3.16.0"\nuploaded = 2026-09-01\npython = ">=3.11"\n'
    ]


def test_an_index_that_answers_in_html() -> None:
    page = (
        '<a href="x" data-requires-python="&gt;=3.11">keras-3.16.0-py3-none-any.whl</a>'
        '<a href="y" data-yanked="">keras-3.15.9-py3-none-any.whl</a>'
    )
    (entry,) = index.entries(index.parse(page), [])
    assert 'version = "3.16.0"' in entry
    assert 'python = ">=3.11"' in entry
    assert "uploaded" not in entry, "such a page does not tell the day"


def test_prune_waits_for_nobody_and_disturbs_nobody(fake: Fake) -> None:
    running = fake.start("matrix", "hangs")
    assert running.stderr is not None
    assert "to measure" in running.stderr.readline()
    deadline = time.monotonic() + 20
    while not list(fake.home.scratch.glob("run-*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    refused = fake.run("prune", "--max-size", "0")
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=30)
    assert refused.returncode == 3
    assert "is in use by a run" in one_line(refused.stderr)
    assert list(fake.home.stacks.glob("fake-*"))
    assert fake.run("prune", "--max-size", "50GB").returncode == 0


def test_what_is_left_out_is_listed_with_its_reason(fake: Fake) -> None:
    path = fake.project.folder / "matrix.toml"
    text = path.read_text()
    exclusion = '\n[[exclude]]\nstack = "fake"\nreleases = "==9.1.0"\nreason = "planted"\n'
    path.write_text(text + exclusion)
    assert "9.1.0@fake is left out: planted" in fake.run("matrix", "--list").stdout
    listed = json.loads(fake.run("matrix", "--list", "--json").stdout)
    assert listed["excluded"] == [{"cell": "9.1.0@fake", "reason": "planted"}]
    assert "9.1.0" not in {cell["release"] for cell in listed["cells"]}
