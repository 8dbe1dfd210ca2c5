"""Simulated people walk the whole way: for the demo, for load, for trying settings."""
