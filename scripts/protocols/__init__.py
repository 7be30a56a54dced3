"""The protocols of `scripts/reproduce.py`, one module each.

A protocol is a module with a docstring, which is its help page; `Settings`, a dataclass of flags;
and `reproduce(settings)`, which does the work and returns what is printed.
"""
