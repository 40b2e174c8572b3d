"""The libraries that people make pictures with, as they are: their objects are reference images."""

from __future__ import annotations

import importlib.util
import io
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pytest
from PIL import Image

from seedream_nb.errors import Problem
from seedream_nb.references.adapters import is_picture, sources_of
from seedream_nb.request import Reference
from tests.pictures import encoded, gradient
from tests.references import load_reference

if TYPE_CHECKING:
    from collections.abc import Iterator

# Each of them takes long to import.
pytestmark = pytest.mark.slow

Library: TypeAlias = Any
"""A module, whose types are its own affair."""

PNG = encoded(gradient(60, 50), "PNG")


def library(name: str, *, in_group: bool = True) -> Library:
    """Return a library; without it a test is skipped, but for those of the group `values` where all must run."""
    if in_group and os.environ.get("CI") == "true":
        return importlib.import_module(name)
    return pytest.importorskip(name)


def references(value: object) -> list[Reference | str]:
    """Return the references that a value makes, and URLs as they are."""
    return [
        source if isinstance(source, str) else load_reference(name, source) for name, source in sources_of("x", value)
    ]


def picture(value: object) -> Image.Image:
    """Return the one picture that a value makes."""
    (reference,) = references(value)
    assert isinstance(reference, Reference)
    assert is_picture(value)
    if isinstance(reference.source, Image.Image):
        return reference.source
    assert isinstance(reference.source, bytes)
    with Image.open(io.BytesIO(reference.source)) as image:
        image.load()
    assert image.size == (reference.width, reference.height)
    return image


def refused(value: object) -> str:
    """Return what a person is told."""
    with pytest.raises(Problem) as caught:
        references(value)
    return str(caught.value)


@pytest.fixture
def plt() -> Iterator[Library]:
    """Give pyplot, without a screen and with no figure."""
    library("matplotlib").use("agg")
    pyplot = library("matplotlib.pyplot")
    pyplot.close("all")
    yield pyplot
    pyplot.close("all")


def test_a_figure_is_drawn_as_notebooks_show_it(plt: Library) -> None:
    """Larger, and itself untouched: size, dpi, canvas, and it stays open."""
    figure, axes = plt.subplots()
    axes.plot([1, 2], [1, 3], color="red")
    before = (tuple(figure.get_size_inches()), figure.dpi, figure.canvas, plt.get_fignums(), axes.get_position().bounds)
    image = picture(figure)
    assert 1200 < max(image.size) <= 2048
    assert (np.asarray(image.convert("RGB")) == (255, 0, 0)).all(2).any()
    assert before == (
        tuple(figure.get_size_inches()), figure.dpi, figure.canvas, plt.get_fignums(), axes.get_position().bounds
    )  # fmt: skip


def test_what_is_in_a_figure_stands_for_it(plt: Library) -> None:
    """Its axes, what is drawn in them, pyplot itself: the same picture, once."""
    figure, axes = plt.subplots(1, 2)
    lines = axes[0].plot([1, 2])
    bars = axes[1].bar(range(12), range(12))
    ways = [figure, axes[0], axes, lines, lines[0], bars, plt, [axes, bars, figure]]
    found = {reference.identity for way in ways for reference in references(way) if isinstance(reference, Reference)}
    assert len(found) == 1
    assert [len(references(way)) for way in ways] == [1] * len(ways)


def test_a_figure_with_nothing_drawn_is_refused(plt: Library) -> None:
    """Empty axes are nothing; a text is something."""
    told = "has nothing drawn in it"
    assert told in refused(plt)
    figure = plt.figure()
    assert told in refused(figure)
    assert told in refused(plt.subplots(2, 2)[0])
    assert told in refused(plt.figure().subfigures(1, 2)[0])
    figure.text(0.5, 0.5, "fox")
    assert picture(figure).size


def test_a_figure_is_never_too_large(plt: Library) -> None:
    """Whatever its inches, and however far outside something was put."""
    huge = plt.figure(figsize=(200, 100))
    huge.add_subplot().plot([1, 2])
    assert max(picture(huge).size) <= 2048
    far, axes = plt.subplots()
    axes.plot([1, 2])
    axes.text(900, 900, "fox")
    assert max(picture(far).size) <= 2048
    wide = plt.figure(figsize=(20, 4))
    wide.add_subplot().plot([1, 2])
    assert "ratio" in refused(wide)


def test_seaborns_grids_and_axes_are_figures(plt: Library) -> None:
    """And so are the plots of its objects, which show themselves."""
    seaborn, pandas = library("seaborn"), library("pandas")
    assert plt
    table = pandas.DataFrame({"a": [1, 2, 3], "b": [3, 4, 5], "kind": list("xxy")})
    assert picture(seaborn.relplot(table, x="a", y="b", col="kind")).size
    assert picture(seaborn.scatterplot(table, x="a", y="b")).size


