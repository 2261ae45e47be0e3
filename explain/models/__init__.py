"""Which network, one file a source; `loaded` is what everyone is given. Stands on networks and bundled."""
