"""The model: one that ships with CAMscope, one of timm's on the hub, the person's own file, or prompts trained here."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from components.choices.chosen_model import GOES_TO, ModelChoice, get_choice, keep_choice, use_bundled, use_choice
from components.choices.dropdown import dropdown
from components.choices.own_file import ask_for_file, declare_outputs
from components.choices.references import offer_references
from components.choices.series import get_scans
from components.session.carried import HUB_TEXT, MODEL_SOURCE
from components.session.front_door import link_to_page
from components.session.gate import is_refused
from components.session.work import Place, Work
from components.words import escape
from explain.bundled.caution import knows_scan
from explain.bundled.models import (
    EXAMPLE_SERIES,
    FIRST_MODEL,
    BundledModel,
    bundled_models,
    bundled_volume_models,
)
from explain.bundled.pictures import find_bundled
from explain.errors import Busy, ModelError, RightsError
from explain.models.hub import HubModel, is_downloaded, search_hub
from explain.models.loaded import LoadedModel
from explain.models.prompt_library import PromptCard, list_prompts
from explain.models.request import ModelRequest, ModelSource
from explain.networks.meaning import MEANINGS, Outputs
from explain.pictures.picture import Picture
from explain.rights import describe_missing, may

if TYPE_CHECKING:
    from explain.engine.engine import Engine


_SOURCES: dict[ModelSource, str] = {"bundled": "Bundled", "hub": "Hub", "file": "File", "prompts": "Prompts"}
_MOST_NAMED = 12

_log = logging.getLogger(__name__)


def pick_model() -> ModelChoice:
    """Offer the four sources; gives back the model in use, which stays until another one is asked for."""
    if GOES_TO in st.session_state:
        st.session_state[MODEL_SOURCE] = st.session_state.pop(GOES_TO)
    source = st.segmented_control(
        "Model",
        [*_SOURCES],
        format_func=_SOURCES.__getitem__,
        default=None if MODEL_SOURCE in st.session_state else "bundled",
        required=True,
        key=MODEL_SOURCE,
        persist_state="session",
        width="stretch",
        help="What ships with CAMscope, timm's models on the hub, a checkpoint of your own, or class prompts that were "
        "trained here.",
    )
    if source == "hub":
        _search_hub()
    elif source == "file":
        ask_for_file()
    elif source == "prompts":
        _list_prompts()
    else:
        _list_bundled()
    choice = get_choice()
    if source not in ("file", choice.request.source):  # the form says it itself, as soon as a file is given
        st.caption(f"In use: {escape(choice.request.name)}")
    if choice.request.source != "bundled":
        offer_references()
    return choice


def await_model(engine: Engine, choice: ModelChoice, place: Place) -> LoadedModel | None:
    """The model in use; None where it cannot be loaded, or first has to be fetched, which `place` then says."""
    if choice.from_link and choice.request.source == "hub" and may("models") and not is_downloaded(choice.request.name):
        with place.container():
            st.info(
                f"This link shows “{choice.request.name}” of the hub, which is not on this machine yet. Fetching it "
                "takes the network, and from seconds to minutes.",
                icon=":material/cloud_download:",
            )
            with st.container(horizontal=True):
                st.button("Fetch it", key="model-fetch", on_click=lambda: setattr(choice, "from_link", False))
                st.button(f"Use {FIRST_MODEL}", key="model-first", on_click=use_bundled, args=(FIRST_MODEL,))
        return None
    if choice.problem is None:
        try:
            return place.watch(
                Work(lambda _: engine.load(choice.request, choice.weights)), f"Loading {choice.request.name} …"
            )
        except Busy:  # it is not the model's fault: whoever asks again may have it
            raise
        except (ModelError, RightsError) as error:
            choice.problem = str(error)
        except Exception:
            _log.exception("A model could not be loaded")
            choice.problem = (
                f"“{choice.request.name}” could not be loaded. The reason is in the server's log; try another model."
            )
    with place.container():
        st.error(choice.problem, icon=":material/error:")
        with st.container(horizontal=True):
            st.button("Try again", key="model-again", on_click=lambda: setattr(choice, "problem", None))
            if choice.request.name != FIRST_MODEL:
                st.button(f"Use {FIRST_MODEL}", key="model-first", on_click=use_bundled, args=(FIRST_MODEL,))
    return None


def pick_outputs(choice: ModelChoice, model: LoadedModel) -> None:
    """Say beside a model from a file what its numbers are taken to mean, and hear what else they do.

    Args:
        choice: the model in use.
        model: the same, loaded.
    """
    if model.request.source != "file" or model.prompted is not None:
        return
    options: tuple[Outputs, ...] = ("classes", "findings", "value")
    if len(model.labels) == 1 or model.outputs == "logit":
        names = model.request.label_names
        options = ("logit",) if names is not None and len(names) == 2 else ("logit", "value")
    told = model.outputs in options and (model.request.outputs is not None or model.outputs != "value")

    def declare(outputs: Outputs) -> None:
        declare_outputs(choice, outputs)

    dropdown(
        "Its numbers are taken as",
        options,
        model.outputs if told else None,
        "outputs-widget",
        declare,
        format_func=MEANINGS.__getitem__,
        placeholder="Not said: shown as it is",
        help="What a probability is made of: a softmax over classes, a sigmoid of each finding or of the one logit. A "
        "value has none.",
        filter_mode=None,
    )


def _list_bundled() -> None:
    request, volumes = get_choice().request, {model.name: model for model in bundled_volume_models()}
    has_series = get_scans().volume is not None
    # Those that read volumes are offered where a series is open.
    beside = [model for name, model in volumes.items() if has_series or name == request.name]
    models = {model.name: model for model in (*bundled_models(), *beside)}
    chosen = request.name if request.source == "bundled" and request.name in models else None
    dropdown(
        "Bundled model",
        [*models],
        chosen,
        "bundled",
        use_bundled,
        placeholder="Choose a bundled model",
        label_visibility="collapsed",
        filter_mode=None,
    )
    if chosen is not None:
        model = models[chosen]
        # Whoever shows it a radiograph must read this beside the answer.
        known = _list_classes(model.classes)
        shown = "volume" if chosen in volumes else "picture"
        st.caption(f"{describe_bundled(model)} It knows only {known}, and finds one of them in any {shown}.")
        if chosen in volumes and not has_series:
            st.caption("It reads whole volumes and no pictures: upload a series or a NIfTI file above.")
            st.button(
                "Open the example series",
                key="example-series",
                icon=":material/view_in_ar:",
                on_click=_open_example,
            )


def _open_example() -> None:
    """Open the drawn series that the models of volumes know."""
    get_scans().waiting = [(EXAMPLE_SERIES.name, EXAMPLE_SERIES.read_bytes())]


def find_model_for(pictures: Sequence[Picture], labels: Sequence[str]) -> str | None:
    """The bundled model, with class prompts if there is one, that knows example pictures the one in use does not.

    One that knows all of them goes first. Failing that, no other model knows the drawn birds, and what is in a
    photograph is offered only where nothing that is shown is known. Photographs count only where a bundled model's
    labels are in use: another model has other words for what it knows.
    """
    found = [entry for entry in map(find_bundled, (picture.digest for picture in pictures)) if entry is not None]
    entries = [entry for entry in found if entry.classes]
    bundled = bundled_models()
    unknown = [entry for entry in entries if not {*entry.classes} & {*labels}]
    if not any({*labels} == {*model.classes} for model in bundled):
        unknown = [entry for entry in unknown if entry.seed is not None]
    if not unknown:
        return None
    asking = unknown if len(unknown) == len(entries) else [entry for entry in unknown if entry.seed is not None]
    strangers = {name for entry in asking for name in entry.classes}
    knowing = [model for model in bundled if all({*entry.classes} & {*model.classes} for entry in entries)]
    knowing = knowing or [model for model in bundled if strangers & {*model.classes}]
    return max(knowing, key=lambda model: model.prompts is not None).name if knowing else None


def list_knowing(pictures: Sequence[Picture]) -> list[str]:
    """Names of the bundled models that know what the pictures show: all of them, or at least one of them.

    Scans are for the models that have seen scans of their kind. What else nobody has described, and what no model
    knows, is taken for a photograph.
    """
    models = bundled_models()
    known = [_list_knowing_one(picture, models) for picture in pictures]
    every = set.intersection(*known) if known else set()
    some = every or set.union(set(), *known)
    return [model.name for model in models if model.name in some]


def _list_knowing_one(picture: Picture, models: Sequence[BundledModel]) -> set[str]:
    entry = find_bundled(picture.digest)
    if entry is not None and entry.classes:
        return {model.name for model in models if {*entry.classes} & {*model.classes}}
    scanned = {model.name for model in models if knows_scan(model.knows, picture)}
    return scanned or {model.name for model in models if model.knows == "photographs"}


def find_prompted_for(pictures: Sequence[Picture]) -> str | None:
    """A bundled model with class prompts that knows every picture shown, where all of them are examples."""
    entries = [find_bundled(picture.digest) for picture in pictures]
    for model in bundled_models():
        if model.prompts and entries and all(entry and {*entry.classes} & {*model.classes} for entry in entries):
            return model.name
    return None


def describe_bundled(model: BundledModel) -> str:
    """What it is and how often it is right."""
    known = model.describe_accuracy()
    return f"{model.title}." + (f" {known[:1].upper()}{known[1:]}." if known else "")


def _list_prompts() -> None:
    if is_refused("prompts"):
        return
    trained = {card.name: card for card in list_prompts()}
    if not trained:
        st.caption("You have no prompts yet. Teach a vision transformer to tell your own classes apart:")
        link_to_page("studio", "Train prompts in the Studio", ":material/school:")
        return
    request = get_choice().request
    chosen = request.name if request.source == "prompts" and request.name in trained else None
    dropdown(
        "Your prompts",
        [*trained],
        chosen,
        "prompts",
        lambda name: use_choice(ModelChoice(trained[name].request)),
        placeholder="Choose prompts",
        label_visibility="collapsed",
        filter_mode=None,
    )
    if chosen is not None:
        card = trained[chosen]
        known = escape(_list_classes(card.classes))
        st.caption(f"{escape(describe_prompts(card))} They know only {known}, and find one of them in any picture.")


def _list_classes(classes: Sequence[str]) -> str:
    """Their names, or the first of many and how many more there are."""
    more = len(classes) - _MOST_NAMED
    return ", ".join(classes) if more <= 0 else f"{', '.join(classes[:_MOST_NAMED])} and {more:,} more"


def describe_prompts(card: PromptCard) -> str:
    """What they are trained on and how often they are right, as far as it is known."""
    return f"{len(card.classes):,} classes on {card.backbone.name}, {card.describe_accuracy()}."


def _search_hub() -> None:
    text = st.text_input(
        "Search timm's pretrained models",
        key=HUB_TEXT,
        placeholder="for example resnet18, convnext tiny",
        persist_state="session",
    )
    place = Place("hub-found")
    found: list[HubModel] = place.watch(Work(lambda _: search_hub(text)), "Reading timm's list of models …")
    with place.container():
        if not found:
            st.caption("No pretrained timm model has all of these words in its name.")
            return
        offline = {entry.name: entry.cached for entry in found}
        name = st.selectbox(
            "Model of the hub",
            [*offline],
            index=None,
            format_func=lambda name: f"{name} · works offline" if offline[name] else name,
            key="hub-name",
            placeholder=f"{len(found)} models: choose one",
            label_visibility="collapsed",
        )
        refused = name is not None and not offline[name] and not may("models")
        usable = name is not None and not refused
        if st.button("Use this model", key="hub-use", width="stretch", disabled=not usable) and name is not None:
            keep_choice(ModelChoice(ModelRequest(source="hub", name=name)))
        if refused:
            st.caption(
                f"It is not on this server yet. {describe_missing('models')} Those that work offline are for all."
            )
        elif name is not None and not offline[name]:
            st.caption("Fetched from huggingface.co once when first used; your pictures stay here.")
