"""The pre-upgrade check: what changes for somebody's code from one release to another."""
