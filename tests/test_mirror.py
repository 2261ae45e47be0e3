"""`tests/` mirrors `explain/` and `components/`: who looks for the tests of a file finds them under its name.

Folders of `tests/` are the rooms; `rows.py` is tested by `test_rows.py`, a part of the browser by its folder's name.
What is tested elsewhere is listed here with the place, and so is what there is nothing to test of.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MIRRORED = ("explain", "components")

ELSEWHERE = {
    "explain/__init__.py": "tests/explain/report/test_export.py",
    "explain/__main__.py": "tests/explain/commands/test_show.py",
    "explain/bundled/architectures.py": "tests/explain/bundled/making/test_train.py",
    "explain/bundled/making/spectrum.py": "tests/explain/bundled/test_spectrum.py",
    "explain/bundled/birds/body.py": "tests/explain/bundled/birds/test_draw.py",
    "explain/bundled/birds/canvas.py": "tests/explain/bundled/birds/test_draw.py",
    "explain/bundled/birds/dice.py": "tests/explain/bundled/birds/test_draw.py",
    "explain/bundled/birds/scene.py": "tests/explain/bundled/birds/test_draw.py",
    "explain/bundled/birds/shapes.py": "tests/explain/bundled/birds/test_draw.py",
    "explain/collections/actor.py": "tests/explain/collections/test_cluster.py",
    "explain/collections/embedding.py": "tests/explain/collections/test_gathered.py",
    "explain/collections/filtering.py": "tests/explain/collections/test_gathered.py",
    "explain/collections/reading.py": "tests/explain/collections/test_gathered.py",
    "explain/collections/runs.py": "tests/explain/collections/test_gathered.py",
    "explain/collections/file_source.py": "tests/explain/collections/test_opening.py",
    "explain/collections/page_worker.py": "tests/explain/collections/test_page_run.py",
    "explain/collections/parquet_source.py": "tests/explain/collections/test_opening.py",
    "explain/collections/question.py": "tests/explain/collections/test_run_folder.py",
    "explain/collections/comparing.py": "tests/explain/collections/test_comparison.py",
    "explain/collections/comparison_plot.py": "tests/explain/collections/test_comparison_files.py",
    "explain/collections/measured.py": "tests/explain/collections/test_measuring.py",
    "explain/collections/measuring_question.py": "tests/explain/collections/test_comparison.py",
    "explain/collections/source.py": "tests/explain/collections/test_opening.py",
    "explain/collections/status.py": "tests/explain/collections/test_run.py",
    "explain/collections/tables.py": "tests/explain/collections/test_run_folder.py",
    "explain/collections/tar_source.py": "tests/explain/collections/test_opening.py",
    "explain/collections/worker.py": "tests/explain/collections/test_run.py",
    "explain/commands/channels.py": "tests/explain/commands/test_effects.py",
    "explain/commands/expectation.py": "tests/explain/commands/test_effects.py",
    "explain/commands/flags.py": "tests/explain/commands/test_show.py",
    "explain/commands/training_flags.py": "tests/explain/commands/test_attention.py",
    "explain/commands/without.py": "tests/explain/commands/test_show.py",
    "explain/datasets/coco.py": "tests/explain/datasets/test_regions.py",
    "explain/datasets/marked.py": "tests/explain/datasets/test_regions.py",
    "explain/datasets/given.py": "tests/explain/datasets/test_reading.py",
    "explain/engine/asker.py": "tests/explain/engine/test_channels.py",
    "explain/engine/drawing.py": "tests/explain/engine/test_engine.py",
    "explain/engine/explainer.py": "tests/explain/engine/test_engine.py",
    "explain/engine/explanation.py": "tests/explain/engine/test_engine.py",
    "explain/engine/masked.py": "tests/explain/engine/test_judging.py",
    "explain/engine/observer.py": "tests/explain/engine/test_engine.py",
    "explain/engine/sight.py": "tests/explain/engine/test_engine.py",
    "explain/engine/wanted.py": "tests/explain/engine/test_visualisation.py",
    "explain/engine/strangers.py": "tests/explain/engine/test_judging.py",
    "explain/faithfulness/measures/__init__.py": "tests/explain/faithfulness/measures/test_registry.py",
    "explain/faithfulness/measures/aopc.py": "tests/explain/faithfulness/measures/test_insertion.py",
    "explain/faithfulness/measures/base.py": "tests/explain/faithfulness/measures/test_registry.py",
    "explain/faithfulness/measures/copies.py": "tests/explain/faithfulness/measures/test_infidelity.py",
    "explain/faithfulness/measures/deletion.py": "tests/explain/faithfulness/measures/test_insertion.py",
    "explain/faithfulness/measures/gain.py": "tests/explain/faithfulness/measures/test_insertion.py",
    "explain/faithfulness/measures/hiding.py": "tests/explain/faithfulness/measures/test_infidelity.py",
    "explain/faithfulness/measures/one_place.py": "tests/explain/faithfulness/measures/test_infidelity.py",
    "explain/faithfulness/measures/unlike.py": "tests/explain/faithfulness/measures/test_infidelity.py",
    "explain/faithfulness/measures/other_classes.py": "tests/explain/faithfulness/measures/test_infidelity.py",
    "explain/methods/__init__.py": "tests/explain/methods/test_registry.py",
    "explain/methods/base.py": "tests/explain/methods/test_registry.py",
    "explain/methods/cf_cam/clustering.py": "tests/explain/methods/test_cf_cam.py",
    "explain/methods/cf_cam/formula.py": "tests/explain/maps/test_channels.py",
    "explain/methods/cf_cam/parts.py": "tests/explain/methods/test_cf_cam.py",
    "explain/methods/formula.py": "tests/explain/maps/test_channels.py",
    "explain/methods/cf_cam/filters.py": "tests/explain/methods/test_cf_cam.py",
    "explain/methods/cf_cam/method.py": "tests/explain/methods/test_cf_cam.py",
    "explain/methods/cf_cam/settings.py": "tests/explain/methods/test_cf_cam.py",
    "explain/methods/cf_cam/view.py": "tests/explain/methods/test_cf_cam.py",
    "explain/methods/strongest_channels.py": "tests/explain/methods/test_score_cam.py",
    "explain/methods/table.py": "tests/test_project.py",
    "explain/networks/pooling.py": "tests/explain/models/test_replaced_head.py",
    "explain/networks/trace.py": "tests/explain/networks/test_layer_search.py",
    "explain/passes/patching.py": "tests/explain/engine/test_patching.py",
    "explain/pictures/dicom_frames.py": "tests/explain/pictures/test_dicom.py",
    "explain/volumes/bounds.py": "tests/explain/volumes/test_reading.py",
    "explain/volumes/header.py": "tests/explain/volumes/test_series.py",
    "explain/volumes/loading.py": "tests/explain/volumes/test_reading.py",
    "explain/ray_cluster.py": "tests/explain/collections/test_cluster.py",
    "explain/remote/here.py": "tests/explain/remote/test_client.py",
    "explain/remote/serve.py": "tests/explain/remote/test_web.py",
    "explain/remote/service.py": "tests/explain/remote/test_client.py",
    "explain/report/mask_files.py": "tests/explain/report/test_masks.py",
    "explain/training/detached.py": "tests/explain/training/test_run.py",
    "explain/training/fit.py": "tests/explain/training/test_loop.py",
    "explain/training/attention_fit.py": "tests/explain/training/test_attention_loop.py",
    # What is drawn with Streamlit is tested on the page that shows it.
    "components/server/answers.py": "tests/components/server/test_guard.py",
    "components/server/metrics.py": "tests/components/server/test_routes.py",
    "components/server/watch.py": "tests/components/server/test_routes.py",
    "explain/engine/figures.py": "tests/test_app.py",
    "components/browser/canvas/files.py": "tests/components/browser/test_canvas.py",
    "components/browser/canvas/stack.py": "tests/browser/test_stack.py",
    "components/browser/canvas/view.py": "tests/components/page/test_link.py",
    "components/browser/late_marks/__init__.py": "tests/browser/test_dashboard.py",
    "components/browser/gallery/__init__.py": "tests/browser/test_dashboard.py",
    "components/choices/chosen_model.py": "tests/pages/test_own_file.py",
    "components/choices/combination.py": "tests/pages/test_links.py",
    "components/choices/file_rows.py": "tests/pages/test_own_file.py",
    "components/choices/layer.py": "tests/pages/test_layers.py",
    "components/choices/mask.py": "tests/pages/test_compare.py",
    "components/choices/methods.py": "tests/pages/test_compare.py",
    "components/choices/one_method.py": "tests/pages/test_layers.py",
    "components/choices/one_picture.py": "tests/pages/test_clusters.py",
    "components/choices/own_file.py": "tests/pages/test_own_file.py",
    "components/collections/choosing.py": "tests/pages/test_collection.py",
    "components/collections/comparison.py": "tests/pages/test_collection.py",
    "components/collections/comparison_plot.py": "tests/pages/test_collection.py",
    "components/collections/explain_all.py": "tests/pages/test_explain_all.py",
    "components/collections/kept.py": "tests/pages/test_explain_all.py",
    "components/collections/sending.py": "tests/pages/test_explain_all.py",
    "components/collections/scatter.py": "tests/pages/test_collection.py",
    "components/collections/strategies.py": "tests/pages/test_collection.py",
    "components/collections/wall.py": "tests/pages/test_collection.py",
    "components/maps/agreement.py": "tests/pages/test_compare.py",
    "components/maps/buttons.py": "tests/pages/test_compare.py",
    "components/maps/clusters.py": "tests/pages/test_clusters.py",
    "components/maps/curves.py": "tests/pages/test_compare.py",
    "components/maps/frames.py": "tests/pages/test_layers.py",
    "components/maps/headings.py": "tests/components/maps/test_rows.py",
    "components/maps/layers.py": "tests/pages/test_layers.py",
    "components/maps/question.py": "tests/pages/test_compare.py",
    "components/maps/masks.py": "tests/pages/test_compare.py",
    "components/maps/method_cards.py": "tests/pages/test_methods.py",
    "components/maps/sections.py": "tests/pages/test_compare.py",
    "components/maps/words_box.py": "tests/pages/test_compare.py",
    "components/maps/wanted.py": "tests/pages/test_layers.py",
    "components/maps/waiting.py": "tests/pages/test_compare.py",
    "components/page/tour_steps.py": "tests/components/page/test_tour.py",
    "components/browser/line/__init__.py": "tests/browser/test_replicas.py",
    "components/page/presenter/__init__.py": "tests/browser/test_links.py",
    "components/page/subject.py": "tests/pages/test_clusters.py",
    "components/session/carried.py": "tests/pages/test_clusters.py",
    "components/session/engine.py": "tests/test_app.py",
    "components/session/front_door.py": "tests/browser/test_dashboard.py",
    "components/studio/attention.py": "tests/pages/test_attention.py",
    "components/studio/channel_charts.py": "tests/components/studio/test_channels.py",
    "components/studio/groups.py": "tests/pages/test_studio.py",
    "components/studio/map_region.py": "tests/pages/test_without_it.py",
    "components/studio/recipe.py": "tests/pages/test_studio.py",
    "components/studio/surgery.py": "tests/components/studio/test_eyes.py",
    "components/studio/training.py": "tests/pages/test_studio.py",
    "components/studio/trait_gallery.py": "tests/pages/test_studio.py",
    "components/studio/without.py": "tests/pages/test_without_it.py",
    "components/choices/view.py": "tests/pages/test_studio.py",
    "components/studio/views.py": "tests/pages/test_studio.py",
    "components/truth/asking.py": "tests/pages/test_truth.py",
    "components/truth/charts.py": "tests/components/truth/test_counted.py",
    "components/truth/views.py": "tests/pages/test_truth.py",
}
"""By file, where its tests are."""

TABLES = {
    "explain/bundled/class_names.py",
    "explain/bundled/making/examples.py",
    "explain/networks/prompt_variant.py",
    "explain/training/outcome.py",
    "components/maps/colours.py",
    "components/collections/views.py",
}
"""Files that name things and do nothing."""


def is_a_sign(path: Path) -> bool:
    """Whether a file says in a line what its folder is, and no more."""
    return [type(node) for node in ast.parse(path.read_text(encoding="utf-8")).body] == [ast.Expr]


def find_mirror(file: str) -> str:
    """Where the tests of a file belong."""
    path = Path(file)
    named = path.parent if path.name == "__init__.py" else path.with_suffix("")
    return (Path("tests") / named.parent / f"test_{named.name}.py").as_posix()


def list_unmirrored(root: Path) -> list[str]:
    """The files without tests under their name, as seen from `root`."""
    paths = [path for top in MIRRORED for path in (root / top).rglob("*.py") if not is_a_sign(path)]
    files = [path.relative_to(root).as_posix() for path in paths]
    return sorted(file for file in files if not (root / find_mirror(file)).exists())


def list_orphans(root: Path) -> list[str]:
    """The tests in a mirrored folder that are in none of the program's."""
    folders = {
        path.parent.relative_to(root / "tests") for top in MIRRORED for path in (root / "tests" / top).rglob("*.py")
    }
    return sorted(folder.as_posix() for folder in folders if not (root / folder).is_dir())


