"""NormGrad against the outer products whose norms it takes, and against autograd of the layers it puts in."""

import numpy as np
import pytest
import torch

INSERTED = ["convolution", "scaling", "bias"]


def norms_slowly(activations, gradients, inserted):
    channels, rows, columns = activations.shape
    cam = np.zeros((rows, columns))
    for i in range(rows):
        for j in range(columns):
            x, g = activations[:, i, j], gradients[:, i, j]
            total = 0.0
            for a in range(channels):
                if inserted == "convolution":
                    for b in range(channels):
                        total += (g[a] * x[b]) ** 2  # the weight's gradient is the outer product
                else:
                    total += (g[a] * (x[a] if inserted == "scaling" else 1)) ** 2
            cam[i, j] = total**0.5
    return cam


@pytest.mark.parametrize("inserted", INSERTED)
def test_equals_the_paper_written_out(random_maps, inserted, make_capture, draw):
    expected = norms_slowly(*random_maps, inserted)
    found = draw("normgrad", make_capture(*random_maps), inserted=inserted).values.numpy()
    assert np.allclose(found, expected, rtol=0, atol=1e-5 * expected.max())


@pytest.mark.parametrize("inserted", INSERTED)
def test_is_the_weight_gradient_of_the_inserted_layer_at_one_place(inserted, make_capture, draw):
    """An identity layer is put in for one place alone, and the gradient of its own weights is taken."""
    torch.manual_seed(0)
    activations = torch.randn(5, 3, 4)

    def score(maps):
        return (maps.tanh() * torch.arange(60.0).reshape(5, 3, 4).cos()).sum()

    whole = activations.clone().requires_grad_()
    (gradients,) = torch.autograd.grad(score(whole), whole)
    found = draw("normgrad", make_capture(activations.numpy(), gradients.numpy()), inserted=inserted).values
    for i in range(3):
        for j in range(4):
            start = {"convolution": torch.eye(5), "scaling": torch.ones(5), "bias": torch.zeros(5)}[inserted]
            weight = start.requires_grad_()
            x = activations[:, i, j]
            y = weight @ x if inserted == "convolution" else weight * x if inserted == "scaling" else x + weight
            place = torch.zeros(3, 4)
            place[i, j] = 1
            (gradient,) = torch.autograd.grad(score(activations * (1 - place) + y[:, None, None] * place), weight)
            assert found[i, j].item() == pytest.approx(gradient.norm().item(), rel=1e-4)
