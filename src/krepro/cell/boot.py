"""Start a module of krepro's in an interpreter that does not have krepro installed.

Usage: ``python boot.py MODULE ARGUMENTS...``. The folder that holds krepro may hold other
packages, which a stack must not see; so it is not put on the path.
"""

import importlib.util
import runpy
import sys
from pathlib import Path


def main() -> None:
    """Make ``krepro`` importable, and nothing else, then run the module."""
    folder = Path(__file__).resolve().parent.parent
    spec = importlib.util.spec_from_file_location(
        "krepro", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["krepro"] = module
    spec.loader.exec_module(module)
    # The folder of this file is first on the path; its names must not hide real modules.
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != folder / "cell"]
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
