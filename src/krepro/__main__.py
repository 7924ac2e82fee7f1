"""``python -m krepro``."""

from krepro.cli import main

main(prog_name="krepro")
