"""What is known of a person and how surely, and what people decide by it."""
