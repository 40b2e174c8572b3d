"""Turns what was written in a cell, a form or a call into a request; all problems are reported together."""

from __future__ import annotations

import builtins
import itertools
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast
from unicodedata import category

from seedream_nb.errors import Problem, ReferenceImageError, RequestError, describe_value, plain, request_error
from seedream_nb.files import working_folder
from seedream_nb.options import ALL, SENT, check_options
from seedream_nb.patterns import lazy_pattern
from seedream_nb.prompt import Prompt, expanded, is_in_tex, is_plain
from seedream_nb.references.resolve import Gathering, Lookups, SharedReferences, marks_as_text
from seedream_nb.request import MAX_PROMPT, is_series, make_request, overlong_prompt
from seedream_nb.scope import EmptyScope, NamesScope, scalar
from seedream_nb.service import DEFAULT
from seedream_nb.sizes import shape_of
from seedream_nb.storage.generation import written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Unpack

    from seedream_nb.options import CellOptions
    from seedream_nb.request import ImageRequest, Reference
    from seedream_nb.scope import Scope
    from seedream_nb.service import Model
    from seedream_nb.settings import Settings

_NAMED = 24
"""The longest name of a reference in a list of all."""


class Composer:
    """Makes requests from what was written, with the session's settings as defaults."""

    def __init__(
        self,
        *,
        settings: Settings,
        scope: Scope,
        marked: Callable[[str], list[tuple[str, Path]]],
        fetch: Callable[[str], bytes] | None = None,
    ) -> None:
        """Look up names in `scope`, marks like `@3.1` with `marked`; `fetch` downloads what the service can't reach."""
        self._settings, self._scope, self._marked, self._fetch = settings, scope, marked, fetch

    def compose(  # noqa: PLR0913 - what differs between the doors
        self,
        prompt: str,
        *,
        scope: Scope | None = None,
        typed: bool = False,
        defaults: bool = True,
        check_numbers: bool = True,
        shared: SharedReferences | None = None,
        problems: Sequence[Problem] = (),
        **options: Unpack[CellOptions],
    ) -> ImageRequest:
        """Make a valid request, or report all that is wrong with it.

        Args:
            prompt: plain text; a template only if there is a `scope`, or `values`, which it then has.
            scope: the names that the template's braces may use; those that hold pictures become references.
            typed: whether a person typed prompt and references here and now: then words may be expressions over
                the notebook's names, and Markdown images in the prompt are references. What comes from anywhere
                else is never evaluated.
            defaults: whether the settings fill what is not said; not so for what is run again.
            check_numbers: whether each "image 3" of the prompt must be one of the references; not so in a prompt that
                was sent before, and is asked for again.
            shared: the references that several requests have in common; each is read once.
            problems: what was found wrong on the way here, to be told with the rest.
            options: as they were given; those that make no request are passed over.

        Raises:
            RequestError: with every problem found; nothing was sent.
        """
        check_options("compose", options, ALL)
        found = list(problems)
        if (values := options.get("values")) is not None:
            scope = NamesScope(values)
        model = self._model(options, found)
        gathering = Gathering(self._lookups(model, (scope or self._scope) if typed else EmptyScope(), shared))
        for reference in [*as_list(options.get("images")), *as_list(options.get("image"))]:
            gathering.add(reference)
        text = _expanded(prompt, scope, gathering, found, markdown=typed)
        told = [*gathering.warnings, *(marks_as_text(prompt) if typed else ())]
        told += code_as_text(prompt, scope) if isinstance(text, Prompt) and scope is not None else ()
        if gathering.problems:  # otherwise it is unknown which number each would have
            found += gathering.problems
        elif check_numbers and isinstance(text, Prompt):
            wrong, more_told = _numbers_without_reference(text, gathering.references, series=is_series(options))
            found, told = found + wrong, told + more_told
        whole: CellOptions = {
            **options, **(self._usual(options, model) if defaults else {}), "images": gathering.references,
        }  # fmt: skip
        words = text.text if isinstance(text, Prompt) else text
        if isinstance(words, str) and words.strip() and not is_visible(words):
            found.append(
                Problem("The prompt has only characters that nobody can see: write what the picture should show.")
            )
        request = make_request(words, of_model=model, problems=found, **whole)
        return replace(request, warnings=(*request.warnings, *told))

    def _model(self, options: CellOptions, problems: list[Problem]) -> Model:
        """Return the model that is asked for, else the one of the settings; what is wrong is added to the problems."""
        name: object = scalar(options.get("model"))
        if name is None:
            return self._settings.model
        if not isinstance(name, str):
            problems.append(Problem(f"model: found {describe_value(name)}; write a name such as {DEFAULT.model.name}."))
            return self._settings.model
        try:
            return self._settings.service.model_named(name)
        except LookupError as error:
            problems.append(Problem(f"model: found {plain(name, _NAMED)}; it {error}"))
            return self._settings.model

    def _lookups(self, model: Model, scope: Scope, shared: SharedReferences | None) -> Lookups:
        return Lookups(
            scope=scope, shared=shared, marked=self._marked, folder=working_folder(),
            shown=self._scope.shown, attached=self._scope.attached, fetch=self._fetch,
            limits=model.references,
        )  # fmt: skip

    def _usual(self, options: CellOptions, model: Model) -> CellOptions:
        """Return the settings for options that were not given, as far as they fit to the given ones."""
        usual = {name: self._settings.get(name) for name, option in ALL.items() if option.has_setting}
        size, aspect, is_tier = options.get("size"), options.get("aspect"), model.tier
        if aspect is not None and not is_tier(usual["size"]):
            usual["size"] = None
        if size is not None and not is_tier(size):
            usual["aspect"] = None
        return cast("CellOptions", {name: value for name, value in usual.items() if options.get(name) is None})


