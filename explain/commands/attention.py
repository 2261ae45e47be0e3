"""`train-attention`: T-TAME's attention for a classifier, whose maps are then a method like any other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from explain.bundled.models import FIRST_MODEL
from explain.commands.flags import ATTENTION, CHECKPOINT, Json, app, with_flags
from explain.commands.progress_lines import say_progress
from explain.commands.training_flags import load_to_train, say_left_out
from explain.datasets.reading import read_folder, read_zip
from explain.models.attention_library import AttentionCard
from explain.models.attention_report import HONEST
from explain.storage import read_file
from explain.training.attention_recipe import choose_attention_recipe
from explain.training.attention_saving import train_and_save_attention
from explain.training.outcome import Epoch, Preparing
from explain.training.recipe import change_recipe


@app.command()
@with_flags(CHECKPOINT, ATTENTION)
def train_attention(
    pictures: Annotated[
        Path, typer.Argument(help="A folder or zip of pictures; which of its folders they lie in plays no part.")
    ],
    out: Annotated[str, typer.Option(help="Name for the attention; --set t-tame.module=NAME then uses it.")],
    model: Annotated[str, typer.Option(help="The classifier, as for show --model.")] = FIRST_MODEL,
    preset: Annotated[str, typer.Option(help="published: the settings of T-TAME's authors.")] = "",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the same training where it was stopped.")
    ] = False,
    as_json: Json = False,
    **flags: Any,
) -> None:
    """Train attention (T-TAME) on what a classifier says of pictures: no labels are needed, only its own answers."""
    if pictures.is_dir():
        dataset = read_folder(pictures, by_class=False)
    else:
        dataset = read_zip(read_file(pictures), pictures.name, by_class=False)
    say_left_out(dataset)
    loaded, _, given = load_to_train(model, flags)
    recipe = change_recipe(choose_attention_recipe(loaded, preset), given)

    def tell(said: Epoch | Preparing | str, share: float | None) -> None:
        if isinstance(said, Epoch):
            said = (
                f"epoch {said.number}/{recipe.epochs}: loss {said.loss:.3f}, masked {said.accuracy:.1f} % keep their "
                f"class; {said.pictures_per_second:,.0f} pictures/s"
            )
        elif isinstance(said, Preparing):
            said = said.text
        say_progress(share or 0.0, said)

    card, trained = train_and_save_attention(out, loaded, dataset, recipe, resume, tell)
    if as_json:
        words = [card.report.describe(), *card.report.list_warnings(), HONEST]
        print(json.dumps({"in words": words, "seconds": trained.outcome.seconds, **card.model_dump(mode="json")}))
        return
    _print_report(card)
    print(f"\nSaved as {card.name}. Use it by --methods t-tame --set t-tame.module={card.name}.")


def _print_report(card: AttentionCard) -> None:
    """What its maps are worth, beside those of other methods on the same pictures."""
    report = card.report
    print("\n            drop, %  rises, %  insertion  deletion  other class")
    for row in (report.own, *report.others):
        likeness = "" if row.likeness is None else f"{row.likeness:11.2f}"
        print(
            f"{row.title:<10} {row.average_drop:8.1f}  {row.increase:8.0f}  {row.insertion:9.3f}  {row.deletion:8.3f}  "
            f"{likeness}".rstrip()
        )
    print(
        "\nDrop: of the probability, where the picture is shown as bright as the map; rises: of how many of a hundred. "
        "Insertion is better high, deletion low. Other class: how alike maps of the likeliest and the least likely are."
    )
    print(report.describe())
    for warning in report.list_warnings():
        print(warning)
    print(HONEST)
