"""The web server round the pages: who may come in, what is answered, what is counted and logged."""
