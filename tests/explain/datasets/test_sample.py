"""A sample of a large folder: the first by digest, whatever files and folders are called."""

from pathlib import Path

from explain.datasets.sample import choose_pictures
from tests.support.data_sets import draw


def test_the_first_by_digest(tmp_path: Path) -> None:
    for name in ("one", "two"):
        for split, first in (("train", 0), ("test", 100)):
            for number in range(6):
                path = tmp_path / name / split / f"class-{number % 2}" / f"{name}-{number}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(draw(first + number, "JPEG"))
    one, two = (choose_pictures(tmp_path / name, 4, 2) for name in ("one", "two"))
    assert one.fingerprint == two.fingerprint
    learnt, judged = one.list_split("train"), one.list_split("val")
    assert (len(learnt), len(judged)) == (4, 2)
    assert [example.digest for example in learnt] == sorted(example.digest for example in learnt)
    assert learnt[0].data in [draw(number, "JPEG") for number in range(6)]
