"""What leaves a process as a pickle: results by record and path, never with the session or the key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def _nobody() -> Any:  # noqa: ANN401 - nothing
    raise AssertionError


class CurrentSession:
    """The session of the process where a result is that came as a pickle, asked for when it is needed."""

    session: Callable[[], Any] = staticmethod(_nobody)
    """What the package hands down: gives the one of this process."""

    def edit(self, generation: Any, prompt: str, options: Mapping[str, Any]) -> Any:  # noqa: ANN401 - generation.Verbs
        """Generate with the generation's pictures as references."""
        return self.session().edit(generation, prompt, options)

    def rerun(self, request: Any, changes: Mapping[str, Any]) -> Any:  # noqa: ANN401 - generation.Verbs
        """Ask the same again, but for the changes."""
        return self.session().rerun(request, changes)

    def bundle(self, value: Any) -> dict[str, Any]:  # noqa: ANN401 - generation.Verbs
        """Return the mime bundle of the value."""
        bundle: dict[str, Any] = self.session().bundle(value)
        return bundle

    def __reduce__(self) -> str:
        """Be the same one in every process: each has its own session."""
        return "HERE"


HERE = CurrentSession()


def picklable_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a result as they go into a pickle: where it comes to, it asks the session there."""
    return {**fields, "verbs": HERE}


class NotPicklable:
    """Something that can't leave its process; each says what to send in its place."""

    __slots__ = ()
    instead = ""

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuse to be pickled or copied, before anything goes wrong far from here."""
        from seedream_nb.errors import SeedreamError

        raise SeedreamError(f"A {type(self).__name__} can't be pickled or copied.", hint=self.instead)
