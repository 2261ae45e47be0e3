"""What a model learns from another."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from explain.bundled.making.photographs import Photographs, find_flipped, shift_and_flip
from explain.bundled.making.teacher import distil, score_both_ways


def test_the_loss_is_that_of_the_label_and_that_of_the_softened_answer() -> None:
    scores = torch.tensor([[2.0, -1.0, 0.5]])
    taught = torch.tensor([[1.0, 3.0, -2.0]])
    ours, theirs = (torch.exp(row / 2) / torch.exp(row / 2).sum() for row in (scores[0], taught[0]))
    apart = (theirs * (theirs.log() - ours.log())).sum()
    label = -torch.log(torch.exp(scores[0]) / torch.exp(scores[0]).sum())[2]
    loss = distil(scores, taught, torch.tensor([2]))
    assert loss.item() == pytest.approx((0.3 * label + 0.7 * 4 * apart).item(), rel=1e-5)


def test_the_teacher_answers_once_for_a_picture_and_its_mirror_image(data: Path, tmp_path: Path) -> None:
    source = Photographs(data)
    pictures = source.read("train").pictures
    teacher = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 5, stride=3), torch.nn.Flatten(), torch.nn.LazyLinear(10))
    said: list[str] = []
    with torch.no_grad():
        expected = torch.stack([teacher(source.view(way)) for way in (pictures, pictures.flip(-1))])
        scores = score_both_ways(teacher, source, pictures, tmp_path / "kept", said.append)
    assert scores.dtype == torch.float16 and scores.shape == (2, len(pictures), 10)
    assert torch.allclose(scores.float(), expected, atol=0.02), "but for the rounding of bf16"
    assert not torch.allclose(expected[0], expected[1], atol=0.02)
    again = score_both_ways(torch.nn.Identity(), source, pictures, tmp_path / "kept", said.append)
    assert torch.equal(scores, again) and len(said) == 1


def test_the_mirror_image_s_scores_are_those_of_the_epochs_that_flip(data: Path) -> None:
    pictures = Photographs(data).read("train").pictures
    flipped = find_flipped(pictures, epoch=1)
    assert 0 < flipped.sum() < len(pictures)
    assert torch.equal(flipped, ~find_flipped(pictures, epoch=2))
    views = shift_and_flip(pictures, torch.Generator().manual_seed(0), epoch=1, reach=0)
    assert torch.equal(views, torch.where(flipped[:, None, None, None], pictures.flip(-1), pictures).float())
