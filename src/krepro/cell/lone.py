"""Run one repro in this interpreter, which is a fresh one."""

from __future__ import annotations

import json
import os
import sys

from krepro.cell import identity, script, session, trace
from krepro.cell.cell import Job
from krepro.cell.supervise import die_with_parent
from krepro.verdict import Verdict


def main() -> None:
    """Import the release, prove what it is, and run the repro, if the job has one.

    Arguments: the file descriptor for the record, and the job as JSON.
    """
    die_with_parent()
    record_fd = int(sys.argv[1])
    job = Job.from_json(sys.argv[2])
    if job.trace:
        trace.start(job.overlay, job.trace)
    sys.path.extend(map(str, job.extra))
    try:
        found = identity.import_keras(
            job.overlay, job.release, job.backend, job.backend_version
        )
    except BaseException as error:
        message = f"{type(error).__name__}: {error}"
        record = {"verdict": Verdict.IMPORT.value, "message": message}
        os.write(record_fd, json.dumps(record).encode())
        raise
    trace.imported()
    if job.script:
        script.run(job.script, record_fd, identity=found)
    if job.repros:
        session.run_alone(job.repros[0], record_fd, job.only, identity=found)
    # A verdict of the import alone, for the one who asks whether Keras imports at all.
    os.write(record_fd, json.dumps({"verdict": "", "identity": found}).encode())


if __name__ == "__main__":
    main()
