"""Distillation: a student learns from a teacher's logits, and from texts that it labels."""
