"""Methods compared over pictures: figures and intervals as plain NumPy finds them, and sentences that hold."""

from pathlib import Path

import numpy as np
import pytest

from explain.collections.bootstrap import DRAWS
from explain.collections.comparing import ask_comparison
from explain.collections.comparison import compare, describe_rule, join
from explain.collections.gathered import Gathered
from explain.collections.measuring_question import MEASURABLE, MeasureQuestion, name_measure
from explain.collections.run_folder import Shard
from explain.collections.tables import build_table
from explain.errors import ExplainError
from tests.support.collection_runs import write_run

METHODS = ("grad-cam", "eigen-cam", "layer-cam")
COUNT = 30


def write_figures(run: Gathered, question: MeasureQuestion, figures: dict[str, dict[str, float | None]]) -> None:
    """What measuring would write: by id and column the figures; none fails the picture."""
    rows = [
        {"id": id, "state": "done", **told} if told else {"id": id, "state": "failed", "error": "It is gone."}
        for id, told in figures.items()
    ]
    shard = Shard.of(question, list(figures))
    run.folder.write_measures(question.kind, shard, build_table(rows, question.fields))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Gathered:
    folder = tmp_path_factory.mktemp("compare") / "run"
    words = ("backed", "undecided")

    def tell(number: int) -> dict[str, object]:
        told: dict[str, object] = {"group": f"patient {number % 7}"}
        for place, method in enumerate(METHODS):
            told[f"{method.replace('-', '_')}_verdict"] = words[(number + place) % 3 == 0]
        return told

    write_run(folder, COUNT + 1, tell, methods=METHODS, verdicts=True)
    return Gathered(folder)


@pytest.fixture(scope="module")
def figures(run: Gathered) -> dict[str, dict[str, float | None]]:
    """Of insertion and deletion: Eigen-CAM is a little better than Grad-CAM on each picture, Layer-CAM is noise."""
    asked = ask_comparison(run, ("deletion", "insertion"))
    (question,) = asked.questions
    dice = np.random.default_rng(0)
    found: dict[str, dict[str, float | None]] = {}
    for id in asked.sample.ids:
        first = dice.random()
        own = {
            "grad-cam": first,
            "eigen-cam": first + 0.03 + 0.01 * dice.standard_normal(),
            "layer-cam": first - 0.1 + 0.5 * dice.standard_normal(),
            "centre": dice.random(),
            "random": dice.random() / 2,
        }
        found[id] = {
            name_measure(row, measure): value * sign
            for row, value in own.items()
            for measure, sign in (("insertion", 1), ("deletion", -1))
        }
    found[asked.sample.ids[3]]["layer_cam_insertion"] = None
    found[asked.sample.ids[4]] = {}
    write_figures(run, question, found)
    return found


@pytest.mark.usefixtures("figures")
def test_intervals_are_those_of_a_plain_paired_bootstrap(
    run: Gathered, figures: dict[str, dict[str, float | None]]
) -> None:
    asked = ask_comparison(run, ("deletion", "insertion"), seed=0)
    table = next(one for one in compare(run, asked.sample, asked.questions).tables if one.measure == "insertion")
    ids = [id for number, id in enumerate(asked.sample.ids) if number not in (3, 4)]
    assert (table.count, table.better, table.against) == (COUNT - 2, "higher", "eigen-cam")
    assert table.excluded == {"There is nothing on the map by Layer-CAM.": 1, "It is gone.": 1}
    columns = ["grad_cam", "eigen_cam", "layer_cam", "centre", "random"]
    values = np.array([[figures[id][f"{column}_insertion"] for column in columns] for id in ids], float)
    dice = np.random.default_rng(0)
    drawn = np.array([values[dice.integers(0, len(ids), len(ids))].mean(0) for _ in range(DRAWS)])
    apart = drawn - drawn[:, [1]]
    for number, line in enumerate(table.lines):
        assert line.estimate.value == pytest.approx(values[:, number].mean())
        assert (line.estimate.low, line.estimate.high) == pytest.approx(np.quantile(drawn[:, number], [0.025, 0.975]))
        assert line.median == pytest.approx(np.median(values[:, number]))
        if number == 1:
            assert line.difference is None and line.is_apart is None
            continue
        assert line.difference is not None
        assert (line.difference.low, line.difference.high) == pytest.approx(
            np.quantile(apart[:, number], [0.025, 0.975])
        )
    grad, _, layer, *_ = table.lines
    assert grad.is_apart and not layer.is_apart
    assert grad.estimate.high > table.lines[1].estimate.low  # told apart on the same pictures alone
    assert "Insertion: Eigen-CAM is better than Grad-CAM" in table.sentence
    assert "Eigen-CAM cannot be told apart from Layer-CAM" in table.sentence


