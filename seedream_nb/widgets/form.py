"""The form: what is being written, what was there before, and how it becomes a request."""

from __future__ import annotations

import contextlib
import functools
import threading
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from seedream_nb.errors import RequestError, SeedreamError, plain
from seedream_nb.prompt import code_in, is_plain, literal
from seedream_nb.sizes import nearest_shape, shape_of, spell_size
from seedream_nb.widgets.drafts import Filled
from seedream_nb.widgets.protocol import Draft, RefusedError, Response, field_of
from seedream_nb.wording import HIGHEST, renumbered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from seedream_nb.request import ImageRequest
    from seedream_nb.scope import Scope
    from seedream_nb.service import Model
    from seedream_nb.session import Session
    from seedream_nb.widgets.drafts import Drafts
    from seedream_nb.widgets.protocol import Answers, Message
    from seedream_nb.widgets.tray import Tray

BACK_CHARACTERS = 40
"""Of the prompt to which a button leads back."""
FILLED_ANEW = "The form was filled anew while you pressed: look at what it says now, then press again."
NOTHING_SENT = "Nothing was sent, nothing was billed."
PROMPTS = 100
"""Earlier prompts that Alt+Up walks through."""
MAX_NAMES = 30
"""Variables that are offered within a brace."""
MAX_ASIDES = 10
"""How many steps back there are."""
UNDO, REDO, OTHER = "Undo", "Redo", "Other draft"
"""What the way back is called."""


def empty_form(model: Model) -> Draft:
    """Return what a form holds before anybody wrote in it."""
    aspect, size = next(iter(model.ratios.items()))
    width, height = shape_of(size) or (0, 0)
    return {
        "prompt": "",
        "size": model.usual_tier,
        "aspect": aspect,
        "width": width,
        "height": height,
        "max_images": 1,
        "watermark": True,
        "model": model.name,
    }


