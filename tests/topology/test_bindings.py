"""The border to the kernel survives any numbers: an answer whose parts fit together, or ValueError."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from isotopy import _native

NUMBERS = st.sampled_from([0.0, -0.0, 1.0, 1.0, 2.0, -3.0, 5e-324, 1e-200, 1e150, np.inf, -np.inf, np.nan])
FIELDS = st.sampled_from([0, 1, 2, 3, 4, 65537])
THREADS = st.integers(0, 3)


def doubles(data: st.DataObject, most: int = 30) -> np.ndarray:
    return np.array(data.draw(st.lists(NUMBERS, max_size=most)), dtype=np.float64)


def integers(data: st.DataObject, low: int = -1, high: int = 6, most: int = 12) -> np.ndarray:
    return np.array(data.draw(st.lists(st.integers(low, high), max_size=most)), dtype=np.int64)


def vertices(data: st.DataObject) -> np.ndarray:
    return np.array(data.draw(st.lists(st.integers(0, 6), max_size=12)), dtype=np.uint32)


def tabled(found: dict[str, np.ndarray]) -> None:
    """Columns of one table are as long as each other."""
    assert len({len(found[name]) for name in ("sample", "degree", "essential")}) == 1


def refused_or(call, *arguments):
    try:
        return call(*arguments)
    except ValueError:
        return None


@settings(max_examples=150)
@given(st.data())
def test_signals_and_images(data: st.DataObject):
    with np.errstate(over="ignore"):
        values = doubles(data).astype(data.draw(st.sampled_from([np.float32, np.float64])))
    samples, cells, flag, keep = (
        data.draw(s) for s in (st.integers(0, 4), st.integers(-1, 3), st.booleans(), st.booleans())
    )
    if np.isfinite(values).all():  # the room above lets no others through
        for found in (
            refused_or(_native.signal, values, samples, cells, flag, keep, data.draw(THREADS)),
            refused_or(
                _native.image,
                values,
                samples,
                data.draw(st.integers(0, 6)),
                cells,
                flag,
                data.draw(st.integers(0, 2)),
                keep,
                2,
            ),
        ):
            if found is not None:
                tabled(found)


@settings(max_examples=150)
@given(st.data())
def test_volumes(data: st.DataObject):
    values = doubles(data)
    kind = data.draw(st.sampled_from(["freudenthal", "cubical", "cubical_top", "other"]))
    if np.isfinite(values).all():
        found = refused_or(
            _native.volume,
            values,
            integers(data, -1, 4, 4),
            data.draw(st.integers(0, 3)),
            kind,
            data.draw(st.booleans()),
            data.draw(st.integers(-1, 3)),
            data.draw(FIELDS),
            data.draw(st.booleans()),
            data.draw(THREADS),
        )
        if found is not None:
            tabled(found)


@settings(max_examples=150)
@given(st.data())
def test_delaunay_complexes(data: st.DataObject):
    points = np.array(data.draw(st.lists(st.floats(-2, 2), max_size=14)))
    arrays = (
        points,
        integers(data, -1, 5, 2),
        data.draw(st.integers(1, 3)),
        vertices(data),
        integers(data, -1, 4, 2),
        integers(data, -1, 5, 2),
        vertices(data),
        integers(data, -1, 3, 2),
        data.draw(st.booleans()),
    )
    degree, field, keep, threads = (
        data.draw(s) for s in (st.integers(0, 3), st.sampled_from([2, 3]), st.booleans(), THREADS)
    )
    found = refused_or(_native.delaunay, *arrays, degree, field, keep, threads)
    if found is not None:
        tabled(found)
    cycles = refused_or(
        _native.delaunay_cycles, *arrays, field, integers(data, -1, 3, 3), integers(data, -1, 6), threads
    )
    if cycles is not None:
        assert cycles["size"].sum() == len(cycles["coefficients"])


@settings(max_examples=150)
@given(st.data())
def test_lower_stars(data: st.DataObject):
    values = doubles(data, 9)
    cells = [integers(data) for _ in range(data.draw(st.integers(0, 3)))]
    facets = [integers(data) for _ in range(data.draw(st.integers(0, 3)))]
    samples, flag = data.draw(st.integers(0, 3)), data.draw(st.booleans())
    if np.isfinite(values).all():
        found = refused_or(_native.lower_star, values, samples, cells, facets, flag, 1, 2, False, data.draw(THREADS))
        if found is not None:
            tabled(found)


@settings(max_examples=150)
@given(st.data())
def test_matchings(data: st.DataObject):
    a, b = (np.array(data.draw(st.lists(st.floats(-3, 3), max_size=12))) for _ in range(2))
    order, ground = (data.draw(st.sampled_from([0.0, 0.5, 1.0, 2.0, np.inf, np.nan])) for _ in range(2))
    found = refused_or(
        _native.match, a, integers(data, -1, 4, 3), b, integers(data, -1, 4, 3), order, ground, 1000, data.draw(THREADS)
    )
    if found is not None:
        assert (found[0] >= -1).all()


@settings(max_examples=150)
@given(st.data())
def test_distances(data: st.DataObject):
    table, rows, width = doubles(data), integers(data), data.draw(st.integers(-1, 4))
    measured = refused_or(_native.distances, table, rows, width)
    if measured is not None:
        assert len(measured) == len(rows) // 2
        assert len(_native.distance_gradients(table, rows, measured, width)) == len(table)


# --- spoiled input: valid arrays with one fault, which must be refused. Random ones above are mostly refused for their
# sizes and seldom come as far as the checks of entries; and to read a little beyond an array often goes unseen.


def spoilt(data: st.DataObject, arrays: list[np.ndarray], low: int, high: int) -> list[np.ndarray]:
    """The arrays with one entry of one of them out of its range [low, high)."""
    copies = [array.copy() for array in arrays]
    which = data.draw(st.sampled_from([index for index, array in enumerate(copies) if array.size]))
    place = data.draw(st.integers(0, copies[which].size - 1))
    unsigned = copies[which].dtype.kind == "u"
    wrong = [high, high + 1, 2**31 - 1] + ([] if unsigned else [low - 1, -(2**31)])
    copies[which][place] = data.draw(st.sampled_from(wrong))
    return copies


def cut(data: st.DataObject, array: np.ndarray, *, longer: bool = True) -> np.ndarray:
    """The array without its last entry, or with one more."""
    return np.append(array, array[-1:]) if longer and data.draw(st.booleans()) else array[:-1]


def whole_in(found: dict[str, np.ndarray], vertices: int) -> None:
    """The table of an answer names cells by vertices that are there."""
    tabled(found)
    for name in ("birth_cell", "death_cell"):
        assert ((found[name] >= 0) & (found[name] < vertices)).all()


@given(st.data())
def test_spoilt_complexes_are_refused(data: st.DataObject):
    cells = [np.arange(4), np.array([0, 1, 0, 2, 1, 2, 2, 3]), np.array([0, 1, 2])]
    facets = [np.empty(0, np.int64), np.array([1, 0, 2, 0, 2, 1, 3, 2]), np.array([2, 1, 0])]
    values, births = np.random.default_rng(data.draw(st.integers(0, 9))).normal(size=8), np.array([1, 2])

    def one_only(call, *arguments) -> None:
        with pytest.raises(ValueError, match=r"out of range|wrong size|do not fill|fewer than|same dimensions"):
            call(*arguments)

    if data.draw(st.booleans()):
        values = np.sort(values)  # the edge (1, 2) closes the loop of the triangle
    whole_in(_native.lower_star(values, 2, cells, facets, False, 2, 2, True, 2), 4)
    plain = (False, 2, 2, True, 2)
    loops = (False, 2, np.array([1, 0]), births, 2)
    for wrong in (
        (values, 2, spoilt(data, cells, 0, 4), facets),
        (values, 2, cells, [facets[0], *spoilt(data, facets[1:2], 0, 4), facets[2]]),
        (values, 2, cells, [*facets[:2], *spoilt(data, facets[2:], 0, 4)]),
        (values, 2, [*cells[:2], cut(data, cells[2])], facets),
        (values, 2, cells, [*facets[:2], cut(data, facets[2])]),
        (values, 2, cells, facets[:2]),
        (cut(data, values), 2, cells, facets),
    ):
        one_only(_native.lower_star, *wrong, *plain)
        one_only(_native.lower_star_cycles, *wrong, *loops)
    one_only(
        _native.lower_star_cycles,
        values,
        2,
        cells,
        facets,
        False,
        2,
        np.array([1, 0]),
        *spoilt(data, [births], 0, 4),
        2,
    )
    for counts in (np.array([1, 1]), np.array([2, 0]), np.array([-1, 1])):
        with pytest.raises(ValueError, match="births are fewer than counts say"):
            _native.lower_star_cycles(values, 2, cells, facets, False, 2, counts, births, 2)
    with pytest.raises(ValueError, match="counts must have one entry per sample"):
        _native.lower_star_cycles(values, 2, cells, facets, False, 2, np.array([1]), births, 2)


@given(st.data())
def test_spoilt_delaunay_complexes_are_refused(data: st.DataObject):
    points = np.array([0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.1, 1.2, 5.0, 5.0])  # the last one is a cloud of its own
    sizes, tops, top_sizes = np.array([4, 1]), np.array([0, 1, 2, 1, 2, 3, 0], np.uint32), np.array([2, 1])
    widths, loose, loose_sizes = np.array([3, 1]), np.array([0, 3], np.uint32), np.array([1, 0])
    good = [points, sizes, 2, tops, top_sizes, widths, loose, loose_sizes, data.draw(st.booleans())]
    whole_in(_native.delaunay(*good, 1, 2, True, 2), 4)
    births = np.array([0, 1])
    for place, wrong in (
        (3, np.concatenate([*spoilt(data, [tops[:6]], 0, 4), tops[6:]])),
        (3, np.append(tops[:6], np.uint32(1))),
        (3, cut(data, tops, longer=False)),
        (6, spoilt(data, [loose], 0, 4)[0]),
        (6, loose[::-1].copy()),
        (6, loose[:1]),
        (1, np.array([4, 2])),
        (1, np.array([-1, 1])),
        (1, np.array([4])),
        (4, np.array([2, 2])),
        (4, np.array([-1, 1])),
        (5, np.array([4, 1])),
        (5, np.array([0, 1])),
        (7, np.array([1, 1])),
        (0, points[:-1]),
    ):
        arguments = [*good[:place], wrong, *good[place + 1 :]]
        with pytest.raises(ValueError, match=r"increasing numbers|shorter than|one size per sample|widths must"):
            _native.delaunay(*arguments, 1, 2, True, 2)
        with pytest.raises(ValueError, match=r"increasing num|shorter than|one size per|widths must|too large|not be"):
            _native.delaunay_cycles(*arguments, 2, np.array([1, 0]), births, 2)
    with pytest.raises(ValueError, match="births are out of range"):
        _native.delaunay_cycles(*good, 2, np.array([1, 0]), *spoilt(data, [births], 0, 4), 2)


@given(st.data())
def test_spoilt_clouds_and_graphs_are_refused(data: st.DataObject):
    points, sizes = np.random.default_rng(data.draw(st.integers(0, 9))).normal(size=14), np.array([4, 3])
    matrices = np.ones(25)
    plain = (np.inf, 1, 2, True, True, 2)
    whole_in(_native.rips(points, sizes, 2, *plain), 4)
    for table, dimension in ((points, 2), (matrices, -1)):
        for wrong in (cut(data, table), np.where(np.arange(len(table)) == 1, np.nan, table)):
            with pytest.raises(ValueError, match=r"data (is|must)"):
                _native.rips(wrong, sizes, dimension, *plain)
            with pytest.raises(ValueError, match=r"data (is|must)"):
                _native.count_edges(wrong, sizes, dimension, np.inf, 99, 2)
            with pytest.raises(ValueError, match=r"data (is|must)"):
                _native.rips_cycles(wrong, sizes, dimension, np.ones(2), 2, np.array([0, 0]), np.empty(0, np.int64), 2)
    for wrong in (np.array([4, 4]), np.array([5, 3]), np.array([-1, 3]), np.array([2**32, 3])):
        with pytest.raises(ValueError, match=r"data is|sizes must|too large"):
            _native.rips(points, wrong, 2, *plain)
        with pytest.raises(ValueError, match=r"data is|sizes must|too large"):
            _native.survey(matrices, wrong)
    rows = np.array([0, 1, 2, 6])
    assert len(_native.distances(points, rows, 2)) == 2
    spoiled = spoilt(data, [rows], 0, 7)[0]
    for wrong in (spoiled, rows[:-1]):
        with pytest.raises(ValueError, match=r"fewer rows|two ends|not be negative"):
            _native.distances(points, wrong, 2)
        with pytest.raises(ValueError, match=r"fewer rows|two ends|not be negative"):
            _native.distance_gradients(points, wrong, np.ones(2), 2)
    with pytest.raises(ValueError, match="two ends and a factor"):
        _native.distance_gradients(points, rows, cut(data, np.ones(2)), 2)
    ends, lengths, counts = np.array([0, 1, 0, 2, 1, 2, 0, 1]), np.arange(1.0, 5.0), np.array([3, 1])
    whole_in(_native.rips_graphs(lengths, ends, counts, sizes, *plain), 4)
    last = ends.copy()
    last[6:] = spoilt(data, [ends[6:]], 0, 3)[0]  # out of the second graph
    for wrong in (
        (lengths, np.concatenate([*spoilt(data, [ends[:6]], 0, 4), ends[6:]]), counts),
        (lengths, last, counts),
        (lengths, ends[[2, 3, 0, 1, 4, 5, 6, 7]], counts),
        (lengths, cut(data, ends), counts),
        (cut(data, lengths), ends, counts),
        (np.array([1.0, np.nan, 3.0, 4.0]), ends, counts),
        (lengths, ends, np.array([3, 2])),
        (lengths, ends, np.array([3, 0])),
        (lengths, ends, np.array([4])),
        (lengths, ends, np.array([-1, 1])),
    ):
        with pytest.raises(ValueError, match=r"ends must|two ends|lexicographic|lengths must|counts|too large|not be"):
            _native.rips_graphs(*wrong, sizes, *plain)


@given(st.data())
def test_spoilt_grids_and_diagrams_are_refused(data: st.DataObject):
    kind = data.draw(st.sampled_from([np.float32, np.float64]))
    values = np.random.default_rng(data.draw(st.integers(0, 9))).normal(size=24).astype(kind)
    name = data.draw(st.sampled_from(["freudenthal", "cubical"]))
    whole_in(_native.signal(values, 2, 0, False, True, 2), 12)
    whole_in(_native.image(values, 2, 4, 0, False, 1, True, 2), 12)
    whole_in(_native.volume(values, np.array([2, 2, 3]), 2, name, False, 2, 2, True, 2), 12)
    few = cut(data, values)
    for wrong in (
        lambda: _native.signal(few, 2, 0, False, True, 2),
        lambda: _native.image(few, 2, 4, 0, False, 1, True, 2),
        lambda: _native.image(values, 2, 5, 0, False, 1, True, 2),
        lambda: _native.volume(few, np.array([2, 2, 3]), 2, name, False, 2, 2, True, 2),
        lambda: _native.volume(values, np.array([2, 3, 3]), 2, name, False, 2, 2, True, 2),
    ):
        with pytest.raises(ValueError, match="do not fill"):
            wrong()
    pairs, sizes, order = np.arange(8.0), np.array([3, 1]), data.draw(st.sampled_from([1.0, np.inf]))
    _native.match(pairs, sizes, pairs, sizes, order, 2.0, 99, 2)
    for wrong in (np.array([3, 2]), np.array([5, 0]), np.array([-1, 1])):
        with pytest.raises(ValueError, match="fewer than sizes say"):
            _native.match(pairs, wrong, pairs, sizes, order, 2.0, 99, 2)
        with pytest.raises(ValueError, match="fewer than sizes say"):
            _native.match(pairs, sizes, pairs, wrong, order, 2.0, 99, 2)
    with pytest.raises(ValueError, match="fewer than sizes say"):
        _native.match(pairs[:-1], sizes, pairs, sizes, order, 2.0, 99, 2)


def test_the_message_is_of_the_first_fault():
    points, sizes, plain = np.zeros(14), np.array([4, 3]), (np.inf, 1, 2, True, True, 2)
    for wrong, message in (
        ([4, 4], "data is shorter than sizes say"),
        ([5, 3], "data is shorter than sizes say"),
        ([4, 2], "data is longer than sizes say"),
        ([-1, 3], "sizes must not be negative"),
        ([2**32, 3], "a sample is too large"),
    ):
        with pytest.raises(ValueError, match=message):
            _native.rips(points, np.array(wrong), 2, *plain)
    with pytest.raises(ValueError, match="data is shorter than sizes say"):
        _native.survey(np.ones(25), np.array([4, 4]))
    with pytest.raises(ValueError, match="rows must not be negative"):
        _native.distances(points, np.array([0, -1]), 2)
    with pytest.raises(ValueError, match="cutoffs must have one entry per sample"):
        _native.rips_cycles(points, sizes, 2, np.ones(1), 2, np.array([0, 0]), np.empty(0, np.int64), 2)
    for options, message in (
        ((np.inf, 2, 2), "max_degree is out of range"),
        ((np.inf, -1, 2), "max_degree is out of range"),
        ((np.inf, 1, 4), "modulus must be a prime"),
        ((np.inf, 1, 0), "modulus must be a prime"),
        ((-1.0, 1, 2), "threshold must be 0 or larger"),
        ((np.nan, 1, 2), "threshold must be 0 or larger"),
    ):
        with pytest.raises(ValueError, match=message):
            _native.rips(points, sizes, 2, *options, True, True, 2)
    ends, counts = np.array([0, 1, 0, 2, 1, 2, 0, 1]), np.array([3, 1])
    for lengths, counts_, message in (
        (np.ones(4), np.array([3, 2]), "fewer edges than counts say"),
        (np.ones(4), np.array([3, 0]), "more edges than counts say"),
        (np.ones(4), np.array([4]), "one entry per sample"),
        (np.ones(3), counts, "an edge has two ends"),
    ):
        with pytest.raises(ValueError, match=message):
            _native.rips_graphs(lengths, ends, counts_, sizes, *plain)


def test_options_of_grids_and_diagrams_are_checked():
    values, shape = np.zeros(24), np.array([2, 2, 3])
    for cells in (-1, 3):
        with pytest.raises(ValueError, match="cells must be 0, 1 or 2"):
            _native.signal(values, 2, cells, False, True, 2)
        with pytest.raises(ValueError, match="cells must be 0, 1 or 2"):
            _native.image(values, 2, 4, cells, False, 1, True, 2)
    for wrong, message in (
        ((shape[:2], 2, "cubical", False, 2, 2), "volumes have 3 axes"),
        ((-shape, 2, "cubical", False, 2, 2), "shape must not be negative"),
        ((np.array([2**40, 2, 3]), 2, "cubical", False, 2, 2), "the volume is too large"),
        ((shape, 2, "cubic", False, 2, 2), "cells must be freudenthal"),
        ((shape, 2, "cubical", False, -1, 2), "max_degree must not be negative"),
        ((shape, 2, "cubical", False, 2, 4), "modulus must be a prime"),
    ):
        with pytest.raises(ValueError, match=message):
            _native.volume(values, *wrong, True, 2)
    with pytest.raises(ValueError, match="as many diagrams"):
        _native.match(values, np.array([3, 1]), values, np.array([4]), 1.0, 2.0, 99, 2)
