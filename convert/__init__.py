"""Conversion between checkpoint formats: commands that use the library, never used by it."""
