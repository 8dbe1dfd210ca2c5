"""What we ask and how it is judged: the skill tree, the items, their keys. No Python needed to edit it."""
