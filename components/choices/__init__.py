"""Pickers: pictures, model, class, layer, methods and their settings. Stands on browser and session."""
