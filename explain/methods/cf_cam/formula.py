"""CF-CAM's formula: what each group of channels adds at one place, before the filter and after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from explain.methods.cf_cam.clustering import DOMINANT, NOISE, cluster_channels, finite_gradients
from explain.methods.cf_cam.filters import to_device_of
from explain.methods.cf_cam.parts import weigh
from explain.methods.cf_cam.settings import CfCamSettings
from explain.methods.formula import Cell, Formula, Sum, read_at, split_at
from explain.passes.capture import LayerCapture

if TYPE_CHECKING:
    from torch import Tensor


def weigh_channels(capture: LayerCapture, settings: CfCamSettings) -> tuple[Tensor, Tensor]:
    """Each channel's weight, which those of a cluster share, 0 for one left out; and `A_k`. What they make is the map
    before a filter of contributions.
    """
    gradients = finite_gradients(capture)
    parts = weigh(capture, gradients, settings, cluster_channels(capture, settings))
    weights = gradients.new_zeros(len(gradients), *parts.weights.shape[1:])
    weights[to_device_of(parts.kept, gradients)] = parts.weights
    return weights, capture.activations


def list_sums(capture: LayerCapture, settings: CfCamSettings, place: Cell) -> list[Sum]:
    """What each group adds: clusters first, then noise and the dominant channels, whose gradients are their own."""
    clusters = cluster_channels(capture, settings)
    parts = weigh(capture, finite_gradients(capture), settings, clusters)
    weights, activations = split_at(*weigh_channels(capture, settings), place)
    before, after = read_at(parts.unfiltered, place), read_at(parts.contributions, place)
    names, factors, products = [], [], []
    for label in sorted(set(parts.labels.tolist()), key=lambda label: (label < 0, label)):
        members, within = np.flatnonzero(clusters.labels == label), parts.labels == label
        shared = weights[members[0]] if label >= 0 else np.nan
        names.append(_name(label, len(members)))
        factors.append([shared, activations[members].sum(), before[within].sum()])
        products.append(after[within].sum())
    filtered = _filters(settings) and settings.filtered == "contributions"
    weight = "$w_G(p)$" if settings.weights == "spatial" else "$w_G$"
    columns = [weight, r"$\sum_{k \in G} A_k(p)$", "Before the filter"]
    shown = len(columns) if filtered else 2
    return [
        Sum(
            "Group G",
            names,
            columns[:shown],
            np.array(factors, dtype=np.float64).reshape(-1, 3)[:, :shown],
            np.array(products, dtype=np.float64),
            "After the filter" if filtered else "Product",
        )
    ]


def _name(label: int, count: int) -> str:
    group = {DOMINANT: "dominant", NOISE: "noise"}.get(label, f"cluster {label + 1}")
    return f"{group}: {count} channel{'s' if count > 1 else ''}"


def _filters(settings: CfCamSettings) -> bool:
    return settings.filter != "none" and settings.sigma > 0


def _write_latex(settings: CfCamSettings) -> str:
    weight = "w_G(p)" if settings.weights == "spatial" else "w_G"
    if _filters(settings) and settings.filtered == "contributions":
        return rf"L(p) = \sum_G F\!\left[{weight.removesuffix('(p)')} \sum_{{k \in G}} A_k\right]\!(p)"
    return rf"L(p) = \sum_G {weight} \sum_{{k \in G}} A_k(p)"


def _write_where(settings: CfCamSettings) -> str:
    gradient = r"\bar g_G"
    if _filters(settings) and settings.filtered == "gradients":
        gradient = r"F[\bar g_G]"
    mean = rf"\frac{{1}}{{h w}} \sum_{{i,j}} {gradient}(i,j)"
    weight = {
        "linear": rf"w_G = {mean}",
        "spatial": rf"w_G(p) = {gradient}(p)",
        "softmax": rf"w_G = \operatorname{{softmax}}_k \, {mean}",
    }[settings.weights]
    shared = r"\bar g_G = \frac{1}{|G|} \sum_{k \in G} \frac{\partial y_c}{\partial A_k}"
    return rf"{weight}, \quad {shared}"


def _describe(settings: CfCamSettings) -> str:
    alone = (
        "and those of no cluster (noise) are left out"
        if settings.drop_noise
        else "and so do those of no cluster (noise)"
    )
    steps = [
        f"Channels that respond alike are put into clusters (DBSCAN, eps {settings.eps:g}).",
        f"The channels of a cluster share their mean gradient; the strongest (dominant) keep their own, {alone}.",
    ]
    if _filters(settings):
        smoothed = "the gradients" if settings.filtered == "gradients" else "what each group adds"
        cells = f"{settings.sigma:g} cell{'s' if settings.sigma != 1 else ''}"
        whose = "" if settings.filter_all else " of clusters"
        steps.append(f"F, a {settings.filter.capitalize()} filter of {cells}, smooths {smoothed}{whose}.")
    steps.append("All groups are added up.")
    return "\n".join(f"{number}. {step}" for number, step in enumerate(steps, start=1))


FORMULA = Formula(
    _write_latex,
    _write_where,
    _describe,
    weight="w_k",
    split=weigh_channels,
    steps=list_sums,
)
