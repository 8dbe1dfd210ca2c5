"""Is the work good: pilots, gold units, repeats, rounds, reviewers, reports."""
