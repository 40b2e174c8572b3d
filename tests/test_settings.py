"""Settings: what was configured, else the environment, else the default; wrong ones change nothing."""

from __future__ import annotations

import sys
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest

from seedream_nb.errors import SettingsError
from seedream_nb.settings import SETTINGS, Settings, read_setting, user_folder

if TYPE_CHECKING:
    from pathlib import Path


def settings(folder: Path, **environ: str) -> Settings:
    """Give settings that see only this environment."""
    return Settings(environ=environ, folder=folder)


@pytest.mark.parametrize(
    ("name", "value"),
    [("backend", "novita"), ("api_key", None), ("base_url", "https://api.novita.ai"), ("price", 0.03), ("budget", None),
     ("once", False), ("concurrency", 4), ("timeout", 600), ("size", None), ("aspect", None), ("watermark", None)],
)  # fmt: skip
def test_defaults_are_the_contracts(tmp_path: Path, name: str, value: object) -> None:
    """With nothing set, each setting has the default that the contract states."""
    assert settings(tmp_path).get(name) == value


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("SEEDREAM_BACKEND", "Sandbox", "backend", "sandbox"),
        ("SEEDREAM_PRICE", "0.05", "price", 0.05),
        ("SEEDREAM_BUDGET", "2", "budget", 2.0),
        ("SEEDREAM_ONCE", "1", "once", True),
        ("SEEDREAM_ONCE", "no", "once", False),
        ("SEEDREAM_CONCURRENCY", "2", "concurrency", 2),
        ("SEEDREAM_TIMEOUT", "30", "timeout", 30.0),
        ("SEEDREAM_BASE_URL", "http://127.0.0.1:8787/", "base_url", "http://127.0.0.1:8787"),
    ],
)
def test_the_environment_is_read(tmp_path: Path, variable: str, text: str, name: str, value: object) -> None:
    """Each setting that has a variable takes its value from there."""
    assert settings(tmp_path, **{variable: text}).get(name) == value


def test_configure_goes_before_the_environment(tmp_path: Path) -> None:
    """What was configured wins; None sets it back."""
    ours = settings(tmp_path, SEEDREAM_PRICE="0.05")
    ours.change(price=0.07)
    assert ours.get("price") == 0.07
    ours.change(price=None)
    assert ours.get("price") == 0.05


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("backend", "novitta", "novita"),
        ("base_url", "http://api.novita.ai", "https"),
        ("base_url", "api.novita.ai", "URL"),
        ("base_url", "https://u:p@x.example", "plain"),
        ("base_url", "https://x.example/v3/seedream-4.0", "without the path: https://x.example"),
        ("base_url", "https://x.example/a/v3/seedream-4.0/", "without the path: https://x.example/a"),
        ("price", -1, "0 or more"),
        ("price", "cheap", "number"),
        ("price", float("nan"), "number"),
        ("budget", "-0.1", "0 or more"),
        ("once", "perhaps", "true or false"),
        ("concurrency", 0, "1 to"),
        ("concurrency", 2.5, "whole"),
        ("concurrency", True, "whole"),
        ("timeout", 0, "above 0"),
        ("size", "9K", "9K"),
        ("aspect", "wide", "wide"),
        ("home", "~nosuch_user/pictures", "no such user"),
        ("home", "pictures\0", "path of a folder"),
        ("home", 5, "path of a folder"),
        ("api_key", "  ", "white space"),
    ],
)
def test_a_wrong_value_is_refused_in_words(tmp_path: Path, name: str, value: object, told: str) -> None:
    """A value that a setting can't have is refused with what it can have; nothing changes."""
    ours = settings(tmp_path)
    before = ours.get(name)
    with pytest.raises(SettingsError, match=told):
        ours.change(**{name: value})
    assert ours.get(name) == before


NOT_MEANT = [
    "٣", "३", "\uff13", "1_0",
    "1e2_0", " 1e400", "1e-400", "1e300", "nan", "inf", "-inf", "infinity", "0x10", "1,5", "½",
    10**400, Decimal("1e-400"), Decimal("NaN"), Decimal("sNaN"), 2j, b"5", float("inf"),
]  # fmt: skip


