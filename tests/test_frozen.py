"""Values are what frozen, keyword-only dataclasses are; each fact is held against one of Python's own."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import subprocess
import sys
from dataclasses import FrozenInstanceError, dataclass, field
from typing import TYPE_CHECKING

import pytest

from seedream_nb.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable


@frozen
class Ours:
    """A value of ours."""

    name: str
    size: int = 2
    tags: list[str] = field(default_factory=list)
    key: str = field(default="sk_secret", repr=False)
    seen: int = field(default=0, compare=False)


@frozen
class Later(Ours):
    """One that adds a field to another."""

    more: int = 7

    def __post_init__(self) -> None:
        """Refuse what can't be."""
        if self.more < 0:
            raise ValueError("less than none")


@frozen(eq=False)
class Alone:
    """One that equals only itself."""

    name: str = "a"


@dataclass(frozen=True, kw_only=True)
class Python:
    """The same as Python makes it."""

    name: str
    size: int = 2
    tags: list[str] = field(default_factory=list)
    key: str = field(default="sk_secret", repr=False)
    seen: int = field(default=0, compare=False)


SAME: dict[str, Callable[[type], object]] = {
    "its text, without what must not be shown": lambda kind: repr(kind(name="a")).partition("(")[2],
    "its fields": lambda kind: vars(kind(size=3, name="a")),
    "a signature": lambda kind: str(inspect.signature(kind)),
    "another with a change": lambda kind: vars(dataclasses.replace(kind(name="a", tags=["b"]), size=4)),
    "a dictionary": lambda kind: dataclasses.asdict(kind(name="a")),
    "equality": lambda kind: (kind(name="a") == kind(name="a", seen=1), kind(name="a") == kind(name="b")),
    "a hash": lambda kind: hash(kind(name="a", tags=())) == hash(kind(name="a", tags=(), seen=1)),
    "a list of its own": lambda kind: kind(name="a").tags is kind(name="b").tags,
    "a copy": lambda kind: copy.deepcopy(kind(name="a")) == kind(name="a"),
    "what pickle brings back": lambda kind: pickle.loads(pickle.dumps(kind(name="a"))) == kind(name="a"),  # noqa: S301
    "patterns": lambda kind: kind.__match_args__,  # type: ignore[attr-defined]
}


@pytest.mark.parametrize("fact", SAME)
def test_a_value_has_what_a_dataclass_has(fact: str) -> None:
    """Whatever is asked of it, the answer is the same."""
    assert SAME[fact](Ours) == SAME[fact](Python)


@pytest.mark.parametrize("given", [{}, {"name": "a", "nmae": "b"}, {"nmae": "b"}])
def test_what_is_lacking_or_unknown_is_an_error(given: dict[str, str]) -> None:
    """As with a dataclass."""
    for kind in (Ours, Python):
        with pytest.raises(TypeError, match=r"name|nmae"):
            kind(**given)  # type: ignore[arg-type]


def test_nothing_is_given_by_its_place() -> None:
    """Only by its name."""
    with pytest.raises(TypeError):
        Ours("a")  # type: ignore[call-arg]


@pytest.mark.parametrize("change", [lambda value: setattr(value, "size", 3), lambda value: delattr(value, "size")])
def test_a_value_never_changes(change: Callable[[object], None]) -> None:
    """Nor does it get fields that it has not."""
    for value in (Ours(name="a"), Later(name="a"), Alone()):
        with pytest.raises(FrozenInstanceError):
            change(value)


def test_a_class_can_add_fields_and_rules() -> None:
    """Those of the other come first, and equality knows the class."""
    later = Later(name="a")
    assert (list(vars(later))[-1], later.more, later == Ours(name="a")) == ("more", 7, False)
    with pytest.raises(ValueError, match="less than none"):
        Later(name="a", more=-1)


def test_some_equal_only_themselves() -> None:
    """Those for which that is asked, and they are hashed so."""
    alone = Alone()
    assert {alone: 1, Alone(): 2}[alone] == 1
    assert alone != Alone()


def test_making_such_a_class_compiles_nothing() -> None:
    """That is what takes dataclasses so long."""
    code = """
import sys
from seedream_nb.frozen import frozen
compiled = []
sys.addaudithook(lambda event, _: compiled.append(event) if event in {"compile", "exec"} else None)
class Value:
    "A value."
    name: str = "a"
frozen(Value)
print(compiled)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
