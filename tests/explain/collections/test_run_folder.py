"""A run's folder: shards go by what is in them, and files are there whole or not at all."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from explain.collections.question import FORMAT, compare_questions, read_run_manifest
from explain.collections.run_folder import MAPS, RESULTS, RunFolder, Shard
from explain.collections.source import Item
from explain.collections.tables import build_table, list_map_fields, list_result_fields, name_column
from explain.errors import ExplainError, StorageError
from tests.support.collection_worker import make_manifest, make_question

ITEMS = [Item(f"{number}.png", 0, number) for number in range(10)]
QUESTION = make_question()


def list_ids(shards: list[Shard]) -> list[str]:
    return [id for shard in shards for id in shard.ids]


def test_a_name_is_of_the_question_and_the_pictures_in_order() -> None:
    shard = Shard.of(QUESTION, ["a", "b"])
    assert shard.name == Shard.of(make_question(), ["a", "b"]).name
    others = [Shard.of(QUESTION, ["b", "a"]), Shard.of(QUESTION, ["a"]), Shard.of(make_question(batch=2), ["a", "b"])]
    assert len({shard.name, *(other.name for other in others)}) == 4


def test_pictures_keep_their_shards_when_others_come_or_go(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    first = folder.plan(ITEMS[2:8], QUESTION)
    assert [len(shard.ids) for shard in first] == [4, 2] and list_ids(first) == [item.id for item in ITEMS[2:8]]
    # Two that sort before them, two after, and one is gone.
    second = folder.plan([*ITEMS[:5], *ITEMS[6:]], QUESTION)
    assert second[:2] == first
    assert [len(shard.ids) for shard in second] == [4, 2, 4]
    assert sorted(list_ids(second)) == sorted(item.id for item in ITEMS)
    assert folder.plan(ITEMS, QUESTION) == second
    with pytest.raises(ExplainError, match="over other pictures"):
        folder.plan([Item("x.png", 0, 1)], QUESTION)


def test_a_shard_that_workers_died_on_is_halved_down_to_one(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    shard = Shard.of(QUESTION, list("abcde"))
    assert list(folder.list_parts(shard, QUESTION, ())) == [shard]
    folder.mourn(shard.name, [])
    first, second = folder.list_parts(shard, QUESTION, folder.read_casualties().halved)
    assert (first.ids, second.ids) == (tuple("abc"), tuple("de"))
    folder.mourn(second.name, [])
    parts = list(folder.list_parts(shard, QUESTION, folder.read_casualties().halved))
    assert [part.ids for part in parts] == [tuple("abc"), ("d",), ("e",)]
    folder.mourn(parts[2].name, ["e"])
    assert folder.read_casualties().fatal == ("e",)


def test_results_are_written_last_and_say_that_a_shard_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, shard = RunFolder(tmp_path), Shard.of(QUESTION, ["a"])
    tables = {
        RESULTS: build_table([{"id": "a", "state": "done"}], list_result_fields(QUESTION)),
        MAPS: build_table([{"id": "a"}], list_map_fields(QUESTION)),
    }

    def fail(path: Path, data: bytes) -> None:
        if path.name.startswith(RESULTS):
            raise StorageError("The disk is full, so nothing was saved. Make room and try again.")
        path.write_bytes(data)

    with monkeypatch.context() as patch:
        patch.setattr("explain.collections.run_folder.write_atomically", fail)
        with pytest.raises(ExplainError, match=r"^The disk is full\. What is written of the run stays valid"):
            folder.write(shard, tables)
    assert folder.file(MAPS, shard.name).exists() and not folder.is_done(shard)
    assert folder.list_files(MAPS) == []  # of a shard that is not done, nothing counts
    folder.write(shard, tables)
    assert folder.is_done(shard) and folder.list_files(MAPS) == [folder.file(MAPS, shard.name)]
    assert pq.read_table(folder.file(RESULTS, shard.name))["id"].to_pylist() == ["a"]


def test_the_columns_are_those_of_the_methods() -> None:
    assert name_column("grad-cam", "border") == "grad_cam_border"
    fields = list_result_fields(make_question(methods=("grad-cam", "eigen-cam"), verdicts=True))
    assert {"grad_cam_blank", "eigen_cam_entropy", "eigen_cam_verdict"} <= set(fields.names)
    assert list_map_fields(QUESTION).field("grad_cam").type == pa.list_(pa.float16())
    assert build_table([{"id": "a", "width": 3}], fields)["height"].to_pylist() == [None]


def test_a_folder_of_another_question_is_refused(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.begin(make_manifest(QUESTION))
    (tmp_path / ".left.part").touch()
    folder.begin(make_manifest(QUESTION))
    assert not (tmp_path / ".left.part").exists()
    before = folder.manifest.read_bytes()
    with pytest.raises(ExplainError, match=r"run of another question: they differ in model, layer\. Name another"):
        folder.begin(make_manifest(make_question(fingerprint="1", layer="layer3")))
    assert folder.manifest.read_bytes() == before
    assert compare_questions(QUESTION, make_question()) == ""


def test_folders_that_are_no_runs_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(ExplainError, match="There is no run in"):
        RunFolder(tmp_path).read_manifest()
    (tmp_path / "else.parquet").touch()
    with pytest.raises(ExplainError, match="holds Parquet files of something else"):
        RunFolder(tmp_path).begin(make_manifest(QUESTION))
    newer = make_manifest(QUESTION).model_copy(update={"format": FORMAT + 1}).model_dump_json()
    with pytest.raises(ExplainError, match="written by a newer CAMscope"):
        read_run_manifest(newer.replace('"note"', '"unheard_of"').encode())
    with pytest.raises(ExplainError, match="This is no run of a collection"):
        read_run_manifest(b"{}")
    RunFolder(tmp_path).index.write_bytes(b"damaged")
    with pytest.raises(ExplainError, match="is damaged"):
        RunFolder(tmp_path).plan(ITEMS, QUESTION)
