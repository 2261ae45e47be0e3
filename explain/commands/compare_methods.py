"""`compare-methods`: how the methods of a run compare over its pictures, as tables and a plot for a paper."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from explain.collections.bootstrap import Statistic
from explain.collections.comparing import ask_comparison, measure
from explain.collections.comparison import BEST, compare
from explain.collections.comparison_files import list_lines, write_csv, write_json, write_latex
from explain.collections.comparison_plot import draw_comparison
from explain.collections.gathered import Gathered
from explain.collections.measuring_question import DEFAULT_MEASURES, MEASURABLE
from explain.collections.source import find_path
from explain.commands.collect import CANCELLED, ProgressLines
from explain.commands.flags import app, split_names, write_files
from explain.datasets.regions import read_regions
from explain.errors import Cancelled
from explain.storage import check_folder, read_file

FIRST_LIMIT = 500
"""Pictures that are measured where nothing is said."""


@app.command()
def compare_methods(
    run: Annotated[Path, typer.Argument(help="The folder of a run, made by collect.")],
    measures: Annotated[
        str, typer.Option(help=f"Names with commas between, of {', '.join(MEASURABLE)}; or none.")
    ] = ",".join(DEFAULT_MEASURES),
    boxes: Annotated[
        Path | None, typer.Option(help="Where maps should point: a CSV of boxes, or COCO's JSON with boxes or masks.")
    ] = None,
    tolerance: Annotated[float, typer.Option(help="Pixels by which a map may point beside a region.")] = 0.0,
    against: Annotated[str, typer.Option(help="The method that all are held against, or best.")] = BEST,
    statistic: Annotated[Statistic, typer.Option(help="Of the pictures' figures: mean or median.")] = "mean",
    by_group: Annotated[
        bool, typer.Option("--by-group", help="Pictures of one group, such as a patient, are drawn together.")
    ] = False,
    limit: Annotated[int, typer.Option(help="So many pictures at most, drawn by --seed; 0 for all.")] = FIRST_LIMIT,
    seed: Annotated[int, typer.Option(help="Of that draw, and of the bootstrap's.")] = 0,
    shard: Annotated[int | None, typer.Option(help="Pictures that are written together; 16.")] = None,
    source: Annotated[Path | None, typer.Option(help="Where the pictures lie now, if elsewhere than before.")] = None,
    model_file: Annotated[Path | None, typer.Option(help="The model's checkpoint, if it came from a file.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the tables and the plot; left out, the run's.")] = None,
) -> None:
    """Compare the methods of a run over its pictures: insertion, deletion, ROAD …, verdicts, and regions pointed at.

    The same command goes on with what is not measured yet. The exit status is 4 where it was stopped.
    """
    folder = check_folder(find_path(run if out is None else out))
    table = Gathered(find_path(run))
    asked = ask_comparison(
        table,
        [] if measures == "none" else split_names(measures),
        None if boxes is None else read_regions(read_file(boxes), boxes.name),
        tolerance,
        limit or None,
        seed,
        source=source,
        model_file=model_file,
        shard=shard,
    )
    try:
        measure(asked, ProgressLines().tell)
    except (KeyboardInterrupt, Cancelled):
        print("Stopped. What is measured stays; the same command goes on from there.", file=sys.stderr)
        raise typer.Exit(CANCELLED) from None
    comparison = compare(table, asked.sample, asked.questions, against, statistic, by_group)
    for line in list_lines(comparison):
        print(line)
    files = {
        "csv": write_csv(comparison),
        "tex": write_latex(comparison),
        "json": write_json(comparison),
        "pdf": draw_comparison(comparison, "pdf"),
        "svg": draw_comparison(comparison, "svg"),
    }
    write_files(folder, {f"comparison.{ending}": data for ending, data in files.items()})
    print(f"\nWritten to {folder}: comparison.csv, .tex, .json, .pdf and .svg. Not for diagnostic use.")
