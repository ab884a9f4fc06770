"""The border to the kernel survives any numbers: an answer whose parts fit together, or ValueError."""

import hypothesis.strategies as st
import numpy as np
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
