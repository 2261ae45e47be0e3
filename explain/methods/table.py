"""The methods as a Markdown table, generated from their declarations so that no page lists them by hand."""

from __future__ import annotations

import re

from explain.methods.base import Method, all_methods, describe_needs
from explain.settings import Settings


def methods_table() -> str:
    """One row a method, in the order shown: name, what it shows, what it needs, its main settings, its paper."""
    rows = ["| method | what it shows | needs | settings (default) | paper |", "|---|---|---|---|---|"]
    rows += [_row(method) for method in all_methods().values()]
    return "\n".join(rows) + "\n"


def link_papers(text: str) -> str:
    """The text with every arXiv identifier as a Markdown link to the paper."""
    return re.sub(r"arXiv (\d{4}\.\d{4,5})", r"[arXiv \1](https://arxiv.org/abs/\1)", text)


def _row(method: Method) -> str:
    cells = (
        f"**{method.title}**<br>`{method.name}`",
        method.sentence,
        describe_needs(method),
        _settings(method.settings),
        link_papers(method.paper),
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _settings(settings: type[Settings]) -> str:
    """The settings a reader meets first, with their defaults, and how many advanced ones there are besides."""
    advanced = {
        name
        for name, field in settings.model_fields.items()
        if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("advanced")
    }
    shown = [f"`{name}` ({field.default})" for name, field in settings.model_fields.items() if name not in advanced]
    if advanced:
        shown.append(f"{len(advanced)} advanced")
    return ", ".join(shown) or "none"


if __name__ == "__main__":
    print(methods_table(), end="")
