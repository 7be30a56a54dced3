"""The subcommands of `scripts/sample.py`, and what they share.

A subcommand is a module with a docstring, which is its help page; `Settings`, a dataclass of flags;
and `run(settings)`, which does the work and returns what is printed.
"""
