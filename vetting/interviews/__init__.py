"""Interviews: what is asked next, in whose words, which facts are told; what models propose is checked."""
