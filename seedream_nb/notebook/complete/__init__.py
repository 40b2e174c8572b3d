"""Tab on the lines of `%%seedream` and `%seedream`: options, values, references, verbs. Loaded with the extension."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from IPython.core.completer import CompletionContext
    from IPython.core.interactiveshell import InteractiveShell

    from seedream_nb.notebook.complete.word import Offer, Offers
    from seedream_nb.session import Session

IDENTIFIER = "seedream_nb.completer"
_OURS = "%seedream"
_FIRST = 1000


class Completer:
    """What answers a Tab in one shell; it looks at no other lines than ours."""

    def __init__(self, ip: InteractiveShell, session: Callable[[], Session]) -> None:
        """Serve this shell; the session is asked for when a history mark is completed."""
        self._ip, self._session = ip, session
        self._matcher: Callable[[CompletionContext], Any] | None = None

    def register(self) -> None:
        """Let IPython ask us first."""
        try:
            from IPython.core.completer import context_matcher
        except ImportError:  # before IPython 8.6 (Colab) a matcher can't say which part of the line it completes
            return

        @context_matcher(identifier=IDENTIFIER, priority=_FIRST)  # type: ignore[untyped-decorator]
        def seedream_matcher(context: CompletionContext) -> Any:  # noqa: ANN401 - a dictionary of IPython's own
            return self._answer(context)

        self._matcher = seedream_matcher
        self._ip.Completer.custom_matchers.append(seedream_matcher)

    def withdraw(self) -> None:
        """Take back what was registered, and nothing else."""
        matchers = self._ip.Completer.custom_matchers if self._matcher else []
        if self._matcher in matchers:
            matchers.remove(self._matcher)
        self._matcher = None

    def _answer(self, context: CompletionContext) -> dict[str, Any]:
        offers = self._offers(context) if _OURS in context.full_text else None
        if offers is None:
            return {"completions": []}
        offers = offers.after_mark()
        return {
            "completions": _Answer(offers.offers),
            "matched_fragment": offers.fragment,
            "suppress": True,
            "ordered": True,
        }

    def _offers(self, context: CompletionContext) -> Offers | None:
        from seedream_nb.notebook.complete.lines import complete
        from seedream_nb.notebook.complete.sources import NotebookSources
        from seedream_nb.notebook.scope import NotebookScope

        sources = NotebookSources(self._ip, NotebookScope(self._ip), self._session)
        try:
            return complete(context.full_text, context.cursor_line, context.cursor_position, sources)
        except Exception:  # noqa: BLE001 - whatever is wrong, a Tab is no place to tell it: the cell will, when it runs
            return None


class _Answer:
    """Completions as IPython reads them. It asks others, and shows theirs, where the length is 0: ours never is."""

    def __init__(self, offers: tuple[Offer, ...]) -> None:
        self._offers = offers

    def __len__(self) -> int:
        return max(1, len(self._offers))

    def __iter__(self) -> Iterator[Any]:
        from IPython.core.completer import SimpleCompletion

        # JupyterLab breaks what stands beside a completion at every space and hyphen, over the lines below.
        return (SimpleCompletion(offer.text, type=offer.description.translate(_UNBROKEN)) for offer in self._offers)


_UNBROKEN = str.maketrans({" ": "\N{NO-BREAK SPACE}", "-": "\N{NON-BREAKING HYPHEN}"})
