"""Anybody's labels and ratings: how far people agree, who is strict, what is ambiguous."""
