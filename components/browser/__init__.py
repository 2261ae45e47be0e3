"""Parts with a script of their own: canvas, cards, gallery, knee, network, live slider."""
