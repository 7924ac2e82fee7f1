"""Runs of a script, recorded, and what two of them did differently."""
