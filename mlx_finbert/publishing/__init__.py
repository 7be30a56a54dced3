"""Model cards, and what of a model's folder goes to the Hugging Face hub."""
