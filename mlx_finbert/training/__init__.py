"""Fine-tuning: the compiled step, the loop around it, and the folder that a run leaves."""
