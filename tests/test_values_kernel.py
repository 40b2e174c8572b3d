"""In a real kernel, with the libraries as people have them: each value is a reference after `--image` and in braces."""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING

import pytest

from tests.kernel import Kernel
from tests.pictures import encoded, gradient

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.kernel

DRAWN = ".mark_point().encode(x='a:Q').properties(height=200)"
VALUES = [
    # the library, what a cell makes with it, how it is written
    ("pathlib", "from pathlib import Path", "Path('photo.png')"),
    ("pathlib", "file = open('photo.png', 'rb')", "file"),
    ("pathlib", "data = open('photo.png', 'rb').read()", "data"),
    ("PIL", "from PIL import Image\npil = Image.open('photo.png')", "pil"),
    ("IPython", "from IPython.display import Image as Shown\nshown = Shown('photo.png')", "shown"),
    ("numpy", "import numpy as np\narray = np.linspace(0, 1, 40 * 50 * 3).reshape(40, 50, 3)", "array[::-1]"),
    ("torch", "import torch\ntensor = torch.linspace(0, 1, 3 * 40 * 50).reshape(3, 40, 50)", "tensor"),
    ("jax", "import jax.numpy as jnp\njarray = jnp.linspace(0, 1, 40 * 50).reshape(40, 50)", "jarray"),
    ("matplotlib", "import matplotlib.pyplot as plt\nfig, ax = plt.subplots()\nax.plot([3, 1, 2])", "fig"),
    ("matplotlib", "import matplotlib.pyplot as plt\nfig, ax = plt.subplots()\nax.plot([3, 1, 2])", "ax"),
    ("pandas", "import pandas as pd\ndrawn = pd.Series([3, 1, 2]).plot()", "drawn"),
    ("pandas", "import pandas as pd\nrow = pd.DataFrame({'img': [Path('photo.png')]}).iloc[0]", "row['img']"),
    ("seaborn", "import seaborn as sns\ngrid = sns.relplot(x=[1, 2, 3], y=[3, 1, 2])", "grid"),
    ("altair", "import altair as alt\nchart = alt.Chart(alt.Data(values=[{'a': 1}]))" + DRAWN, "chart"),
    ("kaleido", "import plotly.express as px\nbars = px.bar(x=[1, 2], y=[3, 1])", "bars"),
    ("ipywidgets", "import ipywidgets\nwidget = ipywidgets.Image.from_file('photo.png')", "widget"),
]  # fmt: skip
OFTEN_MISSING = {"torch", "jax", "kaleido"}
"""Of no group: large, or starting a browser."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """Start one kernel for all these tests, beside a photo."""
    folder = tmp_path_factory.mktemp("notebook")
    (folder / "photo.png").write_bytes(encoded(gradient(60, 50), "PNG"))
    with Kernel(folder) as kernel:
        kernel.execute("%load_ext seedream_nb\n%seedream config backend=sandbox\nfrom pathlib import Path")
        yield kernel


@pytest.mark.parametrize(("library", "made", "written"), VALUES, ids=[f"{row[0]}-{row[2]}" for row in VALUES])
def test_a_value_is_one_reference_however_it_is_written(shared: Kernel, library: str, made: str, written: str) -> None:
    """After `--image` and in braces it is the same picture, and that was sent."""
    is_here = importlib.util.find_spec(library) is not None
    if not is_here and (library in OFTEN_MISSING or os.environ.get("CI") != "true"):
        pytest.skip(f"{library} is not here")
    assert shared.execute(made).error is None
    ran = shared.execute(f"%%seedream -s 1K --out made -i {written}\nlike {{{written}}} at night")
    assert ran.error is None, ran.text
    told = shared.execute("print(made.prompt, [each.width for each in made.request.images], len(made))").printed
    prompt, _, rest = told.partition(" at night ")
    assert prompt == "like image 1"
    assert rest.count(",") == 0
    assert rest.endswith("] 1\n")
