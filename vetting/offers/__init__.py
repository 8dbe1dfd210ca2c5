"""The next unit for an expert: what waits, what is owed, what arrives in files."""
