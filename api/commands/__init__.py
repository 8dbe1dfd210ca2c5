"""The commands, one module a theme. What is heavy is imported when a command runs, so that help is quick."""