def test_every_file_has_its_tests_under_its_name_or_says_where_they_are() -> None:
    assert list_unmirrored(ROOT) == sorted({*ELSEWHERE, *TABLES}), "write tests under the file's name, or say where"
    assert not TABLES & set(ELSEWHERE)
    assert [place for place in ELSEWHERE.values() if not (ROOT / place).is_file()] == []
    assert list_orphans(ROOT) == []


def test_a_table_defines_no_function() -> None:
    for file in TABLES:
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        assert [node for node in tree.body if isinstance(node, ast.FunctionDef)] == [], file


@pytest.mark.parametrize(
    ("file", "mirror"),
    [
        ("explain/maps/render.py", "tests/explain/maps/test_render.py"),
        ("explain/storage.py", "tests/explain/test_storage.py"),
        ("components/browser/knee/__init__.py", "tests/components/browser/test_knee.py"),
    ],
)
def test_a_file_without_tests_is_found(tmp_path: Path, file: str, mirror: str) -> None:
    for path, text in ((file, "def draw():\n    pass"), ("explain/maps/__init__.py", '"""A sign."""')):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert list_unmirrored(tmp_path) == [file]
    (tmp_path / mirror).parent.mkdir(parents=True)
    (tmp_path / mirror).write_text("")
    assert list_unmirrored(tmp_path) == []
    (tmp_path / "tests/explain/attic").mkdir(parents=True)
    (tmp_path / "tests/explain/attic/test_a.py").write_text("")
    assert list_orphans(tmp_path) == ["explain/attic"]
