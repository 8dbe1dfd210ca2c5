"""The story: who was invited, what was asked and answered, how it was graded, who was staffed where."""
