"""What has no place in a public text: folders of this machine, long runs that look like keys. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from krepro.draft.script import LONG_RUN

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
MOST_LINES, HEAD_LINES = 80, 20
# Enough to find a commit or a file by it.
SHORT_HASH = 10
CUT = "…"
# A character of a part of a path.
PART = r"[^\s/'\"<>:,;()\[\]]"


def redact(text: str, places: Mapping[str, str], roots: Collection[str]) -> str:
    """Return a text without this machine's folders, and without runs that upstream's bot redacts.

    Args:
        text: what a run printed, a diff, a list of packages.
        places: folders, and what to write for each; a folder in another counts first.
        roots: the names at the root of the file system; any other path that begins at one of
            them is cut to its last part.
    """
    for folder in sorted(places, key=len, reverse=True):
        here = re.compile(re.escape(folder) + r"(?![\w.-])")
        text = here.sub(places[folder].replace("\\", r"\\"), text)
    if roots:
        first = "|".join(map(re.escape, sorted(roots, key=len, reverse=True)))
        absolute = re.compile(rf"(?<![\w/.~{CUT}>-])/(?:{first})(?:/{PART}+)*/?(?!\w)")
        text = absolute.sub(lambda found: shortened(found[0]), text)
    text = re.sub(rf"{CUT}(?:/{PART}+)+", lambda found: shortened(found[0]), text)
    return LONG_RUN.sub(lambda found: found[0][:SHORT_HASH] + CUT, text)


def shortened(path: str) -> str:
    """Return a path from its packages on, else its last part."""
    _, packages, inside = path.rpartition("/site-packages/")
    if packages:
        return f"{CUT}/site-packages/{inside}"
    return f"{CUT}/{path.rstrip('/').rpartition('/')[2]}"


def cleaned(output: str) -> str:
    """Return what a person would see of an output: no escapes, no line that was written over."""
    text = ESCAPES.sub("", output.replace("\r\n", "\n"))
    lines = []
    for line in text.split("\n"):
        # A progress bar goes back by as many characters as it wrote, or to the line's start.
        seen = re.split(r"\x08+|\r", line.rstrip("\x08\r"))[-1]
        lines.append(CONTROLS.sub("", seen).rstrip())
    return "\n".join(lines).strip("\n")


def cut(output: str) -> str:
    """Return an output that is not longer than a person reads: its beginning and its end."""
    lines = output.splitlines()
    if len(lines) <= MOST_LINES:
        return output
    tail = MOST_LINES - HEAD_LINES
    left_out = len(lines) - MOST_LINES
    return "\n".join(
        [*lines[:HEAD_LINES], f"{CUT} {left_out} lines left out {CUT}", *lines[-tail:]]
    )
