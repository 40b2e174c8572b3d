"""Pickling of results: by record and path, never with the session or the key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def _nobody() -> Any:  # noqa: ANN401 - nothing
    raise AssertionError


class CurrentSession:
    """The session of the current process, which an unpickled result uses for its verbs."""

    session: Callable[[], Any] = staticmethod(_nobody)
    """Returns this process's session; the package sets it."""

    def edit(self, generation: Any, prompt: str, options: Mapping[str, Any]) -> Any:  # noqa: ANN401 - generation.Verbs
        """Generate with the generation's pictures as references."""
        return self.session().edit(generation, prompt, options)

    def run_again(self, request: Any, changes: Mapping[str, Any]) -> Any:  # noqa: ANN401 - generation.Verbs
        """Run the request again, with some changes."""
        return self.session().run_again(request, changes)

    def bundle(self, value: Any) -> dict[str, Any]:  # noqa: ANN401 - generation.Verbs
        """Return the mime bundle of the value."""
        bundle: dict[str, Any] = self.session().bundle(value)
        return bundle

    def __reduce__(self) -> str:
        """Pickle as this module's `HERE`."""
        return "HERE"


HERE = CurrentSession()


def picklable_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return a result's fields for its pickle: where it is unpickled, it uses that process's session."""
    return {**fields, "verbs": HERE}


class NotPicklable:
    """Something that can't leave its process; `instead` says what to send."""

    __slots__ = ()
    instead = ""

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuse to be pickled or copied."""
        from seedream_nb.errors import SeedreamError

        raise SeedreamError(f"A {type(self).__name__} can't be pickled or copied.", hint=self.instead)
