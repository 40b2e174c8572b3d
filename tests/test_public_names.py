"""What other people's notebooks may rely on: the public names, and what each of them is."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from PIL import Image

import seedream_nb
from seedream_nb.options import OPTIONS
from tests.kernel import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FUNCTIONS = {"batch", "configure", "generate", "panel", "submit"}
VALUES = {"history": "History"}
CLASSES = {"Batch", "Gallery", "Generation", "ImageRequest", "Job", "Picture", "ReferenceTray"}
ERRORS = {
    "ApiError": "SeedreamError",
    "AuthenticationError": "ApiError",
    "BudgetError": "SeedreamError",
    "ConnectionFailedError": "SeedreamError",
    "ContentRefusedError": "ApiError",
    "DownloadError": "SeedreamError",
    "OutcomeUnknownError": "SeedreamError",
    "PermissionDeniedError": "ApiError",
    "RateLimitError": "ApiError",
    "ReferenceImageError": "RequestError",
    "ReplyError": "SeedreamError",
    "RequestError": "SeedreamError",
    "SeedreamError": "Exception",
    "ServiceError": "ApiError",
    "SettingsError": "SeedreamError",
    "StillGeneratingError": "SeedreamError",
    "StoppedError": "SeedreamError",
}
HOOKS = {"load_ipython_extension", "unload_ipython_extension"}


@pytest.fixture(autouse=True)
def _every_module() -> None:
    """Import every module: none may take the place of a public name."""
    for module in pkgutil.walk_packages(seedream_nb.__path__, "seedream_nb."):
        if not module.name.endswith(".__main__"):
            importlib.import_module(module.name)


def test_the_list() -> None:
    """These names are public, and no others."""
    assert set(seedream_nb.__all__) == FUNCTIONS | set(VALUES) | CLASSES | set(ERRORS)


@pytest.mark.parametrize("name", sorted(FUNCTIONS | HOOKS))
def test_functions(name: str) -> None:
    """A public function is a function, and says what it is for."""
    function = getattr(seedream_nb, name)

    assert inspect.isfunction(function)
    assert function.__doc__


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_classes(name: str) -> None:
    """A public class is a class, has its public name, and says what it is for."""
    found = getattr(seedream_nb, name)

    assert inspect.isclass(found)
    assert found.__name__ == name
    assert found.__doc__


@pytest.mark.parametrize(("name", "parent"), sorted(ERRORS.items()))
def test_errors(name: str, parent: str) -> None:
    """A public error has its place in the tree of errors."""
    bases = {base.__name__ for base in getattr(seedream_nb, name).__bases__}

    assert parent in bases


@pytest.mark.parametrize(("name", "kind"), sorted(VALUES.items()))
def test_values(name: str, kind: str) -> None:
    """A public value is of its kind."""
    assert type(getattr(seedream_nb, name)).__name__ == kind


def test_an_unknown_name() -> None:
    """A name that is not there is an AttributeError, as in any module."""
    with pytest.raises(AttributeError, match="genrate"):
        seedream_nb.genrate  # noqa: B018 - asking is the test


def test_dir_lists_the_public_names() -> None:
    """Completion sees all the public names, those too that are loaded when first used."""
    assert set(seedream_nb.__all__) <= set(dir(seedream_nb))


@pytest.mark.slow
def test_from_import_star() -> None:
    """`from seedream_nb import *` brings exactly the public names."""
    brings = "from seedream_nb import *; print(*[name for name in dir() if not name.startswith('__')])"
    ran = subprocess.run([sys.executable, "-c", brings], capture_output=True, text=True, check=True)

    assert set(ran.stdout.split()) == set(seedream_nb.__all__)


CALLS = ["generate", "submit", "batch"]
OF_THE_CALL = {
    "generate": set[str](),
    "submit": set[str](),
    "batch": {"repeat", "yes", "retry_unknown", "over", "rows"},
}


@pytest.mark.parametrize("name", CALLS)
def test_the_cells_options_are_options_of_the_call(name: str) -> None:
    """Every option of a cell but `--out` is there by its long name, for completion to see; so is `image`."""
    options = {option.name for option in OPTIONS} - {"out", "repeat", "sweep", "each", "yes", "retry_unknown"}
    assert {*options, *OF_THE_CALL[name], "image", "values", "prompt"} == set(
        inspect.signature(getattr(seedream_nb, name)).parameters
    )


@pytest.mark.parametrize("name", CALLS)
def test_the_calls_explain_each_option(name: str) -> None:
    """The docstring has a line for every parameter."""
    function = getattr(seedream_nb, name)
    documented = inspect.getdoc(function) or ""
    assert [each for each in inspect.signature(function).parameters if f"\n    {each}: " not in documented] == []


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("option", "near"),
    [("sise", "size"), ("n", "max_images"), ("ratio", "aspect"), ("save_to", "save"), ("dryrun", "dry_run")],
)
def test_a_misspelt_option_names_the_nearest(name: str, option: str, near: str) -> None:
    """An option that does not exist is a TypeError, as in any call, with the nearest that does."""
    with pytest.raises(TypeError, match=rf"{name}\(\) has no option '{option}'\. Did you mean {near}\?"):
        getattr(seedream_nb, name)("a fox", **{option: 1})


def test_no_frame_has_the_value_of_an_option_that_there_is_not() -> None:
    """It may be a key, and tools show the variables of each frame."""
    with pytest.raises(TypeError) as caught:
        getattr(seedream_nb, CALLS[0])("a fox", api_key="sk_secret")
    frames = [entry.frame for entry in caught.traceback[1:]]
    assert "check_options" in [each.code.name for each in frames]
    assert [each.code.name for each in frames if "sk_secret" in repr(each.f_locals)] == []


def test_several_misspelt_options_are_told_together() -> None:
    """Each option that does not exist is told."""
    with pytest.raises(TypeError, match=r"(?s)'sise'.*'out'"):
        seedream_nb.generate("a fox", sise="2K", out="g")  # type: ignore[call-overload]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a notebook's folder with two pictures in it."""
    folder = tmp_path_factory.mktemp("notebook")
    for name, colour in (("a.png", "red"), ("b.png", "blue")):
        Image.new("RGB", (64, 64), colour).save(folder / name)
    return folder


