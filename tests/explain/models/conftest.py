"""Before torchvision or timm is imported by a test."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from explain.networks.torchvision_operators import declare_missing_operators

declare_missing_operators()
