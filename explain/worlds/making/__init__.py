"""How the networks of the worlds were trained. Nothing that runs knows it."""
