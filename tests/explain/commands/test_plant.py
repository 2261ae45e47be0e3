"""`plant` on the command line: pictures in folders of group and class, and the line that explains them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

Run = Callable[[str], tuple[int, str, str]]


def test_a_collection_is_drawn_and_the_next_line_said(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "planted"
    status, printed, told = run(f"plant tag --out {out} --count 50 --share 4")
    assert status == 0 and "[100 %] Drawing" in told
    groups = Counter(path.relative_to(out).parts[0] for path in out.rglob("*.png"))
    assert groups == {"plain": 48, "marked": 2}
    assert "50 pictures are in" in printed and "2 of them (4 %) with the mark: a tag in the corner" in printed
    line = printed.splitlines()[-1].strip()
    assert line == f"python -m explain collect {out} --model shortcut-tag --target ship --out {out}-run"
    status, _, told = run(f"plant tag --out {out}")
    assert status == 2 and "holds something already" in told
    assert run("plant feather")[0] == 2