@pytest.fixture(scope="module")
def notebook(folder: Path) -> Iterator[Kernel]:
    """Start a kernel in the sandbox."""
    with Kernel(folder, env={"SEEDREAM_BACKEND": "sandbox"}) as kernel:
        kernel.execute("import seedream_nb as sd")
        yield kernel


@pytest.mark.kernel
@pytest.mark.parametrize("call", CALLS[:2])
def test_a_dry_run_shows_the_request_and_sends_nothing(notebook: Kernel, call: str) -> None:
    """`dry_run=True` shows what a cell's `--dry-run` shows, has no value, and leaves no trace."""
    options = "values={'animal': 'fox'}, size='16:9', max_images=4, dry_run=True"
    ran = notebook.execute(f"n = len(sd.history); g = sd.{call}('a {{animal}}', {options})")
    assert ran.error is None
    assert '"a fox"' in ran.text
    assert "at most 0.12 USD" in ran.text
    assert "text/html" in ran.shown[0]
    assert notebook.execute("g is None, len(sd.history) == n").result == "(True, True)"


def test_a_script_prints_its_dry_run(folder: Path) -> None:
    """Without IPython the request and the estimate are printed, and IPython is not imported for it."""
    code = "import sys, seedream_nb as sd; sd.generate('a fox', dry_run=True); print('IPython' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=folder)
    assert '"a fox"' in ran.stdout
    assert "0.03 USD" in ran.stdout
    assert ran.stdout.endswith("False\n")


@pytest.mark.kernel
def test_image_is_another_spelling_of_images(notebook: Kernel) -> None:
    """`image=` takes references as `images=` does; both together are one list."""
    names = "[each.name for each in {}.request.images]"
    ran = notebook.execute("g = sd.generate('x', image='a.png', size='1K')\n" + names.format("g"))
    assert ran.result == "['a.png']"
    ran = notebook.execute("g = sd.generate('x', images=['a.png'], image='b.png', size='1K')\n" + names.format("g"))
    assert ran.result == "['a.png', 'b.png']"


@pytest.mark.kernel
def test_generate_in_the_background_gives_a_job(notebook: Kernel) -> None:
    """`background=True` makes `generate` return at once, as `submit` does."""
    ran = notebook.execute("j = sd.generate('x', size='1K', background=True)\ntype(j).__name__, j.result().status")
    assert ran.result == "('Job', 'done')"
    ran = notebook.execute("j = sd.submit('x', size='1K', background=True)\ntype(j).__name__, j.result().status")
    assert ran.result == "('Job', 'done')"


@pytest.mark.slow
@pytest.mark.parametrize("call", ["edit('at night', sise='2K')", "rerun(sise='2K')"])
def test_a_generation_names_the_nearest_option_too(call: str) -> None:
    """`edit` and `rerun` take the options of `generate`; what they don't have is told in a few lines."""
    seedream_nb.configure(backend="sandbox")
    generation = seedream_nb.generate("a fox", size="1K")
    with pytest.raises(seedream_nb.RequestError, match=r"has no option 'sise'\. Did you mean size\?"):
        eval(f"generation.{call}", {"generation": generation})  # noqa: S307 - of the table above
