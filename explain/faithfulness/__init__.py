"""Whether a map may be believed: what hiding, copies and other pictures say of it, and the verdict in words."""
