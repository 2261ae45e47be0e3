"""What a session holds on to: the engine, work in flight, faults, the front door."""
