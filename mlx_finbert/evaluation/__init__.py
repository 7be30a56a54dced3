"""Measures a model on labelled rows."""
