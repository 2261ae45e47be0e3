"""Train the network for drawn volumes. One command; it draws its own volumes, each seed once.

    python -m explain.bundled.making.phantoms

A volume takes about 30 ms of one core, the whole training some ten minutes of a quiet one. Weights are written to
`--out` as safetensors in float16, with all that decided about them in the header, once the accuracy on fresh volumes
is known; beside them one drawn volume as NIfTI and DICOM files.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import safetensors.torch
import torch
import typer
from torch import nn
from torch.nn import functional

from explain.bundled.models import EXAMPLE_VOLUMES, VOLUMES_FOLDER
from explain.bundled.phantoms.draw import draw_batch, draw_phantom
from explain.bundled.phantoms.files import encode_nifti, encode_series
from explain.bundled.phantoms.kinds import KINDS
from explain.bundled.volume_network import PhantomCnn
from explain.percent import write_percent

NAME = "phantom-3d"
WINDOW = (-500.0, 500.0)
"""Hounsfield units that become 0 and 1."""

MEAN, STD = 0.5, 0.25
FIRST_TRAINED, FIRST_TESTED = 0, 10_000_000
"""Seeds from which volumes to train on and fresh ones are drawn; the kind of a seed is the seed modulo eight."""

EXAMPLE = 20_260_003
"""Seed of the volume that ships as files."""

LEARNING_RATE, WEIGHT_DECAY, BATCH = 3e-3, 1e-4, 32


def prepare(values: torch.Tensor) -> torch.Tensor:
    """Hounsfield units `(B, d, h, w)` as the network's input `(B, 1, d, h, w)`."""
    low, high = WINDOW
    return (((values.float() - low) / (high - low)).clamp(0, 1)[:, None] - MEAN) / STD


def draw(first: int, count: int, batch: int = BATCH) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Inputs and classes of so many seeds, batch by batch, the next one drawn meanwhile."""
    starts = range(first, first + count, batch)

    def make(start: int) -> tuple[torch.Tensor, torch.Tensor]:
        seeds = range(start, min(start + batch, first + count))
        values, _ = draw_batch(seeds)
        return prepare(torch.from_numpy(values)), torch.tensor([seed % len(KINDS) for seed in seeds])

    with ThreadPoolExecutor(1) as pool:
        ahead = None
        for start in starts:
            ready, ahead = ahead, pool.submit(make, start)
            if ready is not None:
                yield ready.result()
        if ahead is not None:
            yield ahead.result()


def train(volumes: int, seed: int = 0) -> PhantomCnn:
    """A network trained on so many volumes, each seen once; its weights rounded to float16, as they ship."""
    torch.manual_seed(seed)
    # In this order of memory a step takes three quarters of the time.
    network = PhantomCnn(len(KINDS)).train()
    network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    steps = -(-volumes // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps, pct_start=0.2)
    started, right = time.perf_counter(), 0.0
    for step, (inputs, classes) in enumerate(draw(FIRST_TRAINED, volumes)):
        scores = network(inputs.contiguous(memory_format=torch.channels_last_3d))
        loss = functional.cross_entropy(scores, classes, label_smoothing=0.05)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        right = 0.95 * right + 0.05 * float((scores.argmax(1) == classes).float().mean())
        if step % 20 == 0:
            passed = time.perf_counter() - started
            print(
                f"step {step}/{steps}: loss {loss.item():.3f}, right {write_percent(right, 1)}, {passed:.0f} s",
                flush=True,
            )
    network.eval().requires_grad_(False)
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(tensor.half())
    return network


def test(network: nn.Module, volumes: int) -> float:
    """How many of so many fresh volumes it names rightly, in per cent."""
    right = 0
    with torch.no_grad():
        for inputs, classes in draw(FIRST_TESTED, volumes):
            right += int((network(inputs).argmax(1) == classes).sum())
    return 100 * right / volumes


def main(
    out: Annotated[Path, typer.Option(help="Where the weights are written.")] = VOLUMES_FOLDER,
    volumes: Annotated[int, typer.Option(help="How many volumes to train on.", min=BATCH)] = 20_000,
    test_volumes: Annotated[int, typer.Option(help="How many fresh ones to test on.", min=8)] = 1_600,
    seed: int = 0,
) -> None:
    """Train, test, and write the weights."""
    torch.set_num_threads(1)
    network = train(volumes, seed)
    accuracy = test(network, test_volumes)
    print(f"right on {accuracy:.2f} % of {test_volumes:,} fresh volumes")
    recipe = {"volumes": volumes, "batch": BATCH, "learning_rate": LEARNING_RATE, "weight_decay": WEIGHT_DECAY}
    tensors = {
        key: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
        for key, tensor in network.state_dict().items()
    }
    example = draw_phantom(KINDS[EXAMPLE % len(KINDS)].name, EXAMPLE)
    for file, data in zip(
        EXAMPLE_VOLUMES.values(),
        (encode_nifti(example), encode_nifti(example, mask=True), encode_series(example)),
        strict=True,
    ):
        (out / file.name).write_bytes(data)
    metadata = {"top1": f"{accuracy:.2f}", "recipe": json.dumps({**recipe, "seed": seed})}
    safetensors.torch.save_file(tensors, out / f"{NAME}.safetensors", metadata)


if __name__ == "__main__":
    typer.run(main)
