"""A Tab in a real kernel, as a notebook asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kernel import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.kernel

ELSEWHERE = ["import seedr", "sty", "row['", "%loa", "open('pho", "%%time\nsty", "f({sty"]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """Start one kernel without a key, beside a picture."""
    folder = tmp_path_factory.mktemp("notebook")
    (folder / "photo.jpg").touch()
    with Kernel(folder, env={"NOVITA_API_KEY": None}) as kernel:
        kernel.execute("style, row = 'ink', {'a': 1}\ncover = 'photo.jpg'")
        yield kernel


def tab(kernel: Kernel, code: str) -> tuple[str, list[str]]:
    """Return what a Tab at the end of this cell would replace, and with what."""
    content = kernel.client.complete(code, len(code), reply=True, timeout=60)["content"]
    assert content["status"] == "ok"
    return code[content["cursor_start"] : content["cursor_end"]], content["matches"]


@pytest.fixture
def loaded(shared: Kernel) -> Iterator[Kernel]:
    """Load the extension for one test."""
    shared.execute("%load_ext seedream_nb")
    yield shared
    shared.execute("%unload_ext seedream_nb")


def test_unloading_gives_tab_back(shared: Kernel) -> None:
    """Elsewhere Tab gives the same before, with and after the extension; after it, nothing on our lines either."""
    matchers = "len(get_ipython().Completer.custom_matchers)"
    before = [tab(shared, code) for code in ELSEWHERE], shared.execute(matchers).result

    shared.execute("%load_ext seedream_nb")
    assert [tab(shared, code) for code in ELSEWHERE] == before[0]
    assert tab(shared, "%%seedream --si") == ("--si", ["--size"])

    shared.execute("%unload_ext seedream_nb")
    assert ([tab(shared, code) for code in ELSEWHERE], shared.execute(matchers).result) == before
    assert "--size" not in tab(shared, "%%seedream --si")[1]


@pytest.mark.parametrize(
    ("code", "replaced", "matches"),
    [
        ("%%seedream -s 16:", "16:", ["16:9"]),
        ("%%seedream --size=2", "2", ["2K", "2:3", "21:9"]),
        ("%%seedream -i ", "", ["cover", "photo.jpg"]),
        ("%%seedream --out zebra", "", []),
        ("%%seedream\nDon't draw {sty", "sty", ["style"]),
        ("x = 1\n%seedream config back", "back", ["backend="]),
    ],
)
def test_our_lines(loaded: Kernel, code: str, replaced: str, matches: list[str]) -> None:
    """Options, values, references and verbs, and none of Python's names among them."""
    assert tab(loaded, code) == (replaced, matches)


def test_marks_are_offered_and_nothing_is_written(loaded: Kernel) -> None:
    """Without a history there are no marks, and Tab makes no folder; with one, there are."""
    assert tab(loaded, "%seedream show @")[1] == []
    assert not (loaded.folder / "seedream").exists()

    loaded.execute("%seedream config backend=sandbox")
    assert loaded.execute("%%seedream -s 1K\na fox").error is None
    assert tab(loaded, "%seedream show @") == ("", ["last", "1"])


def test_what_cells_showed_is_offered(loaded: Kernel) -> None:
    """The picture shown last, and the cells that showed one: what has none, or was forgotten, is not."""
    loaded.execute("from PIL import Image\nImage.new('RGB', (40, 30))")
    cell = loaded.execute("print(len(In) - 2)").printed.strip()
    loaded.execute("'words'")
    assert tab(loaded, "%%seedream -i @o") == ("o", ["out"])
    assert tab(loaded, "%%seedream -i @[") == ("", [f"{cell}]"])


def test_a_home_that_cannot_be_had_gives_nothing(tmp_path: Path) -> None:
    """Tab says nothing of it; all else can still be completed."""
    with Kernel(tmp_path, env={"SEEDREAM_HOME": "~nobody-here/pictures"}) as kernel:
        kernel.execute("%load_ext seedream_nb")
        assert tab(kernel, "%seedream show @")[1] == []
        assert tab(kernel, "%%seedream --si")[1] == ["--size"]
        assert kernel.execute("1").texts("stderr") == ""
