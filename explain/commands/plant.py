"""`plant`: a collection with a shortcut in it, to try on it how one is found."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from explain.commands.flags import app
from explain.commands.progress_lines import say_progress
from explain.errors import ExplainError
from explain.maps.render import encode_png
from explain.percent import write_percent
from explain.storage import check_folder, refusing_to_write
from explain.worlds.collections import MARKED, draw_collection
from explain.worlds.marks import MarkName
from explain.worlds.worlds import list_worlds

_TOGETHER = 50  # pictures between two lines on how far it is


@app.command()
def plant(
    mark: Annotated[MarkName, typer.Argument(help="Which mark, as the page Truth shows them.")] = "tag",
    out: Annotated[Path, typer.Option(help="A new folder for the pictures.")] = Path("planted"),
    count: Annotated[int, typer.Option(min=50, max=100_000, help="How many pictures.")] = 500,
    share: Annotated[float, typer.Option(min=0.1, max=50, help="How many of 100 have the mark.")] = 2.0,
    seed: Annotated[int, typer.Option(min=0, help="Another seed draws other pictures.")] = 0,
) -> None:
    """Draw a collection in which a few pictures have a mark, and name the network that relies on it."""
    out = check_folder(out)
    if out.exists() and any(out.iterdir()):
        raise ExplainError(f"{out} holds something already. Name a new folder.")
    planted = next(one for one in list_worlds() if one.mark == mark)
    marked = 0
    with refusing_to_write(out):
        for number, one in enumerate(draw_collection(planted, count, share / 100, seed), 1):
            folder = out / one.group / one.label
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{number:05}.png").write_bytes(encode_png(one.pixels))
            marked += one.group == MARKED
            if number % _TOGETHER == 0 or number == count:
                say_progress(number / count, "Drawing")
    model, label = planted.relying.model, planted.label
    print(
        f"{count:,} pictures are in {out}, {marked:,} of them ({write_percent(marked / count)}) with the mark: "
        f"{planted.planted.title[:1].lower()}{planted.planted.title[1:]}. {model} takes it for “{label}”:"
    )
    print(f"  python -m explain collect {out} --model {model} --target {label} --out {out}-run")
