"""Pictures: from bytes to what a model is given; regions, painting and views. Stands on the ground alone."""