def code_as_text(template: str, scope: Scope) -> Iterator[str]:
    """Yield a warning for each pair of braces whose code is not replaced, `{ style }` or `{style or "ink"}`.

    It stays as it is, as JSON and TeX do; but what computes with names that there are is meant as its value.
    """
    names: frozenset[str] | None = None
    for found in itertools.islice(_BRACED.finditer(template), _MAX_BRACES):
        code = "".join(each for each in found[1] if category(each) != "Cf").strip().removesuffix("=").rstrip()
        used = set() if not is_plain(found[0]) or is_in_tex(template, found.start()) else names_in(code)
        if not used:
            continue
        names = frozenset(scope.names()) if names is None else names
        if used & names and all(name in names or (scope.has_builtins and hasattr(builtins, name)) for name in used):
            is_computed = is_plain(f"{{{code}}}")
            remedy = f"write text = {code} before, and {{text}} here" if is_computed else f"write {{{code}}}"
            yield f"{plain(found[0], _SHOWN)} stayed as text; for its value {plain(remedy, 2 * _SHOWN)}."


def names_in(code: str) -> set[str]:
    """Return the names that a Python expression uses; none if it is no expression."""
    import ast

    try:
        with warnings.catch_warnings(action="ignore"):  # of escapes in its strings
            tree = ast.parse(code, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


_SHOWN = 60
_BRACED, _MAX_BRACES = lazy_pattern(r"(?<!\{)\{([^{}\n]{1,200})\}(?!\})"), 50


def is_visible(prompt: str) -> bool:
    """Return whether a prompt has anything that can be seen: a pasted zero-width space alone is none."""
    return any(category(character) not in _UNSEEN for character in prompt)


_UNSEEN = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})


def as_list(images: object) -> list[object]:
    """Return references as a list, even a single one."""
    if images is None:
        return []
    if type(images) is list or type(images) is tuple:  # any other test may run foreign code
        return list(images)
    return [images]


def _expanded(
    prompt: Any,  # noqa: ANN401 - checked by the rules of a request
    scope: Scope | None,
    gathering: Gathering,
    problems: list[Problem],
    *,
    markdown: bool,
) -> Any:  # noqa: ANN401 - a Prompt, or what was handed over in the place of one
    if not isinstance(prompt, str):
        return prompt
    if len(prompt) > MAX_PROMPT:
        problems.append(overlong_prompt(len(prompt)))
        return "(not expanded)"
    if scope is None:
        return Prompt.plain(prompt)
    try:
        return expanded(prompt, scope, gathering, markdown=markdown)
    except RequestError as error:
        problems.append(Problem(*error.problems, reference=isinstance(error, ReferenceImageError)))
        return "(not expanded)"


def _numbers_without_reference(
    prompt: Prompt, references: Sequence[Reference], *, series: bool
) -> tuple[list[Problem], list[str]]:
    """Return what is wrong with the numbers that a prompt gives to references, and what there is to warn of.

    It is wrong where a person typed the number and there are references; in a series it may be the number of a
    picture, and a value may speak of other images.
    """
    typed, in_values = (
        [said.words for said in prompt.numbers(typed=typed) if not 1 <= said.number <= len(references)]
        for typed in (True, False)
    )
    there = _references_told(references)
    if typed and references and not series:
        problem = f"The prompt says {_listed(dict.fromkeys(typed))}, but {there}."
        remedy = "Correct the number or add the reference; words to be written in the picture go in double quotes."
        return [Problem(f"{problem} {remedy}")], []
    said = dict.fromkeys([*typed, *in_values])
    return [], [f"The prompt says {_listed(said)}, but {there}."] if said else []


def _listed(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def _references_told(references: Sequence[Reference]) -> str:
    """Say in words which references there are."""
    if not references:
        return "there is no reference image"
    names = [f"image {number}: {written(reference, _NAMED)}" for number, reference in enumerate(references, 1)]
    count = "is one reference" if len(names) == 1 else f"are {len(names)} references"
    return f"there {count} ({', '.join(names)})"


NO_PROMPT = "(sent without a prompt, to see how the service refuses that)"
"""What stands in the history for the prompt of the one request that was sent without: nobody means it as a prompt."""


def options_again(request: ImageRequest, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that make a request once more, but for changes; what a change makes meaningless goes.

    What was sent once is not asked whether it makes sense.

    Raises:
        RequestError: it was sent without a prompt, and none is given now.
    """
    if request.prompt == NO_PROMPT and "prompt" not in changes:
        raise request_error(
            [Problem("This was sent without a prompt, on purpose, by %seedream doctor --paid: it can’t be run again.")]
        )
    sent_options = {option.name: getattr(request, option.name) for option in SENT}
    own = {"prompt": request.prompt, "images": list(request.images), "model": request.model.name}
    options = {"check_numbers": False, **own, **sent_options}
    superseded = {"aspect": "size", "image": "images", "max_images": "sequential", "sequential": "max_images"}
    gone = {superseded[name] for name in changes if name in superseded}
    if "aspect" in changes and shape_of(request.size) is None:
        gone.discard("size")
    if "prompt" in changes:
        gone.add("check_numbers")
    return {**{name: value for name, value in options.items() if name not in gone}, **changes}