@pytest.mark.usefixtures("figures")
def test_lower_is_better_where_it_is(run: Gathered) -> None:
    asked = ask_comparison(run, ("deletion", "insertion"))
    by_name = {one.measure: one for one in compare(run, asked.sample, asked.questions, "grad-cam", "median").tables}
    table = by_name["deletion"]
    assert (table.better, table.against, table.count) == ("lower", "grad-cam", COUNT - 1)
    eigen = table.lines[1]
    assert eigen.is_apart and table.is_better(eigen) and eigen.estimate.value == eigen.median
    assert "Deletion: " in table.sentence and "Grad-CAM is worse than Eigen-CAM" in table.sentence
    # Of verdicts the shares: no figure of what means nothing.
    backed = by_name["verdict: backed"]
    assert [line.row for line in backed.lines] == [*METHODS] and backed.better == "higher"
    words = np.array(run.texts("grad_cam_verdict", asked.sample.rows))
    assert (backed.statistic, backed.lines[0].estimate.value) == ("mean", pytest.approx(np.mean(words == "backed")))
    shares = [one.lines[0].estimate for name, one in by_name.items() if name.startswith("verdict")]
    assert all(0 <= share.low <= share.high <= 1 for share in shares)


@pytest.mark.usefixtures("figures")
def test_groups_widen_what_they_make_less_sure(run: Gathered) -> None:
    asked = ask_comparison(run, ("deletion", "insertion"))
    alone = compare(run, asked.sample, asked.questions).tables[0].lines[0].estimate
    together = compare(run, asked.sample, asked.questions, grouped=True)
    assert "whole groups (of 7)" in together.notes[0]
    first = together.tables[0].lines[0].estimate
    assert first.value == alone.value and (first.low, first.high) != (alone.low, alone.high)


def test_a_larger_sample_holds_the_smaller_one(run: Gathered) -> None:
    few, many = (ask_comparison(run, ("deletion",), limit=limit).sample for limit in (7, 20))
    assert many.ids[:7] == few.ids and few.sentence == "7 of 30 explained pictures, drawn by seed 0."
    assert ask_comparison(run, ("deletion",), limit=7, seed=1).sample.ids != few.ids
    assert ask_comparison(run, ("deletion",)).sample.sentence == "All 30 explained pictures."
    other = ask_comparison(run, ("deletion",), limit=500)
    assert other.questions[0].digest == ask_comparison(run, ("deletion",), seed=3).questions[0].digest
    assert other.questions[0].kind != ask_comparison(run, ("insertion",)).questions[0].kind


def test_what_cannot_be_compared_is_a_sentence(run: Gathered, tmp_path: Path) -> None:
    asked = ask_comparison(run, ("road",))
    with pytest.raises(ExplainError, match="no maps of “rise”"):
        compare(run, asked.sample, asked.questions, "rise")
    with pytest.raises(ExplainError, match="“copies” cannot be measured of a run's maps"):
        ask_comparison(run, ("copies",))
    write_run(tmp_path / "run", 3)
    other = Gathered(tmp_path / "run")
    with pytest.raises(ExplainError, match="Name a measure, or give regions"):
        ask_comparison(other, ())
    asked = ask_comparison(other, ("road",))
    with pytest.raises(ExplainError, match="Too little is measured"):
        compare(other, asked.sample, asked.questions)
    with pytest.raises(ExplainError, match="Not all of these pictures belong to a group"):
        compare(other, asked.sample, asked.questions, grouped=True)
    with pytest.raises(ExplainError, match="No picture of this run was explained"):
        ask_comparison(other, ("road",), rows=np.zeros(0, int))


def test_every_measure_says_what_it_counts() -> None:
    for name in (*MEASURABLE, "pointing", "energy", "verdict: backed"):
        assert len(describe_rule(name)) > 30
    assert "at most 15 pixels beside it" in describe_rule("pointing", 15)
    assert join(["a", "b", "c"]) == "a, b and c" and join(["a"]) == "a"
