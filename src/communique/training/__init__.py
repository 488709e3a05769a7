"""Fine-tune a transformer and export it."""
