"""Published weights become the bundled model's: each under the name of the network's own, or none of them."""

from pathlib import Path

import pytest
import torch
import typer

from explain.bundled.making.imagenet import main, rename


def test_tensors_are_renamed_in_their_order() -> None:
    own = {
        "conv_stem.weight": torch.zeros(2, 3),
        "bn1.running_var": torch.zeros(2),
        "bn1.num_batches_tracked": torch.tensor(0),
    }
    theirs = {
        "_conv_stem.weight": torch.ones(2, 3),
        "_bn0.running_var": torch.ones(2),
        "_bn0.num_batches_tracked": torch.tensor(7),
    }
    renamed = rename(theirs, own)
    assert [*renamed] == [*own]
    assert renamed["conv_stem.weight"].dtype == torch.float16 and int(renamed["bn1.num_batches_tracked"]) == 7
    with pytest.raises(ValueError, match="2 tensors, the network 3"):
        rename({name: theirs[name] for name in [*theirs][:2]}, own)
    with pytest.raises(ValueError, match=r"“_bn0.running_mean” of the file cannot be “bn1.running_var”"):
        rename({name.replace("var", "mean"): tensor for name, tensor in theirs.items()}, own)
    with pytest.raises(ValueError, match=r"“_conv_stem.weight” of the file cannot be"):
        rename({**theirs, "_conv_stem.weight": torch.ones(3, 2)}, own)
    with pytest.raises(ValueError, match="does not fit into float16"):
        rename({**theirs, "_bn0.running_var": torch.full((2,), 1e6)}, own)


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.pth").write_bytes(b"something else")
    with pytest.raises(typer.BadParameter, match="another file"):
        main(tmp_path / "other.pth", tmp_path / "out")
    assert not (tmp_path / "out").exists()
