"""The ten classes of CIFAR-10, which the bundled models of photographs know."""

from __future__ import annotations

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
