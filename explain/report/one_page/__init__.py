"""The one-page report: what a reader takes from the screen, as HTML and as PDF."""
