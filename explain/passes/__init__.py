"""Every way in which a network is run; `capture` is what a method is given. Stands on networks."""
