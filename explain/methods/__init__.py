"""The methods. Adding one is adding a file here and naming it in this list, whose order is the order shown."""

from explain.methods import grad_cam, eigen_cam  # noqa: F401, I001 - the order shown
from explain.methods.cf_cam import method as cf_cam  # noqa: F401
from explain.methods import prompt_cam  # noqa: F401
from explain.methods import cam, grad_cam_plus_plus, xgrad_cam, hires_cam, layer_cam  # noqa: F401
from explain.methods import element_wise_grad_cam, eigen_grad_cam, normgrad, shapley_cam, finer_cam  # noqa: F401
from explain.methods import counterfactual_grad_cam, smooth_grad_cam_plus_plus, kpca_cam, fem  # noqa: F401
from explain.methods import score_cam, ablation_cam, rise, occlusion  # noqa: F401
from explain.methods import raw_attention, attention_rollout, legrad, chefer_relevance  # noqa: F401
from explain.methods import t_tame  # noqa: F401
from explain.methods import integrated_gradients, guided_backpropagation, guided_grad_cam, fullgrad  # noqa: F401
from explain.methods.base import Method, MethodResult, all_methods, describe_needs, get_method
from explain.settings import Settings

__all__ = ["Method", "MethodResult", "Settings", "all_methods", "describe_needs", "get_method"]
