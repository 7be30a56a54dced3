"""Figures of a model on labelled rows."""
