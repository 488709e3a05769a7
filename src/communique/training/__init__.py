"""Fine-tune transformers and export them."""
