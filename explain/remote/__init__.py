"""An engine in another process or on another computer: its client, what crosses, and what serves it."""
