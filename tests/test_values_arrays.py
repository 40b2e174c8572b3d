"""Arrays are pictures by their shape, type and values; what they show is what is sent."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from seedream_nb.errors import Problem
from seedream_nb.references.adapters import is_picture, sources_of
from tests.pictures import encoded, gradient
from tests.references import fit, load_reference
from tests.waiting import tries

if TYPE_CHECKING:
    from seedream_nb.request import Reference

Array = np.ndarray[Any, Any]

RANDOM = np.random.default_rng(1)
BYTES = RANDOM.integers(0, 256, (40, 50, 3), np.uint8)


def reference(value: object) -> Reference:
    """Return the reference that an array makes."""
    ((name, source),) = sources_of("x", value)
    assert not isinstance(source, str)
    return load_reference(name, source)


def shown(value: object) -> Array:
    """Return what is sent for an array, read by another reader."""
    with TemporaryDirectory() as folder:
        content = fit(reference(value), Path(folder)).path.read_bytes()
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image)


def refused(value: object) -> str:
    """Return what a person is told of an array that is no picture."""
    with pytest.raises(Problem) as caught:
        reference(value)
    assert caught.value.reference
    return str(caught.value)


SAME = {
    "rgb": (BYTES, BYTES),
    "rgba": (np.dstack([BYTES, BYTES[..., 0]]), np.dstack([BYTES, BYTES[..., 0]])),
    "grey": (BYTES[..., 0], BYTES[..., 0]),
    "one channel": (BYTES[..., :1], BYTES[..., 0]),
    "channels first": (BYTES.transpose(2, 0, 1), BYTES),
    "one channel first": (BYTES[None, ..., 0], BYTES[..., 0]),
    "bool": (BYTES[..., 0] > 99, (BYTES[..., 0] > 99) * np.uint8(255)),
    "fractions": (BYTES / 255, BYTES),
    "fractions of 16 bits": ((BYTES / 255).astype(np.float16), BYTES),
    "floats": (BYTES.astype(np.float32), BYTES),
    "big-endian": (BYTES.astype(">f8"), BYTES),
    "long": ((BYTES / 255).astype(np.longdouble), BYTES),
    "16 bits": (BYTES.astype(np.uint16) * 257, BYTES),
    "big-endian 16 bits": (BYTES.astype(">u2") * 257, BYTES),
    "integers": (BYTES.astype(np.int64), BYTES),
    "small integers": ((BYTES // 2).astype(np.int8), BYTES // 2),
    "reversed": (BYTES[::-1, ::-2, ::-1], BYTES[::-1, ::-2, ::-1]),
    "Fortran's order": (np.asfortranarray(BYTES), BYTES),
    "repeated": (np.broadcast_to(BYTES[:1], (20, 50, 3)), np.repeat(BYTES[:1], 20, 0)),
    "nothing masked": (np.ma.MaskedArray(BYTES), BYTES),
    "a little beyond": (np.clip(BYTES / 255, 0, 1) * 1.0001 - 0.00001, BYTES),
    "black": (np.zeros((20, 20)), np.zeros((20, 20), np.uint8)),
}


@pytest.mark.parametrize("name", SAME)
def test_an_array_is_sent_as_what_it_shows(name: str) -> None:
    """Losslessly, in whatever way its values are laid out."""
    array, expected = SAME[name]
    assert np.array_equal(shown(array), expected)


def test_reading_changes_nothing_and_copies() -> None:
    """What is read-only can be read, and what is changed afterwards was copied."""
    array = BYTES.copy()
    array.flags.writeable = False
    made = reference(array)
    array.flags.writeable = True
    array[:] = 0
    assert isinstance(made.source, Image.Image)
    assert np.array_equal(np.asarray(made.source), BYTES)


def test_the_same_picture_is_the_same_in_any_form() -> None:
    """An array, its floats, and the PIL image of it have one identity."""
    forms = [BYTES, BYTES / 255, BYTES.transpose(2, 0, 1), Image.fromarray(BYTES), memoryview(b"")]
    assert len({reference(each).identity for each in forms[:-1]}) == 1


REFUSED = {
    "a line": (np.zeros(40), ["shape (40,)", "height x width"]),
    "a number": (np.zeros(()), ["shape ()"]),
    "two channels": (np.zeros((40, 40, 2)), ["shape (40, 40, 2)", "1, 3 or 4 channels"]),
    "a batch": (np.zeros((2, 40, 40, 3)), ["shape (2, 40, 40, 3)", "x[0]"]),
    "empty": (np.zeros((0, 40)), ["shape (0, 40)", "empty"]),
    "no columns": (np.zeros((40, 0, 3)), ["shape (40, 0, 3)", "empty"]),
    "small": (np.zeros((14, 14)), ["shape (14, 14)", "14x14 pixels", "more than 14"]),
    "either": (np.zeros((3, 50, 3)), ["shape (3, 50, 3)", "more than 14"]),
    "long": (np.zeros((20, 61)), ["61x20 pixels", "1:3 and 3:1"]),
    "a strip": (np.zeros((1, 60_000), np.uint8), ["60000x1 pixels"]),
    "huge": (np.broadcast_to(np.uint8(1), (100_000, 100_000, 3)), ["100000x100000", "178 million"]),
    "NaN": (np.full((40, 40), np.nan), ["1600 values that are not finite", "nan_to_num(x)"]),
    "one infinite": (np.where(np.eye(40) * np.arange(40) == 9, np.inf, 0), ["a value that is not finite"]),
    "negative": (BYTES / 255 - 1, ["from -1 to 0", "0 to 1, or 0 to 255"]),
    "beyond": (BYTES * 2.0, ["from 0 to 510", "clip(0, 255)"]),
    "overshot": (BYTES / 255 * 1.5, ["from 0 to 1.5", "clip(0, 1)"]),
    "large integers": (BYTES.astype(np.int32) * 9, ["from 0 to 2295", "type int32"]),
    "complex": (BYTES * 1j, ["type complex128"]),
    "times": (np.zeros((40, 40), "M8[s]"), ["type datetime64"]),
    "records": (np.zeros((40, 40), [("a", "u1")]), ["type [("]),
    "masked": (np.ma.masked_greater(BYTES[..., 0], 9), ["masked values", "x.filled(0)"]),
    "objects": (BYTES.astype(object), ["x[0][0][0]", "type int"]),
}


FILE = np.frombuffer(encoded(gradient(60, 50), "PNG"), np.uint8)
AS_FILES = {
    "as read": FILE,
    "as OpenCV encodes": FILE[:, None],
    "lying": FILE[None, :],
    "signed": FILE.view(np.int8),
    "a view": np.repeat(FILE, 2)[::2],
}


@pytest.mark.parametrize("name", AS_FILES)
def test_the_bytes_of_a_file_are_that_file(name: str) -> None:
    """In an array of one dimension, or of one row or column."""
    assert reference(AS_FILES[name]).identity == reference(FILE.tobytes()).identity


REMEDIES = [
    ((1, 40, 50, 3), "For its first picture write x[0]."),
    ((8, 3, 40, 50), "For its first picture write x[0]."),
    ((2, 1, 40, 50, 3), "For its first picture write x[0, 0]."),
    ((40, 50, 2), "It has two bands; take a part of it, such as the first, in grey: x[..., 0]."),
    ((2, 40, 50), "It has two bands; take a part of it, such as the first, in grey: x[0]."),
    ((40, 50, 6), "It has 6 bands; take a part of it, such as three of them, or one: x[..., :3]."),
    ((6, 40, 50), "It has 6 bands; take a part of it, such as three of them, or one: x[:3]."),
]


@pytest.mark.parametrize(("shape", "remedy"), REMEDIES, ids=[str(shape) for shape, _ in REMEDIES])
def test_the_remedy_for_a_shape_works(shape: tuple[int, ...], remedy: str) -> None:
    """What the message says is taken."""
    array = np.full(shape, 200, np.uint8)
    assert refused(array).endswith(remedy)
    code = "x[" + remedy.removesuffix(".").rpartition("x[")[2]
    assert reference(eval(code, {"x": array})).width == 50  # noqa: S307 - what the message says


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (np.zeros(4000, np.uint8), "like the content of a file, but it is not a picture"),
        (FILE[:9], "like the content of a file, but it is a damaged PNG file"),
        (np.zeros(4000), "Reshape it: x.reshape(height, width)"),
    ],
    ids=["zeros", "damaged", "floats"],
)
def test_a_line_that_is_no_file_is_told(array: Any, told: str) -> None:
    """As what it may have been meant, and how it becomes pixels."""
    message = refused(array)
    assert told in message
    assert "eshape it" in message


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_picture_is_told(name: str) -> None:
    """With its shape or values, the limit and the remedy."""
    array, told = REFUSED[name]
    message = refused(array)
    assert [each for each in told if each not in message] == []


class Given:
    """An array of another library: it has just one of the ways to give its values."""

    def __init__(self, array: Array) -> None:
        """Hold this one."""
        self._array = array


class Converted(Given):
    """It can be converted."""

    def __array__(self, dtype: object = None, copy: object = None) -> Array:
        """Return it."""
        return self._array


class Lent(Given):
    """Its memory can be shared, by any library."""

    def __dlpack__(self, **options: Any) -> Any:
        """Lend it."""
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        """Tell where it lies."""
        return self._array.__dlpack_device__()


@pytest.mark.parametrize("kind", [Converted, Lent])
def test_arrays_of_other_libraries_are_taken(kind: type[Given]) -> None:
    """By what they can do."""
    assert np.array_equal(shown(kind(BYTES)), BYTES)
    assert "shape (9,)" in refused(kind(np.zeros(9)))


def test_a_table_is_told_from_a_small_picture() -> None:
    """Scaling it up would be no remedy."""
    table = type("Table", (Converted,), {"columns": ["a", "b"], "shape": (3, 2)})(BYTES)
    assert "x is a table; for pictures in a column write x['its name']." in refused(table)


@pytest.mark.slow
def test_memory_is_bounded() -> None:
    """Floats are read in bands: beside the picture itself there is never a second copy of them."""
    array = np.zeros((3000, 3000, 3), np.float32)
    reference(array[:20, :20])
    tracemalloc.start()
    reference(array)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 27_000_000 + 45_000_000


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (BYTES, True),
        (np.zeros((15, 15)), True),
        (np.zeros((14, 15)), False),
        (np.zeros(9), False),
        (np.float64(3), False),
    ],
)
def test_braces_take_arrays_of_a_pictures_shape(array: object, *, expected: bool) -> None:
    """With no side under 15; others are text."""
    assert is_picture(array) is expected


SHAPES = st.one_of(
    st.tuples(st.integers(13, 70), st.integers(13, 70)),
    st.tuples(st.integers(13, 70), st.integers(13, 70), st.sampled_from([1, 2, 3, 4])),
    st.tuples(st.sampled_from([1, 2, 3, 4]), st.integers(13, 70), st.integers(13, 70)),
    st.lists(st.integers(0, 20), max_size=5).map(tuple),
)
TYPES = st.sampled_from(["?", "u1", "<u2", ">u2", "i1", "<i4", ">i8", "f2", "<f4", ">f8", "c8", "M8[s]", "V3", "O"])
RANGES = st.tuples(st.floats(-300, 300), st.floats(-1, 70_000))


def arrays(shape: tuple[int, ...], dtype: str, low: float, high: float) -> Array:
    """Return an array with values of a range, as far as its type can have them."""
    values = RANDOM.uniform(min(low, high), max(low, high), shape)
    with np.errstate(all="ignore"):
        return values.astype("i8").astype(dtype) if dtype == "M8[s]" else values.astype(dtype)


@given(SHAPES, TYPES, st.one_of(RANGES, st.just((0.0, 1.0)), st.just((0.0, 255.0))))
@settings(max_examples=60, derandomize=True)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of what does not fit into a type
def test_any_array_is_a_picture_or_refused(shape: tuple[int, ...], dtype: str, values: tuple[float, float]) -> None:
    """Never another exception; what is taken is fitted to the limits and has the array's size."""
    _holds(arrays(shape, dtype, *values))


@pytest.mark.slow
@given(SHAPES, TYPES, st.one_of(RANGES, st.just((0.0, 1.0)), st.just((0.0, 255.0))))
@settings(max_examples=tries(500, 3000), derandomize=True)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_thousands_of_arrays_are_pictures_or_refused(
    shape: tuple[int, ...], dtype: str, values: tuple[float, float]
) -> None:
    """The same, more of them: thousands at night."""
    _holds(arrays(shape, dtype, *values))


def _holds(array: Array) -> None:
    try:
        sent = shown(array)
    except Problem as problem:
        told = str(problem)
    else:
        told = "x"
        height, width = sent.shape[:2]
        assert min(height, width) > 14
        assert max(height, width) <= 3 * min(height, width)
        assert sent.dtype == np.uint8
        channels_last = array.ndim == 2 or array.shape[2] in {1, 3, 4}
        assert (height, width) == (array.shape[:2] if channels_last else array.shape[1:])
    assert told.startswith("x")
