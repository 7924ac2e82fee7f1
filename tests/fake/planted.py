"""Fake releases with planted culprits: every script below is turned by changes of its own.

9.0.0 is good, 9.1.0 is bad, 9.2.0 is good again where FIXED says so. Between 9.3.0 and 9.4.0
most mixtures do not import, loop for ever or crash.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from textwrap import dedent

from tests.fake import subject

RELEASES = ("9.0.0", "9.1.0", "9.2.0", "9.3.0", "9.4.0")
ROOT = {
    "__init__": """
        import torch
        from keras.src import backend, table
        from keras.src.version import __version__
    """,
    "src/__init__": "",
    "src/backend": """
        def backend():
            return "torch"

        def clear_session():
            pass
    """,
}
# What is the same in 9.0.0 and 9.1.0.
COMMON = {
    "src/impl_a": "def run():\n    return 1\n",
    "src/impl_b": "def run():\n    return 2\n",
    "src/plugins": """
        import importlib.util

        def load():
            if importlib.util.find_spec("keras.src.extra"):
                raise LookupError("an extra that nobody asked for")
            return 1
    """,
}
# Each module in 9.0.0 and in 9.1.0; None where there is none.
CHANGED: dict[str, tuple[str | None, str | None]] = {
    "src/one_hunk": (
        """
        def area(width, height):
            margin = 0
            return width * height + margin

        def other(x):
            return x
        """,
        """
        def area(width, height):
            '''Return the area, with a margin.'''
            # A remark.
            margin = 1
            total = width * height
            return total + margin

        def other(x):
            return x + 0
        """,
    ),
    "src/three": (
        """
        class Tracker:
            def __init__(self):
                self.inner = []

            def compile(self):
                return self

            def update(self):
                if self.inner:
                    self.inner.append(1)

            def unrelated(self):
                return 1
        """,
        """
        class Tracker:
            def __init__(self):
                self.inner = []

            def compile(self):
                self._clear()
                return self

            def _clear(self):
                self.inner = None

            def update(self):
                self.inner.append(1)

            def unrelated(self):
                return 2
        """,
    ),
    "src/old_name": ("".join(f"x{n} = {n}\n" for n in range(9)) + "answer = 1\n", None),
    "src/new_name": (None, "".join(f"x{n} = {n}\n" for n in range(9)) + "answer = 2\n"),
    "src/uses_name": (
        "from keras.src import old_name\n\ndef ask():\n    return old_name.answer\n",
        "from keras.src import new_name\n\ndef ask():\n    return new_name.answer\n",
    ),
    "src/extra": (None, "LOADED = True\n"),
    "src/combination": (
        """
        from keras.src.combination_too import third

        def first():
            return False

        def second():
            return False

        def broken():
            return first() and second() and third()
        """,
        """
        from keras.src.combination_too import third

        def first():
            return True

        def second():
            return True

        def broken():
            return third() and second() and first()
        """,
    ),
    "src/combination_too": (
        "def third():\n    return False\n",
        "def third():\n    return True\n",
    ),
    "src/misleading": (
        """
        def base():
            return 3

        def factor():
            return 2

        def shift():
            return 0

        def total():
            return base() * factor() + shift()
        """,
        """
        def base():
            return int(3)

        def factor():
            return 3

        def shift():
            return 1

        def total():
            result = base() * factor() + shift()
            return result
        """,
    ),
    "src/easier": (
        """
        def strict():
            return False

        def checker(x):
            return None

        def parse(x):
            found = checker(x)
            if strict() and found is None:
                raise ValueError("strict mode needs a checker")
            if strict() and not found:
                raise ValueError(f"bad shape {x}")
            return x
        """,
        """
        def strict():
            return True

        def checker(x):
            return x > 100

        def parse(x):
            found = checker(x)
            if strict() and found is None:
                raise ValueError("strict mode needs a checker")
            if strict() and not found:
                raise ValueError(f"bad shape {x}")
            return x
        """,
    ),
    "src/header": (
        """
        class Plain:
            def scale(self):
                return 1

        class Odd:
            def scale(self):
                return 2

        class Child(Plain):
            def name(self):
                return "child"
        """,
        """
        class Plain:
            def scale(self):
                return 1

        class Odd:
            def scale(self):
                return 2

        class Child(Odd):
            def name(self):
                return "the child"
        """,
    ),
    "src/constant": (
        "LIMIT = 10\nOTHER = 1\n\ndef limit():\n    return LIMIT\n",
        "LIMIT = 9\nOTHER = 2\n\ndef limit():\n    return LIMIT\n",
    ),
    "src/binds": (
        "from keras.src.impl_a import run\n\ndef go():\n    return run()\n\ndef stay():\n    return 1\n",
        "from keras.src.impl_b import run\n\ndef go():\n    return run()\n\ndef stay():\n    return 2\n",
    ),
    "src/default": (
        "def f(x, axis=-1):\n    y = x\n    return y + axis\n",
        "def f(x, axis=0):\n    y = int(x)\n    return y + axis\n",
    ),
    "src/removed": (
        """
        class Base:
            def scale(self):
                return 1

        class Sub(Base):
            def scale(self):
                return 2

            def name(self):
                return "a"
        """,
        """
        class Base:
            def scale(self):
                return 1

        class Sub(Base):
            def name(self):
                return "b"
        """,
    ),
    "src/deletes": (
        """
        def keep(value):
            copy = value
            return copy
        """,
        """
        def keep(value):
            copy = value
            copy = None
            return copy
        """,
    ),
    "src/noisy": (
        "def result():\n    return 1\n\ndef part():\n    return 0\n\ndef whole():\n    return result() + part()\n",
        "def result():\n    return 2\n\ndef part():\n    return 5\n\ndef whole():\n    return part() + result()\n",
    ),
    "src/table": (
        "def _make():\n    return [1, 2]\n\ndef _label():\n    return 'a'\n\nTABLE = _make()\nLABEL = _label()\n",
        "def _make():\n    return [1, 3]\n\ndef _label():\n    return 'b'\n\nTABLE = _make()\nLABEL = _label()\n",
    ),
    "src/nested": (
        """
        import threading

        def outer():
            def inner():
                return 1
            return inner

        def in_thread(found):
            found.append(1)

        def run():
            found = []
            thread = threading.Thread(target=in_thread, args=(found,))
            thread.start()
            thread.join()
            return found[0] + outer()()
        """,
        """
        import threading

        def outer():
            def inner():
                return 2
            return inner

        def in_thread(found):
            found.append(2)

        def run():
            found = []
            thread = threading.Thread(target=in_thread, args=(found,))
            thread.start()
            thread.join()
            return found[0] + outer()()
        """,
    ),
    "src/fatal": (
        "def strike():\n    return 1\n\ndef other():\n    return 1\n",
        "def strike():\n    import os\n    os.kill(os.getpid(), 11)\n\ndef other():\n    return 2\n",
    ),
    "src/endless": (
        "def wait():\n    return 1\n",
        "def wait():\n    while True:\n        pass\n",
    ),
    "src/writes": (
        """
        from pathlib import Path

        def note():
            for place in (Path(__file__).parent, Path(__file__).parent / "deep"):
                (place / "mark.txt").write_text("mark")
                with (place / "__init__.py").open("a") as file:
                    file.write("# mark\\n")
            return 1
        """,
        """
        from pathlib import Path

        def note():
            for place in (Path(__file__).parent, Path(__file__).parent / "deep"):
                (place / "mark.txt").write_text("mark")
                with (place / "__init__.py").open("a") as file:
                    file.write("# mark\\n")
            return 2
        """,
    ),
    "src/deep/__init__": ("", ""),
}
# Changes that have nothing to do with anything; some of them in functions that run.
for _n in range(4):
    CHANGED[f"src/noise_{_n}"] = tuple(  # type: ignore[assignment]
        "".join(f"def f{i}():\n    return {i + by}\n\n" for i in range(4)) for by in (0, 7)
    )
# Mended in 9.2.0: back to how it was in 9.0.0.
FIXED = ("src/one_hunk", "src/deletes", "src/three")
# In 9.3.0 and 9.4.0, every other mixture of these does not import, hangs or crashes.
TRAP = """
    import os

    def _make():
        return {{"{key}": 1}}

    def _step():
        return {step}

    def _fragile():
        return {fragile}

    def _result():
        return {result}

    def _goal():
        return {goal}

    def _steady():
        return {steady}

    def _read(made):
        return made["{key}"]

    VALUE = _read(_make())
    n = 0
    while n != _goal():
        n += _step()
    if _fragile() and not _steady():
        os.kill(os.getpid(), 11)
    RESULT = _result()
