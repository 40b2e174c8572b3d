"""Options and settings take what Python and numpy call a number, a text or a truth, and refuse the rest in words."""

from __future__ import annotations

import contextlib
import decimal
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import seedream_nb as sd
from seedream_nb.errors import RequestError, SeedreamError, SettingsError
from seedream_nb.process import PROCESS
from seedream_nb.request import ImageRequest, make_request
from seedream_nb.scope import NamesScope, scalar
from seedream_nb.settings import SETTINGS, Settings

if TYPE_CHECKING:
    from tests.conftest import NewSession
    from tests.faults.server import FaultServer


class Raises:
    """Can't be looked at."""

    def __repr__(self) -> str:
        """Raise."""
        raise ConnectionError("gone")

    __str__ = __bool__ = __len__ = __eq__ = __hash__ = __index__ = __float__ = __fspath__ = __repr__  # type: ignore[assignment]


ODD: list[Any] = [
    None, "", " ", "text", "5", b"text", bytearray(b"x"), True, False, 0, 1, -1, 5, 10**5000, 0.5, float("nan"),
    float("inf"), decimal.Decimal("NaN"), [], ["2K"], [1, 2], (), {}, {"a": 1}, {1}, set(), object(), object, len,
    Raises(), np.array([1, 2]), np.array([]), np.array(["a", "b"]), np.zeros((3, 3)), np.array(4), np.array("2K"),
    np.array(None), np.True_, np.False_, np.int64(4), np.float32(0.5), np.float64("nan"), np.str_("2K"),
    np.bytes_(b"x"), np.datetime64("NaT"), Path("there"), np.ma.masked, "\0", "\ud83e", "http://x.org:99999999",
]  # fmt: skip
EXPECTED = {
    "backend": str, "base_url": str, "home": Path, "price": float, "budget": float, "once": bool, "concurrency": int,
    "timeout": float, "size": str, "aspect": str, "watermark": bool, "model": str,
    "confirm": int, "daily_budget": float, "rate": float,
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_a_setting_is_refused_in_words_or_of_its_own_type(tmp_path: Path, name: str) -> None:
    """Whatever it is set to."""
    for value in ODD:
        ours = Settings(environ={}, folder=tmp_path)
        try:
            ours.change(**{name: value})
        except SettingsError:
            continue
        found = ours.get(name)
        assert found is None or name == "api_key" or type(found) in {EXPECTED[name], type(tmp_path), int}, repr(found)


@pytest.mark.parametrize("key", [b"sk-of-mine-123", True, ["sk-of-mine-123"], 123, Path("sk-of-mine")])
def test_a_key_is_a_text_and_never_shown(tmp_path: Path, key: object) -> None:
    """What is none is refused by its type, and not repeated."""
    with pytest.raises(SettingsError, match="api_key: must be a text, not a value of type") as caught:
        Settings(environ={}, folder=tmp_path).change(api_key=key)
    assert "mine" not in str(caught.value)


NUMPYS: list[tuple[str, Any, object]] = [
    ("watermark", np.True_, True),
    ("watermark", np.False_, False),
    ("once", np.True_, True),
    ("concurrency", np.int64(4), 4),
    ("concurrency", np.array(4), 4),
    ("price", np.float32(0.5), 0.5),
    ("budget", np.int32(2), 2.0),
    ("timeout", np.float64(30), 30.0),
    ("size", np.str_("2K"), "2K"),
    ("aspect", np.str_("16:9"), "16:9"),
    ("backend", np.str_("sandbox"), "sandbox"),
]


@pytest.mark.parametrize(("name", "value", "own"), NUMPYS)
def test_a_setting_takes_the_scalars_of_numpy(tmp_path: Path, name: str, value: object, own: object) -> None:
    """And has them as Python's own."""
    ours = Settings(environ={}, folder=tmp_path)
    ours.change(**{name: value})
    assert (ours.get(name), type(ours.get(name))) == (own, type(own))


FIELDS: list[tuple[str, Any, object]] = [
    ("watermark", np.False_, False),
    ("watermark", np.array([True])[0], True),
    ("max_images", np.int64(4), 4),
    ("max_images", np.uint8(4), 4),
    ("max_images", np.array(4), 4),
    ("size", np.str_("4K"), "4K"),
    ("size", np.array("4K"), "4K"),
    ("sequential", np.str_("auto"), "auto"),
]


@pytest.mark.parametrize(("name", "value", "own"), FIELDS)
def test_a_request_takes_the_scalars_of_numpy(name: str, value: object, own: object) -> None:
    """And has them as Python's own, for JSON knows no other."""
    found = getattr(make_request(np.str_("a fox"), **{name: value}), name)  # type: ignore[arg-type]  # on purpose
    assert (found, type(found)) == (own, type(own))
    assert type(make_request(np.str_("a fox")).prompt) is str


@pytest.mark.parametrize("name", ["prompt", "size", "aspect", "max_images", "sequential", "watermark"])
def test_a_field_is_refused_in_words_or_valid(name: str) -> None:
    """Whatever it is, by the function and by the constructor."""
    for value in ODD:
        for make in (make_request, ImageRequest):
            if (make, name) != (ImageRequest, "aspect"):  # which is no field
                with contextlib.suppress(RequestError):
                    make(**{"prompt": "a fox", name: value})


@pytest.mark.parametrize("images", [5, "abc", ["a"], np.array([1, 2]), None, Raises()])
def test_a_request_has_references_only(images: Any) -> None:
    """Its constructor says so."""
    with pytest.raises(RequestError, match="images: found"):
        ImageRequest(prompt="a fox", images=images)


@pytest.mark.parametrize("name", ["once", "save", "timeout", "images", "values", "size", "sequential", "max_images"])
def test_an_option_is_refused_in_words_or_taken(
    new_session: NewSession, fault_server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Before anything is sent."""
    monkeypatch.chdir(tmp_path)
    session = new_session()
    session.settings.change(budget=0)
    for value in ODD:
        if value is Path("there"):
            continue
        try:
            session.start("a fox", **{name: value}).result()
        except SeedreamError:
            continue
    assert fault_server.posts == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("timeout", "soon"), ("timeout", np.array([1, 2])), ("once", "perhaps"), ("once", [1]), ("save", 5),
     ("save", b"there"), ("save", np.array(["a", "b"])), ("values", "text"), ("values", 5), ("values", [1, 2]),
     ("values", {1: "x"}), ("sequential", np.array(["auto", "auto"])), ("max_images", np.array([1, 2])),
     ("size", ["2K"]), ("aspect", {"a": 1}), ("watermark", np.array([True, False]))],
)  # fmt: skip
def test_a_wrong_option_names_itself(new_session: NewSession, name: str, value: Any) -> None:
    """In a RequestError, as the problems of all other parts of a request."""
    with pytest.raises(RequestError) as caught:
        new_session().start("a fox", **{name: value})
    assert str(caught.value).startswith(name)


def test_a_number_of_thousands_of_digits_is_refused() -> None:
    """Python itself does not write it out."""
    for number in (10**5000, -(10**5000)):
        with pytest.raises(RequestError, match="max_images: found a number with many digits; the range is 1 to 15"):
            make_request("a fox", max_images=number)


def test_values_may_be_the_row_of_a_table() -> None:
    """Whatever has names."""
    pandas = pytest.importorskip("pandas")
    row = pandas.DataFrame({"title": ["Fox"], "price": [1.5]}).iloc[0]
    assert sorted(NamesScope(row).names()) == ["price", "title"]


@pytest.mark.parametrize("value", [None, "x", 5, [1], np.array([1]), len, Raises, np.dtype("u1")])
def test_what_is_no_scalar_stays(value: object) -> None:
    """As it is."""
    assert scalar(value) is value


SCRIPT = """
import numpy as np, seedream_nb as sd
sd.configure(backend="sandbox", size="1K")
for options in ({"dry_run": "no"}, {"background": np.array([1, 2])}, {"background": "no"}, {"values": "text"}):
    for call in (sd.generate, sd.submit):
        try:
            call("a fox", **options)
        except sd.RequestError as error:
            print(next(iter(options)), str(error).startswith(next(iter(options))))
job = sd.generate("a fox", background=np.True_)
print(sd.generate("a fox", dry_run=np.True_), job.result().status, len(sd.history))
"""


@pytest.mark.slow
def test_a_flag_is_asked_before_anything_is_paid(tmp_path: Path) -> None:
    """An array as `background` is refused before the request is sent, not after."""
    ran = subprocess.run([sys.executable, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True, check=False,
                         env={**os.environ, "SEEDREAM_HOME": str(tmp_path / "home")})  # fmt: skip
    assert ran.stderr == ""
    lines = ran.stdout.splitlines()
    assert lines[:8] == ["dry_run True"] * 2 + ["background True"] * 4 + ["values True"] * 2
    assert lines[-1] == "None done 1"


@pytest.mark.parametrize("key", ["sk_Zq7XvTgWpLmRkYbN", "Zq7XvTgWpLmRkYbN"])
def test_a_key_as_the_value_of_an_option_is_not_shown(
    new_session: NewSession, fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """Whatever the option, the call and the key look like."""
    session = new_session(key=key)
    monkeypatch.setattr(PROCESS, "session", session)
    options: list[tuple[Any, str]] = [
        (call, name)
        for call in (sd.generate, sd.submit, sd.batch)
        for name in ("timeout", "once", "save", "size", "dry_run", "background", "model", "watermark", "max_images")
    ]
    options += [(sd.batch, name) for name in ("over", "rows", "repeat", "yes", "retry_unknown")]
    for call, name in options:
        for value in (key, [key]):
            with pytest.raises(RequestError) as refused:
                call("a fox", **{name: value})
            told = f"{refused.value!r} {refused.value} {refused.value.problems}"
            assert key not in told, (call.__name__, name)
    made = session.start("a fox").result()
    wrong: Any = {"timeout": key}
    for again in (made.rerun, partial(made.edit, "a cat")):
        with pytest.raises(RequestError) as refused:
            again(**wrong)
        assert key not in str(refused.value)
    assert len(fault_server.posts) == 1
