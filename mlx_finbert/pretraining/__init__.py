"""Masked-language pretraining: the run that reads plain texts, and its report."""
