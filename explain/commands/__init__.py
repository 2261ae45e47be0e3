"""The command line, one file a group of commands; `python -m explain` runs them. Stands on everything."""
