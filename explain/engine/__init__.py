"""The one thing with state: import `Engine` from `engine`, its answers from `explanation`."""