@pytest.mark.parametrize("value", NOT_MEANT, ids=[repr(value)[:12] for value in NOT_MEANT])
@pytest.mark.parametrize("name", ["budget", "price", "timeout", "concurrency"])
def test_a_number_that_nobody_means_is_refused(tmp_path: Path, name: str, value: object) -> None:
    """From a call and from the environment: other digits than 0 to 9, Python's underscores, what no float can hold."""
    with pytest.raises(SettingsError, match=f"{name}=.*must be a (whole )?number"):
        settings(tmp_path).change(**{name: value})
    if isinstance(value, str):
        with pytest.raises(SettingsError, match=r"must be a (whole )?number"):
            settings(tmp_path, **{f"SEEDREAM_{name.upper()}": value}).get(name)


@pytest.mark.parametrize(
    ("value", "number"),
    [(" 2.5\n", 2.5), ("+2", 2.0), (".5", 0.5), ("1.", 1.0), ("1e2", 100.0), ("-0", 0.0), (Fraction(9, 2), 4.5),
     (Decimal("0.1"), 0.1), (np.float64(0.25), 0.25), ("0.000", 0.0)],
)  # fmt: skip
def test_a_number_is_read_as_people_write_it(tmp_path: Path, value: object, number: float) -> None:
    """Also one of another type, and never as minus zero."""
    ours = settings(tmp_path)
    ours.change(budget=value)
    assert str(ours.get("budget")) == str(number)


def test_an_unknown_name_gets_the_nearest(tmp_path: Path) -> None:
    """A misspelt setting is refused and the nearest is named."""
    with pytest.raises(SettingsError, match="budget"):
        settings(tmp_path).change(budgett=1)


def test_one_wrong_value_keeps_all_as_they_were(tmp_path: Path) -> None:
    """Settings are changed together or not at all, and all that is wrong is told."""
    ours = settings(tmp_path)
    with pytest.raises(SettingsError) as caught:
        ours.change(price=0.5, concurrency=0, timeout=-1)
    assert ours.get("price") == 0.03
    assert "concurrency" in str(caught.value)
    assert "timeout" in str(caught.value)


def test_a_wrong_environment_is_told_with_its_variable(tmp_path: Path) -> None:
    """A variable with a value that can't be names itself."""
    with pytest.raises(SettingsError, match="SEEDREAM_CONCURRENCY"):
        settings(tmp_path, SEEDREAM_CONCURRENCY="many").get("concurrency")


def test_a_configured_key_is_not_shown(tmp_path: Path) -> None:
    """The settings hold the key as something that can't be read by printing it."""
    ours = settings(tmp_path)
    ours.change(api_key="sk_secret_value")
    assert "secret" not in repr(ours.get("api_key"))


def test_home_is_fixed_at_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Changing the working directory later moves no pictures."""
    ours = settings(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert ours.get("home") == tmp_path / "seedream"


def test_home_from_the_environment_is_meant_from_the_notebooks_folder(tmp_path: Path) -> None:
    """A relative SEEDREAM_HOME is below the notebook's folder, an absolute one where it says."""
    assert settings(tmp_path, SEEDREAM_HOME="pictures").get("home") == tmp_path / "pictures"
    assert settings(tmp_path, SEEDREAM_HOME=str(tmp_path / "a")).get("home") == tmp_path / "a"


def test_home_can_be_configured_and_set_back(tmp_path: Path) -> None:
    """`configure(home=…)` moves it, None moves it back."""
    ours = settings(tmp_path)
    ours.change(home="other")
    assert ours.get("home") == tmp_path / "other"
    ours.change(home=None)
    assert ours.get("home") == tmp_path / "seedream"


def test_home_is_as_it_was_at_load(tmp_path: Path) -> None:
    """SEEDREAM_HOME as it was when the package was loaded wins over what it is now."""
    ours = Settings(environ={"SEEDREAM_HOME": "now"}, folder=tmp_path, home="then")
    assert (ours.get("home"), ours.source("home")) == (tmp_path / "then", "SEEDREAM_HOME")
    none = Settings(environ={"SEEDREAM_HOME": "now"}, folder=tmp_path, home="")
    assert (none.get("home"), none.source("home")) == (tmp_path / "seedream", "default")


def test_a_home_in_the_environment_that_can_not_be_is_told_and_can_be_mended(tmp_path: Path) -> None:
    """A SEEDREAM_HOME of a user who doesn't exist is an error when `home` is needed; configure gets one out of it."""
    ours = settings(tmp_path, SEEDREAM_HOME="~nosuch_user/pictures")
    with pytest.raises(SettingsError, match="SEEDREAM_HOME"):
        ours.get("home")
    ours.change(home="pictures")
    assert ours.get("home") == tmp_path / "pictures"


