"""Reading repros: every mistake gets one line that names the file, the line and the fix."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.version import Version

from krepro import scaffold
from krepro.repro import KINDS, Repro, ReproError, is_repro, read_repro
from krepro.verdict import Verdict
from tests.fake.subject import header

BODY = "def test_it():\n    pass\n"


def made(tmp_path: Path, body: str = BODY, **fields: str) -> Repro:
    path = tmp_path / "subject.py"
    path.write_text(header(**fields) + body)
    return read_repro(path)


@pytest.mark.parametrize(
    ("affected", "release", "backend", "expected"),
    [
        ("'>=3.6,<3.8'", "3.6.0", "jax", Verdict.AFFECTED),
        ("'>=3.6,<3.8'", "3.8.0", "jax", Verdict.UNAFFECTED),
        ("['<3.1', '>=3.6,<3.8']", "3.0.5", "torch", Verdict.AFFECTED),
        ("['<3.1', '>=3.6,<3.8']", "3.5.0", "torch", Verdict.UNAFFECTED),
        ("[]", "3.5.0", "torch", Verdict.UNAFFECTED),
        ("{ jax = '>=3.6' }", "3.6.0", "jax", Verdict.AFFECTED),
        ("{ jax = '>=3.6' }", "3.6.0", "torch", Verdict.UNAFFECTED),
        ("'>=3.0.0'", "2.16.0", "tensorflow", Verdict.NOT_APPLICABLE),
    ],
)
def test_what_is_expected(
    tmp_path: Path, affected: str, release: str, backend: str, expected: Verdict
) -> None:
    repro = made(tmp_path, affected=affected)
    assert repro.expected(Version(release), backend) is expected


def test_where_a_repro_applies_and_workarounds_work(tmp_path: Path) -> None:
    repro = made(
        tmp_path,
        BODY + "def workaround_a():\n    pass\ndef workaround_b():\n    pass\n",
        applies="'>=3.2'",
        affected="'>=3.4'",
        works="{ workaround_b = { jax = '>=3.5' } }",
        keras2="'affected'",
    )
    assert repro.expected(Version("3.1.0"), "jax") is Verdict.NOT_APPLICABLE
    assert repro.expected(Version("2.16.0"), "tensorflow") is Verdict.AFFECTED

    def works(name: str, release: str, backend: str) -> bool:
        """Whether it is declared to work, not to fail."""
        version = Version(release)
        fine = repro.workaround_as_declared(name, version, backend, Verdict.UNAFFECTED)
        assert fine is not repro.workaround_as_declared(
            name, version, backend, Verdict.AFFECTED
        )
        assert repro.workaround_as_declared(name, version, backend, Verdict.NOT_APPLICABLE)
        return fine

    assert works("workaround_a", "3.4.0", "jax")
    assert not works("workaround_b", "3.4.0", "jax")
    assert works("workaround_b", "3.5.0", "jax")
    assert not works("workaround_b", "3.5.0", "torch")
    for release in ("3.1.0", "2.16.0"):
        for said in (Verdict.AFFECTED, Verdict.UNAFFECTED):
            assert repro.workaround_as_declared(
                "workaround_a", Version(release), "jax", said
            )


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("x = 1\n", 1, "no '# /// script' metadata block"),
        ("def f(:\n", 1, "not valid Python"),
        ("# /// script\n# a = \n# ///\n" + BODY, 2, "not valid TOML"),
        (
            "# /// script\n# dependencies = []\n# ///\n" + BODY,
            2,
            "lacks the table [tool.krepro]",
        ),
        (header() + "x = 1\n", 1, "defines no test_* function"),
        (header(title="3") + BODY, 5, "title must be a string"),
        (header(kind="'sad'") + BODY, 6, "kind must be one of crash, silent"),
        (header(affected="'=>3'") + BODY, 8, "affected is not a PEP 440 specifier"),
        (header(affected="{ caffe = '>=3' }") + BODY, 8, "affected names 'caffe'"),
        (header(issues="['x']") + BODY, 9, "issues must be a list of whole numbers"),
        (header(timeout_s="true") + BODY, 9, "timeout_s must be a whole number"),
        (header(titel="'x'") + BODY, 9, "titel is not a field of [tool.krepro]"),
        (
            header(works="{ workaround_x = '>=3' }") + BODY,
            9,
            "which the file does not define",
        ),
        (header(kind="'change'") + BODY, 6, "must name the release note"),
        (header(announced="'https://x'") + BODY, 9, "names the release note"),
        (header(introduced="'abc'") + BODY, 9, "a commit's hash of 7 to 12 digits"),
        (header(fixed="true") + BODY, 9, "must be a pull request's number"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, line: int, message: str) -> None:
    path = tmp_path / "subject.py"
    path.write_text(text)
    with pytest.raises(ReproError) as caught:
        read_repro(path)
    said = str(caught.value)
    assert said.startswith(f"{path}:{line}: ")
    assert message in said
    assert "\n" not in said


def test_upstream_changes_are_numbers_or_short_hashes(tmp_path: Path) -> None:
    repro = made(tmp_path, introduced="20197", fixed="'1e8426b2f5'")
    assert (repro.introduced, repro.fixed) == (20197, "1e8426b2f5")


def test_a_change_says_where_it_was_announced(tmp_path: Path) -> None:
    repro = made(tmp_path, kind="'change'", announced="'https://example.org/notes'")
    assert repro.announced == ("https://example.org/notes",)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe\x00# [tool.krepro]")
    for name in ("absent.py", "binary.py"):
        assert not is_repro(tmp_path / name)
        with pytest.raises(ReproError, match="cannot be read"):
            read_repro(tmp_path / name)


def test_the_source_hash_is_of_what_can_change_a_verdict(tmp_path: Path) -> None:
    body = '"""The story."""\n\nimport math\n\n' + BODY
    first = made(tmp_path, body).source_hash
    same = [
        made(tmp_path, body.replace("The story.", "Told\n\nanew.")),
        made(tmp_path, body, affected="'>=3.6'"),
        made(tmp_path, body, title="'another'"),
    ]
    other = [
        made(tmp_path, body.replace("pass", "assert 1")),
        made(tmp_path, body, symptom="'ValueError'"),
        made(tmp_path, body, timeout_s="7"),
    ]
    assert all(repro.source_hash == first for repro in same)
    assert len({first, *(repro.source_hash for repro in other)}) == 4


@pytest.mark.parametrize("kind", KINDS)
def test_what_new_writes_is_a_repro(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "fresh.py"
    path.write_text(scaffold.text_of("3.15.1", kind, "trainer"))
    assert is_repro(path)
    assert read_repro(path).tests == ("test_the_promise",)
