"""`models`, `layers` and `methods`: what there is."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from explain.bundled.models import bundled_models, bundled_volume_models
from explain.commands.flags import CHECKPOINT, Json, app, keep_recipe, read_model, with_flags
from explain.engine.engine import Engine
from explain.methods import all_methods
from explain.models.hub import search_hub
from explain.models.prompt_library import list_prompts


@app.command()
def models(
    search: Annotated[str, typer.Argument(help="Part of a timm name; without it, only the bundled models.")] = "",
    as_json: Json = False,
) -> None:
    """List the bundled models, the prompts trained here and, with a search text, models of the hub."""
    bundled, trained = [*bundled_models(), *bundled_volume_models()], list_prompts()
    found = search_hub(search) if search else []
    if as_json:
        rows = {
            "bundled": [entry.model_dump(mode="json") for entry in bundled],
            "prompts": [card.model_dump(mode="json") for card in trained],
            "hub": [{"name": entry.name, "works_offline": entry.cached} for entry in found],
        }
        print(json.dumps(rows))
        return
    for entry in bundled:
        print(f"{entry.name:<12} bundled  {entry.title}")
    for card in trained:
        print(
            f"prompts:{card.name}  {len(card.classes)} classes on {card.backbone.name} ({card.variant}), "
            f"{card.describe_accuracy()}"
        )
    for hub in found:
        print(f"{hub.name}  hub{'  works offline' if hub.cached else ''}")
    print(f"Models run on {Engine().description}.")


@app.command()
@with_flags(CHECKPOINT)
def layers(
    model: Annotated[str, typer.Argument(help="As for show --model.")],
    as_json: Json = False,
    **checkpoint: Any,
) -> None:
    """List the layers of a model that can be explained, from stem to head."""
    request, weights, _ = read_model(model, **checkpoint)
    loaded = Engine().load(request, weights)
    keep_recipe(loaded, **checkpoint)
    default = loaded.default_layer
    if as_json:
        rows = [
            {"name": at.name, "grid": at.grid, "channels": at.channels, "default": at == default}
            for at in loaded.layers
        ]
        print(json.dumps(rows))
        return
    for at in loaded.layers:
        mark = "  (default)" if at == default else ""
        print(f"{at.name:<28} {at.describe_grid()}  {at.channels} channels{mark}")


@app.command()
def methods(as_json: Json = False) -> None:
    """List the methods with their settings."""
    if as_json:
        rows = [
            {
                "name": entry.name,
                "title": entry.title,
                "sentence": entry.sentence,
                "paper": entry.paper,
                "group": entry.group,
                "needs": sorted(entry.needs),
                "class_agnostic": entry.class_agnostic,
                "settings": entry.settings.model_json_schema().get("properties", {}),
                "presets": {name: values.model_dump(mode="json") for name, values in entry.presets.items()},
            }
            for entry in all_methods().values()
        ]
        print(json.dumps(rows))
        return
    for entry in all_methods().values():
        print(f"{entry.name:<12} {entry.title} ({entry.group}): {entry.sentence}\n{'':<12} {entry.paper}")
        for name, info in entry.settings.model_fields.items():
            print(f"{'':<14} --set {entry.name}.{name}={info.default}  {info.description}")
        for name in entry.presets:
            print(f"{'':<14} --preset {entry.name}={name}")
