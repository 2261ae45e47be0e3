"""Maps of no meaning."""

import numpy as np

from explain.faithfulness.baselines import draw_all_bright, draw_centre, draw_random_blobs, draw_random_cells


def test_each_is_what_its_name_says() -> None:
    assert (draw_all_bright() == 1).all()
    centre = draw_centre()
    assert np.allclose(centre, centre[::-1, ::-1]) and centre.max() == centre[3, 3]
    # Along a line through it: e^(-1/2) of its height one spread from the middle, which is half the way to the edge.
    line = centre[4, 4:] / centre[4, 4]
    at = (np.arange(4) + 0.5) / 4
    assert np.allclose(line, [np.exp(-0.5 * (x**2 - at[0] ** 2) / 0.5**2) for x in at])


def test_chance_comes_in_pairs_that_are_each_others_opposite() -> None:
    for draw in (draw_random_blobs, draw_random_cells):
        maps = draw(4, 6)
        assert maps.shape == (6, 8, 8) and maps.min() == 0 and maps.max() == 1
        assert np.allclose(maps[::2] + maps[1::2], 1)
        assert (draw(4, 6) == maps).all() and not (draw(5, 6) == maps).all()
    rough, smooth = draw_random_cells(0, 8), draw_random_blobs(0, 8)
    assert np.abs(np.diff(smooth)).mean() < np.abs(np.diff(rough)).mean() / 2
