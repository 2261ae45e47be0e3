"""Worlds where the answer is known: networks that cheat, birds whose traits are known, and what maps say of them."""
