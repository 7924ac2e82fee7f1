"""A cell without a zygote: every repro in a fresh process.

Usage: ``boot.py krepro.cell.fresh EVENTS_FD JOB``.
"""

from __future__ import annotations

import os
import sys

from krepro.cell.cell import Cell, Events, Job


def main() -> None:
    """Run one job."""
    events = Events(int(sys.argv[1]))
    events.tell("started", pid=os.getpid())
    Cell(Job.from_json(sys.argv[2]), events).run_fresh()


if __name__ == "__main__":
    main()
