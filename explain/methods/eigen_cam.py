"""Eigen-CAM: the strongest pattern of a layer's activations, whatever the class."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from explain.errors import MethodError
from explain.methods.base import MethodResult, method
from explain.methods.formula import Formula
from explain.methods.space import stand_before
from explain.passes.capture import LayerCapture
from explain.settings import Settings, setting

if TYPE_CHECKING:
    from torch import Tensor

SIGN_BY_MEAN = "sign by mean activation"
SIGN_BY_PLACE = "sign by furthest place"

_SOLVED_WHOLE = 96  # up to this size all eigenvectors cost less than looking for one
_BLOCK = 4
_DEPTH = 12
_MOST_SEARCHES = 3


class EigenCamSettings(Settings):
    """What is done to the channels before the strongest pattern is looked for."""

    centre: bool = setting(
        True,
        "Centre",
        "Subtract each channel's mean over all places first, so that the map shows what varies from place to place.",
        advanced=True,
    )


def weigh_channels(capture: LayerCapture, settings: EigenCamSettings) -> tuple[Tensor, Tensor]:
    """`v_1`, turned the way the map is, and the activations it weighs; zeros where there is no pattern."""
    return split_pattern(capture.activations, settings.centre, capture, "Eigen-CAM")


def write_formula(symbol: str) -> Formula:
    """The formula of a first pattern, of whatever stands in the place of activations, but for how it is split."""

    def latex(settings: EigenCamSettings) -> str:
        return rf"L(p) = \sum_k v_k \, {_centred(symbol) if settings.centre else symbol}(p)"

    def where(settings: EigenCamSettings) -> str:
        if not settings.centre:
            return rf"v = \text{{first right singular vector of all }} {symbol}"
        return (
            rf"{_centred(symbol)} = {symbol} \text{{ less its mean over all places}}, \quad "
            rf"v = \text{{first right singular vector of all }} {_centred(symbol)}"
        )

    return Formula(
        latex,
        where,
        "The singular vector is the mixture of channels that varies most from cell to cell: of all mixtures of length "
        "1, its map is the strongest.",
        weight="v_k",
        weighed=f"{_centred(symbol)}(p)",
    )


def _centred(symbol: str) -> str:
    return rf"\tilde {symbol}" if len(symbol) < 4 else rf"\widetilde{{{symbol}}}"


def split_pattern(maps: Tensor, centre: bool, capture: LayerCapture, title: str) -> tuple[Tensor, Tensor]:
    """The first right singular vector of maps `(C, h, w)`, turned the way the map is, as weights; and the maps.

    Of `L = A v_1 = σ_1 u_1` follows `Aᵀ L = σ_1² v_1` with `σ_1 = |L|`. The arguments are those of
    `find_first_pattern`.
    """
    places = read_places(maps, centre, capture, title)
    pattern, _ = choose_sign(project_on_first_singular_vector(places), places)
    weights = places.T @ pattern / (pattern @ pattern).clamp(min=1e-300)
    return stand_before(weights, maps), places.T.reshape(maps.shape)


@method(
    name="eigen-cam",
    title="Eigen-CAM",
    sentence="The strongest pattern among the layer's features, for no class in particular.",
    paper="Muhammad and Yeasin, Eigen-CAM: Class Activation Map using Principal Components, IJCNN 2020, "
    "arXiv 2008.00299",
    group="gradient-free",
    needs={"activations"},
    class_agnostic=True,
    settings=EigenCamSettings,
    formula=replace(write_formula("A_k"), split=weigh_channels),
)
def eigen_cam(capture: LayerCapture, settings: EigenCamSettings) -> MethodResult:
    """Project the activations on their first right singular vector: `L = A v_1` (section III of the paper).

    A singular vector's sign is arbitrary; see `choose_sign`.

    Raises:
        MethodError: the activations are not finite.
    """
    return find_first_pattern(capture.activations, settings.centre, capture, "Eigen-CAM")


def find_first_pattern(maps: Tensor, centre: bool, capture: LayerCapture, title: str) -> MethodResult:
    """Project maps `(C, h, w)`, a vector of C at each place, on their first right singular vector.

    Args:
        maps: activations, or what a method makes of them.
        centre: subtract each map's mean first.
        capture: names the layer where something is wrong.
        title: the method's, for the same.

    Raises:
        MethodError: the maps are not finite.
    """
    places = read_places(maps, centre, capture, title)
    projected, rules = choose_sign(project_on_first_singular_vector(places), places)
    return MethodResult(projected.reshape(maps.shape[1:]).float(), rules=rules)


def read_places(maps: Tensor, centre: bool, capture: LayerCapture, title: str) -> Tensor:
    """Maps `(C, h, w)` as the paper's A, `(h·w, C)` float64, centred if asked.

    Raises:
        MethodError: the maps are not finite.
    """
    import torch

    on_device = maps.cpu() if maps.device.type == "mps" else maps  # MPS has no float64
    channels = on_device.double().flatten(1)
    size = channels.norm()  # no float32 can overflow it, so that it is finite where all values are
    if not size.isfinite():
        what = "activations or gradients" if capture.gradients is not None else "activations"
        raise MethodError(
            f"The {what} of the layer “{capture.layer.name}” hold values that are no finite numbers, so {title} finds "
            "no pattern in them. Choose another layer, or check the model's weights."
        )
    if centre:
        centred = channels - channels.mean(1, keepdim=True)
        # What is left of activations that are the same everywhere is rounding noise, and no pattern.
        channels = centred if centred.norm() > 1e-6 * size else torch.zeros_like(channels)
    return channels.T


def choose_sign(projected: Tensor, places: Tensor) -> tuple[Tensor, tuple[str, ...]]:
    """Turn a pattern `(n,)`, whose sign is arbitrary, the right way up.

    It must not run against the mean of the channels `(n, C)` over the picture: its product with that mean, summed over
    places, is not negative. Where that product is rounding noise (as after a LayerNorm, which leaves no mean), the
    place furthest from zero is turned to be positive.

    Returns:
        The pattern, and the name of the rule that spoke; none where the pattern is zero.
    """
    furthest = float(projected[projected.abs().argmax()])
    if furthest == 0:
        return projected, ()
    agreement = float(projected @ places.mean(1))
    noise = 1e-6 * float(projected.norm() * places.norm()) / places.shape[1] ** 0.5
    rule = SIGN_BY_MEAN if abs(agreement) > noise else SIGN_BY_PLACE
    direction = agreement if rule == SIGN_BY_MEAN else furthest
    return (projected if direction > 0 else -projected), (rule,)


def project_on_first_singular_vector(rows: Tensor) -> Tensor:
    """`A v_1 = σ_1 u_1` of an `(n, m)` matrix, by the eigenvector of the smaller of its two Gram matrices."""
    if rows.shape[0] <= rows.shape[1]:
        value, vector = find_first_eigenvector(rows @ rows.T)
        return vector * value.clamp(min=0).sqrt()
    _, vector = find_first_eigenvector(rows.T @ rows)
    return rows @ vector


def find_first_eigenvector(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """The largest eigenvalue of a symmetric `(n, n)` matrix, float64, and its eigenvector `(n,)` of unit length.

    Of a large matrix they are looked for in a Krylov space, and taken only where the residual proves them: an
    eigenvector is off by no more than its residual over the gap to the next eigenvalue. Otherwise all are computed.
    """
    import torch

    if len(matrix) > _SOLVED_WHOLE:
        found = _search_krylov(matrix)
        if found is not None:
            return found
    values, vectors = torch.linalg.eigh(matrix)
    return values[-1], vectors[:, -1]


def _search_krylov(matrix: Tensor) -> tuple[Tensor, Tensor] | None:
    """Block Krylov search from a fixed random start, begun anew from its best vectors where it falls short."""
    import torch

    generator = torch.Generator().manual_seed(0)
    block = torch.randn(len(matrix), _BLOCK, generator=generator, dtype=matrix.dtype).to(matrix.device)
    for _ in range(_MOST_SEARCHES):
        space = block.new_empty(len(matrix), 0)
        products = space
        for _ in range(_DEPTH):
            for _ in range(2):  # once is not enough for orthogonality to the last digits
                block = torch.linalg.qr(block - space @ (space.T @ block)).Q
            product = matrix @ block
            space, products = torch.cat([space, block], 1), torch.cat([products, product], 1)
            block = product
        values, turns = torch.linalg.eigh(space.T @ products)
        vector = space @ turns[:, -1]
        residual = (products @ turns[:, -1] - values[-1] * vector).norm()
        if residual <= 1e-7 * (values[-1] - values[-2]):
            return values[-1], vector
        block = space @ turns[:, -_BLOCK:]
    return None
