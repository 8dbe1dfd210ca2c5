"""Units of work being made and reviewed, and what a machine notices about them."""
