"""Language models as functions: asking them, their prompts, every call on record, hostile text made harmless."""
