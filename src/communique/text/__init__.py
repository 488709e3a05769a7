"""Plain text: identify languages and split text into blocks and sentences."""