"""
TRAPS = (
    TRAP.format(key="old", step=1, goal=3, fragile=False, steady=0, result=1),
    TRAP.format(key="new", step=2, goal=4, fragile=True, steady=1, result=2),
)
# What each script runs; it stands alone, and ends well in 9.0.0 and not in 9.1.0.
SCRIPTS = {
    "one_hunk": "got = m.area(2, 3)\nassert got == 6, got\n",
    "three": "m.Tracker().compile().update()\n",
    "uses_name": "got = m.ask()\nassert got == 1, got\n",
    "old_name": "assert m.answer\n",
    "plugins": "m.load()\n",
    "combination": "assert not m.broken()\n",
    "misleading": "got = m.total()\nassert got == 6, got\n",
    "easier": "m.parse(7)\n",
    "header": "got = m.Child().scale()\nassert got == 1, got\n",
    "constant": "got = m.limit()\nassert got == 10, got\n",
    "binds": "got = m.go()\nassert got == 1, got\n",
    "default": "got = m.f(1)\nassert got == 0, got\n",
    "removed": "got = m.Sub().scale()\nassert got == 2, got\n",
    "deletes": "got = m.keep(5)\nassert got == 5, got\n",
    "noisy": "import random\nextra = random.random()\ngot = m.whole()\n"
    "assert got + extra == 1 + extra, f'{extra}: {got + extra}'\n",
    "table": "got = m.TABLE\nassert got == [1, 2], got\n",
    "nested": "got = m.run()\nassert got == 2, got\n",
    "fatal": "m.strike()\n",
    "endless": "m.wait()\n",
    "writes": "got = m.note()\nassert got == 1, got\n",
    "traps": "got = m.RESULT\nassert got == 1, got\n",
}


def tree_of(version: str) -> dict[str, str]:
    """Return the files of a release."""
    side = int(version not in ("9.0.0", "9.3.0"))
    found: dict[str, str | None] = {**ROOT, **COMMON}
    if version < "9.3":
        found |= {name: pair[side] for name, pair in CHANGED.items()}
        if version == "9.2.0":
            found |= {name: CHANGED[name][0] for name in FIXED}
        found["__init__"] = dedent(ROOT["__init__"]) + "".join(
            f"from keras.src import noise_{n}\n" for n in range(4)
        )
    else:
        found |= {"src/traps": TRAPS[side], "src/table": "", "src/fresh": "x = 1\n"}
        found["__init__"] = dedent(ROOT["__init__"]) + "from keras.src import traps\n"
    found["src/version"] = f"__version__ = {version!r}\n"
    return {
        f"keras/{name}.py": dedent(text).removeprefix("\n")
        for name, text in found.items()
        if text is not None
    }


def script(name: str) -> str:
    """Return a script that runs a planted culprit, and some of what is beside it."""
    noise = (
        ""
        if name == "traps"
        else "import keras\nfor n in range(4):\n    getattr(keras, f'noise_{n}').f1()\n"
    )
    return f"from keras.src import {name} as m\n{noise}{SCRIPTS[name]}"


def make_wheels(folder: Path) -> Path:
    """Write the wheels of the fake backend and of every release."""
    subject.make_wheel(folder, "torch", "99.0", "__version__ = '99.0'\n")
    for version in RELEASES:
        info = f"keras-{version}.dist-info"
        files = {
            **tree_of(version),
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: keras\nVersion: {version}\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: fake\nRoot-Is-Purelib: true\n"
            "Tag: py3-none-any\n",
        }
        record = "".join(f"{file},,\n" for file in files) + f"{info}/RECORD,,\n"
        path = folder / f"keras-{version}-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as wheel:
            for file, content in {**files, f"{info}/RECORD": record}.items():
                wheel.writestr(file, content)
    return folder


def make_project(folder: Path) -> Path:
    """Write a project: ``matrix.toml`` and one repro."""
    text = subject.MATRIX.format(python=subject.PYTHON)
    text = re.sub(r"(?m)^timeout_s = .*", "timeout_s = 1.0", text)
    text = re.sub(r"import_timeout_s = .*", "import_timeout_s = 4.0", text)
    for version in RELEASES:
        text += (
            f'\n[[release]]\nversion = "{version}"\nuploaded = 2026-01-01\n'
            'python = ">=3.9"\n'
        )
    repros = folder / "repros"
    repros.mkdir(parents=True, exist_ok=True)
    (folder / "matrix.toml").write_text(text, encoding="utf-8")
    (repros / "area_is_wrong.py").write_text(
        subject.header(affected="'==9.1.0'")
        + '"""The area."""\n\nfrom keras.src.one_hunk import area\n\n\n'
        "def test_area():\n    got = area(2, 3)\n    assert got == 6\n\n\n"
        "def test_other():\n    assert area(0, 0) in (0, 1)\n",
        encoding="utf-8",
    )
    return folder