class Form:
    """The draft of a request, with the references in the tray. Thread-safe."""

    def __init__(self, session: Session, tray: Tray, change: Callable[[], None], drafts: Drafts | None = None) -> None:
        """Begin with what the settings say; `change` is called when something was asked for."""
        self._session, self._tray, self._change, self._drafts = session, tray, change, drafts
        self._lock = threading.RLock()
        self.draft, self._changed = self._empty(), ""
        self._number = 0
        self._asides, self._undone = list[Filled](), list[Filled]()
        """What was there before, the last at the end; and what was there before that was brought back."""
        self._other: Filled | None = None
        self._filled: Filled | None = None
        self._has_begun = False
        self.told: tuple[str, ...] = ()
        """What could not be brought back of what was kept."""

    def begin(self) -> None:
        """Fill in what was kept of an earlier panel of this notebook, if anything; from now on it is kept."""
        if (kept := self._drafts.load() if self._drafts is not None else None) is not None:
            with self._lock:
                self.draft, self._changed, self.told = kept.now.draft, kept.now.changed, kept.told
                self._asides = [] if kept.before is None else [kept.before]
                self._other = kept.before if kept.is_other else None
            self._tray.hold(kept.now.references)
        self._has_begun = True

    @property
    def answers(self) -> Answers:
        """What answers the page's questions."""
        return {
            "check": self._check,
            "keep": self._keep_typed,
            "generate": self._generate,
            "prompts": self._prompts,
            "names": self._names,
            "undo": self._undo,
            "clear": self._clear,
            "change": self._change_picture,
            "remove": self._remove,
            "move": self._move,
        }

    @property
    def model(self) -> Model | None:
        """The model that is chosen; None if the service has none of that name."""
        with contextlib.suppress(LookupError):
            return self._session.settings.service.model_named(self.draft["model"])
        return None

    @property
    def changes(self) -> bool:
        """Whether a picture is to be changed."""
        return bool(self._changed)

    def shown(self) -> tuple[Draft, int, str]:
        """Return the draft, a number that is another when it was not typed, and what the way back is called, if any."""
        with self._lock:
            return self.draft, self._number, self._way_back()

    def _way_back(self) -> str:
        if not self._asides:
            changed = self._undone[-1].changed if self._undone else ""
            return f"Edit {changed}" if changed else REDO if self._undone else ""
        back = self._asides[-1]
        if back is self._other:
            return OTHER
        if not self._changed or back.changed:
            return UNDO
        before = plain(back.draft["prompt"], BACK_CHARACTERS)
        return f"Back to “{before}”" if before else "Back"

    def keep(self, draft: Draft) -> Draft:
        """Keep what stands in the form, for a view that comes later; nobody is told, for a person is typing there."""
        with self._lock:
            is_new, self.draft = draft != self.draft, draft
        if is_new:
            self.touch()
        return draft

    def touch(self) -> None:
        """Have what is in form and tray written down soon."""
        if self._drafts is not None and self._has_begun:
            self._drafts.keep(lambda: (self._now(), self._asides[-1] if self._asides else None))

    def _now(self) -> Filled:
        return Filled(draft=self.draft, references=tuple(self._tray.held()), changed=self._changed)

    def _empty(self) -> Draft:
        return cast("Draft", {**empty_form(self._session.settings.model), **_defaults(self._session)})

    def _keep_typed(self, asked: Message) -> None:
        """Keep what is being typed, which may not have come yet, and must not be lost; a gallery alone has no form."""
        if asked.has("form") and not self._is_older(asked):
            self.keep(asked.draft())

    def _is_older(self, asked: Message) -> bool:
        """Whether what the page has is older than what the form was filled with since, by other numbers say."""
        return asked.form_number() not in {None, self._number}

    def fill(self, request: ImageRequest, template: str | None, asked: Message) -> None:
        """Fill form and tray with a request, as its template was written; `undo` brings back what was there."""
        draft = draft_of(request)
        if template:
            draft["prompt"] = template
        self._put(Filled(draft=draft, references=request.images), asked)

    def _change_picture(self, asked: Message) -> None:
        """Let a picture of the history be changed: it is the only reference, and the prompt is to say how."""
        mark = asked.text("mark", 40)
        (picture,) = self._session.history.marked(mark)[:1]
        references = self._session.compose("-", images=[picture], typed=True, defaults=False).images
        generation = self._session.history.generation(picture.mark.partition(".")[0])
        draft: Draft = {**draft_of(generation.request), "prompt": "", "max_images": 1}
        self._put(Filled(draft=draft, references=references, changed=mark), asked)

    def _clear(self, asked: Message) -> None:
        """Empty form and tray; `undo` brings back what was there."""
        self._put(Filled(draft=self._empty()), asked)

    def _put(self, filled: Filled, asked: Message) -> None:
        """Put this into form and tray, and keep what was there."""
        self._keep_typed(asked)
        with self._lock:
            was = self._exchange(filled)
            # Else nobody has written since, and it can be had again.
            if was != self._filled or (filled.changed and not was.changed):
                self._put_aside(was)
            self._filled = filled
        self._tray.hold(filled.references)

    def _undo(self, asked: Message) -> None:
        """Bring back what was in form and tray before; once more, what was there before this."""
        self._keep_typed(asked)
        with self._lock:
            source, target = (self._asides, self._undone) if self._asides else (self._undone, self._asides)
            if not source:
                return
            back = source.pop()
            target.append(self._exchange(back))
        self._tray.hold(back.references)

    def _put_aside(self, filled: Filled) -> None:
        """Let the way back lead to this."""
        self._asides, self._undone = [*self._asides[1 - MAX_ASIDES :], filled], []

    def _exchange(self, filled: Filled) -> Filled:
        """Put this into the form, and return what was in form and tray."""
        was = self._now()
        self.draft, self._changed = filled.draft, filled.changed
        self._number += 1
        return was

    # -- references, whose numbers are in the prompt ---------------------------------------------------

    def _remove(self, asked: Message) -> None:
        self._keep_typed(asked)
        number, count = asked.number("number"), len(self._tray.held())
        place = self._tray.place(number)
        if place == count:
            return
        # What it was called is the first number that points at nothing then: the field says so. A picture in braces
        # could have that number.
        none = count if is_plain(self.draft["prompt"]) else HIGHEST
        later = {old: old - 1 for old in range(place + 2, HIGHEST + 1)}
        self._renumber({place + 1: none, **later})
        self._tray.remove(number)

    def _move(self, asked: Message) -> None:
        self._keep_typed(asked)
        number, to, count = asked.number("number"), asked.number("place"), len(self._tray.held())
        place, to = self._tray.place(number), min(to, count - 1)
        if place in {count, to}:
            return
        order = [each for each in range(count) if each != place]
        order.insert(to, place)
        self._renumber({old + 1: new + 1 for new, old in enumerate(order) if old != new})
        self._tray.move(number, to)

    def _renumber(self, numbers: dict[int, int]) -> None:
        """Let the prompt name references by other numbers; `undo` brings back prompt and references.

        A prompt that names none is not written anew: somebody may be typing in it. The references come back all the
        same.
        """
        with self._lock:
            prompt, was = self.draft["prompt"], self._now()
            after = renumbered(prompt, numbers, code_in(prompt))
            if after != prompt:
                self._exchange(Filled(draft={**self.draft, "prompt": after}, changed=self._changed))
            self._put_aside(was)

    def _check(self, asked: Message) -> None:
        """Say what is wrong, in the words of the cell; no expression is evaluated, for nobody has pressed anything."""
        if self._is_older(asked):  # the page gets the newer one, and asks again
            return
        draft = self.keep(asked.draft())
        options = _options(draft)
        if not draft["prompt"].strip():
            options["prompt"] = "-"  # an empty form is not a mistake yet
        with _nearest_offered(draft, self.model):
            self._session.compose(
                **options, images=self._tray.held(), defaults=False, check_numbers=is_plain(options["prompt"])
            )  # a picture in braces would have a number too, and nobody can say which

    def _generate(self, asked: Message) -> None:
        if self._is_older(asked):
            raise SeedreamError(FILLED_ANEW, hint=NOTHING_SENT)
        draft, session = self.keep(asked.draft()), self._session
        with _nearest_offered(draft, self.model):
            request = session.compose(
                **_options(draft), images=self._tray.held(), scope=session.scope, typed=True, defaults=False
            )
        trouble = session.budget.refusal_of(request, session.price(request.model))
        if trouble is not None and not session.settings.get("once"):  # which may cost nothing
            raise trouble  # beside the button, and not only in the queue
        session.submit(request, template=draft["prompt"].strip())
        self._change()

    def _prompts(self, _: Message) -> Response:
        """Return earlier prompts as they were written, newest first, each once."""
        prompts: dict[str, None] = {}
        for each in reversed(self._session.history):
            prompts.setdefault(each.template or each.prompt)
            if len(prompts) == PROMPTS:
                break
        return Response(values={"prompts": list(prompts)}, is_kept=False)

    def _names(self, asked: Message) -> Response:
        """Return the variables of the notebook that begin with a word, those first that read well in a prompt."""
        word, scope = asked.text("word", 200), self._session.scope
        names = [name for name in scope.names() if name.startswith(word) and (word or not name.startswith("_"))]
        ranked = sorted((_rank(scope, name), name) for name in names)
        return Response(values={"names": [name for rank, name in ranked if rank < _CODE][:MAX_NAMES]}, is_kept=False)


