"""The methods. Adding one is adding a file here and naming it in this list, whose order is the order shown."""

from explain.methods import grad_cam, eigen_cam, cf_cam, prompt_cam  # noqa: F401, I001 - the order shown
from explain.methods.base import Method, MethodResult, Settings, all_methods, describe_needs, get_method

__all__ = ["Method", "MethodResult", "Settings", "all_methods", "describe_needs", "get_method"]
