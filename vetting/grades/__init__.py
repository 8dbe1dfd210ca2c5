"""Open answers graded: by panels of models, by people on the desk, and by a rater that only counts words."""