_CODE = 2


def _rank(scope: Scope, name: str) -> int:
    """Return how likely a variable is meant in a prompt: text and numbers, then other values, never code."""
    try:
        value = scope.evaluate(name)
        if issubclass(type(value), str | int | float):
            return 0
        return _CODE if issubclass(type(value), type | ModuleType) or callable(value) else 1
    except Exception:  # noqa: BLE001 - foreign code
        return _CODE


@contextlib.contextmanager
def _nearest_offered(draft: Draft, model: Model | None) -> Iterator[None]:
    """Let a refusal of a custom size come with the nearest that the service makes, for the page to offer."""
    try:
        yield
    except RequestError as error:
        if (
            model is not None
            and draft["size"] == "Custom"
            and any(field_of(problem) == "size" for problem in error.problems)
        ):
            raise RefusedError(error, nearest=nearest_shape(draft["width"], draft["height"], model)) from None
        raise


def _options(draft: Draft) -> dict[str, Any]:
    """Return the form as the options of a request."""
    custom = draft["size"] == "Custom"
    return {
        "prompt": draft["prompt"],
        "size": f"{draft['width']}x{draft['height']}" if custom else draft["size"],
        "aspect": None if custom else draft["aspect"],
        "max_images": None if draft["max_images"] == 1 else draft["max_images"],
        "watermark": draft["watermark"],
        "model": draft["model"],
    }


@functools.cache
def sizes_of(model: Model) -> dict[str, dict[str, str]]:
    """Return the pixels of every tier and ratio, so that the page can say them without asking."""
    return {tier: {ratio: spell_size(tier, ratio, model) for ratio in model.ratios} for tier in model.tiers}


def _defaults(session: Session) -> dict[str, object]:
    """Return what the settings say of the form's fields."""
    size, aspect = session.settings.get("size"), session.settings.get("aspect")
    watermark, model = session.settings.get("watermark"), session.settings.model
    shape = {} if size is None and aspect is None else _shape_fields(spell_size(size, aspect, model), model)
    return {**shape, **({} if watermark is None else {"watermark": watermark})}


def draft_of(request: ImageRequest) -> Draft:
    """Return the form that asks for the same; what was sent is plain text, so its braces must not be expanded now."""
    model = request.model
    own = {
        "prompt": literal(request.prompt),
        "max_images": request.max_images or 1,
        "watermark": request.watermark,
        **_shape_fields(request.size, model),
    }
    return cast("Draft", {**empty_form(model), **own})


def _shape_fields(spelt: str, model: Model) -> dict[str, object]:
    """Return the fields of the form that mean a size as the service spells it."""
    shape = shape_of(spelt)
    if shape is None:
        return {"size": spelt}
    for tier, by_ratio in sizes_of(model).items():
        for ratio, size in by_ratio.items():
            if size == spelt:
                return {"size": tier, "aspect": ratio}
    return {"size": "Custom", "width": shape[0], "height": shape[1]}