@pytest.mark.filterwarnings("ignore")  # of pandas, about seaborn
def test_seaborns_objects_show_themselves(plt: Library) -> None:
    """As PNG with metadata."""
    objects = library("seaborn.objects")
    assert plt
    assert picture(objects.Plot(x=[1, 2], y=[1, 2]).add(objects.Dot())).size


def test_columns_and_plots_of_pandas(plt: Library) -> None:
    """A column is a list, a plot is a figure, a table of numbers is text in braces."""
    pandas = library("pandas")
    assert plt
    table = pandas.DataFrame({"image": ["a.png", "b.png"], "a": [1, 2]})
    assert references(table["image"]) == ["a.png", "b.png"]
    assert len(references(pandas.Series([PNG, gradient()]))) == 2
    assert picture(table.plot()).size
    assert len(references(table.plot(subplots=True))) == 1
    assert "shape (2,)" in refused(table["a"])
    assert "is a table; for pictures in a column" in refused(table)
    assert "only as HTML" in refused(table.style)
    assert not is_picture(pandas.DataFrame(np.zeros((20, 20))))


def test_altairs_charts_are_drawn() -> None:
    """Whichever renderer shows them."""
    altair = library("altair")
    library("vl_convert")
    data = altair.Data(values=[{"a": 1, "b": 2}, {"a": 2, "b": 3}])
    chart = altair.Chart(data).mark_bar().encode(x="a:Q", y="b:Q")
    assert min(picture(chart).size) > 500
    with altair.renderers.enable("png"):
        assert picture(chart | chart).size


@pytest.mark.skipif(importlib.util.find_spec("kaleido") is not None, reason="kaleido is here, and starts a browser")
def test_plotly_says_what_it_lacks() -> None:
    """Its figures are drawn by kaleido."""
    figure = library("plotly.graph_objects").Figure()
    assert is_picture(figure)
    assert "pip install" in refused(figure)
    assert "kaleido" in refused(figure)


def test_ipythons_images_are_pictures() -> None:
    """PNG and JPEG, or an address; drawings are told."""
    display = library("IPython.display")
    assert picture(display.Image(PNG)).size == (60, 50)
    assert picture(display.Image(encoded(gradient(60, 50), "JPEG"))).size == (60, 50)
    assert references(display.Image(url="https://x.org/a.png")) == ["https://x.org/a.png"]
    assert "only as SVG" in refused(display.SVG("<svg xmlns='http://www.w3.org/2000/svg'/>"))
    assert "only as HTML" in refused(display.HTML("<p>"))


def test_widgets_that_hold_a_picture_are_one() -> None:
    """An image, an upload, by itself or by its value; others hold none."""
    widgets = library("ipywidgets")
    assert picture(widgets.Image(value=PNG)).size == (60, 50)
    assert references(widgets.Image.from_url("https://x.org/a.png")) == ["https://x.org/a.png"]
    assert "no picture in it" in refused(widgets.Image())
    upload = widgets.FileUpload()
    assert "choose one first" in refused(upload)
    told = {"name": "a.png", "type": "image/png", "size": len(PNG), "last_modified": datetime.now(UTC)}
    if widgets.__version__ < "8":
        upload.set_trait("value", {"a.png": {"metadata": told, "content": PNG}})
    else:
        upload.set_trait("value", ({**told, "content": memoryview(PNG)},))
    assert picture(upload).size == picture(upload.value).size == (60, 50)
    assert "type ipywidgets" in refused(widgets.Text("a.png"))


def test_a_canvas_is_what_it_shows() -> None:
    """Once that has come to Python."""
    ipycanvas = library("ipycanvas")
    assert "sync_image_data=True" in refused(ipycanvas.Canvas(width=60, height=50))
    canvas = ipycanvas.Canvas(width=60, height=50, sync_image_data=True)
    canvas.set_trait("image_data", PNG)
    assert picture(canvas).size == (60, 50)


def test_torchs_tensors_are_arrays() -> None:
    """With a gradient, in types that numpy lacks, channels first; what has no values is told."""
    torch = library("torch", in_group=False)
    for tensor in (
        torch.rand(3, 40, 50, requires_grad=True), torch.rand(3, 40, 50).bfloat16(), torch.rand(40, 50, 4),
        torch.zeros(40, 50, dtype=torch.uint8), torch.nn.Parameter(torch.rand(1, 40, 50)), torch.ones(40, 50) > 0,
    ):  # fmt: skip
        assert picture(tensor).size == (50, 40)
    assert "x[0]" in refused(torch.zeros(2, 3, 40, 50))
    assert "x can't be read" in refused(torch.empty(3, 40, 50, device="meta"))
    assert "not finite" in refused(torch.full((40, 50), float("nan")))


def test_jaxs_arrays_are_arrays() -> None:
    """As any other."""
    numpy = library("jax.numpy", in_group=False)
    assert picture(numpy.zeros((3, 40, 50))).size == (50, 40)