def test_a_home_may_be_a_path(tmp_path: Path) -> None:
    """`home` takes a Path as well as a text, and `~` is the user's own folder."""
    ours = settings(tmp_path)
    ours.change(home=tmp_path / "a")
    assert ours.get("home") == tmp_path / "a"
    ours.change(home="~/b")
    assert ours.get("home") == type(tmp_path).home() / "b"


@pytest.mark.parametrize(
    ("before", "change"),
    [
        ({}, {"size": "2048x2048", "aspect": "16:9"}),
        ({"size": "2048x2048"}, {"aspect": "16:9"}),
        ({"aspect": "16:9"}, {"size": "3:2"}),
    ],
)
def test_a_size_and_an_aspect_that_clash_are_refused(
    tmp_path: Path, before: dict[str, str], change: dict[str, str]
) -> None:
    """`size` and `aspect` are checked together, with what is in force; nothing changes."""
    ours = settings(tmp_path)
    ours.change(**before)
    with pytest.raises(SettingsError, match="don't go together"):
        ours.change(**change)
    assert (ours.get("size"), ours.get("aspect")) == (before.get("size"), before.get("aspect"))


def test_a_size_and_an_aspect_that_go_together_are_taken(tmp_path: Path) -> None:
    """A tier has an aspect beside it, and a size may take an aspect's place in one change."""
    ours = settings(tmp_path)
    ours.change(size="4K", aspect="16:9")
    ours.change(size="2048x2048", aspect=None)
    assert (ours.get("size"), ours.get("aspect")) == ("2048x2048", None)


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [("timeout", 30, 30.0), ("timeout", None, None), ("once", True, True), ("once", "no", False), ("price", "1", 1.0)],
)
def test_a_value_is_read_as_its_setting(name: str, value: object, read: object) -> None:
    """What is given for one call is read by the rules of the setting of that name."""
    assert read_setting(name, value) == read


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [("timeout", -1, "timeout=-1: must be"), ("once", "perhaps", "once="), ("timeut", 1, "timeout")],
)
def test_a_value_that_a_setting_can_not_have_is_refused(name: str, value: object, told: str) -> None:
    """A wrong value, or the name of no setting, is a SettingsError in words."""
    with pytest.raises(SettingsError, match=told):
        read_setting(name, value)


@pytest.mark.parametrize("value", ["sk_Zq7XvTgWpLmR", "https://u:Zq7XvTgWpLmR@x.example"])
def test_what_may_be_a_key_is_not_repeated(tmp_path: Path, value: str) -> None:
    """A key or password given for another setting is refused without being shown."""
    with pytest.raises(SettingsError) as caught:
        settings(tmp_path).change(base_url=value)
    assert "Zq7X" not in str(caught.value)
    with pytest.raises(SettingsError) as caught:
        settings(tmp_path, SEEDREAM_BASE_URL=value).get("base_url")
    assert "Zq7X" not in str(caught.value)


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_explained(name: str) -> None:
    """Each setting has a sentence of help."""
    assert SETTINGS[name].help


def test_variables_that_no_setting_reads_are_found(tmp_path: Path) -> None:
    """What begins like a setting's variable and is none can be told."""
    assert settings(tmp_path, SEEDREAM_BUGDET="1", SEEDREAM_BUDGET="1", SEEDREAMS="x", PATH="x").unread == [
        "SEEDREAM_BUGDET"
    ]


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="they have folders of their own for this")
@pytest.mark.parametrize(
    ("home", "xdg", "folder"),
    [
        ("/home/mina", "", "/home/mina/.config/seedream-nb"),
        ("/home/mina", "/config", "/config/seedream-nb"),
        ("/home/mina", "config", "/home/mina/.config/seedream-nb"),
        ("mina", "", None),
    ],
)
def test_the_users_own_folder(monkeypatch: pytest.MonkeyPatch, home: str, xdg: str, folder: str | None) -> None:
    """It is where the system says; a relative path would put the key wherever the notebook is, and is none."""
    monkeypatch.setenv("HOME", home)
    found = user_folder("config", {"XDG_CONFIG_HOME": xdg})
    assert (None if found is None else str(found)) == folder
