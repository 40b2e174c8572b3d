"""What other people's notebooks may rely on: the public names, and what each of them is."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys

import pytest

import seedream_nb

FUNCTIONS = {"configure", "generate", "submit"}
VALUES = {"history": "History"}
CLASSES = {"Generation", "ImageRequest", "Job", "Picture"}
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


def test_from_import_star() -> None:
    """`from seedream_nb import *` brings exactly the public names."""
    brings = "from seedream_nb import *; print(*[name for name in dir() if not name.startswith('__')])"
    ran = subprocess.run([sys.executable, "-c", brings], capture_output=True, text=True, check=True)

    assert set(ran.stdout.split()) == set(seedream_nb.__all__)
