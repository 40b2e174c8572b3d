"""The form: what is being written, what was there before, and how it becomes a request."""

from __future__ import annotations

import contextlib
import functools
import threading
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from seedream_nb.errors import RequestError, plain
from seedream_nb.prompt import is_plain, literal
from seedream_nb.sizes import nearest_shape, shape_of, spell_size
from seedream_nb.widgets.protocol import Draft, RefusedError, Response, field_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from seedream_nb.request import ImageRequest, Reference
    from seedream_nb.service import Model
    from seedream_nb.session import Session
    from seedream_nb.widgets.protocol import Answers, Message
    from seedream_nb.widgets.tray import Tray

BACK_CHARACTERS = 40
"""Of the prompt to which a button leads back."""
PROMPTS = 100
"""Earlier prompts that Alt+Up walks through."""
_Filled: TypeAlias = "tuple[Draft, list[Reference]]"
"""What is in form and tray."""


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
    }


class Form:
    """The draft of a request, with the references in the tray. Thread-safe."""

    def __init__(self, session: Session, tray: Tray, change: Callable[[], None]) -> None:
        """Begin with what the settings say; `change` is called when something was asked for."""
        self._session, self._tray, self._change = session, tray, change
        self._lock = threading.RLock()
        self.draft = cast("Draft", {**empty_form(session.settings.model), **_defaults(session)})
        self._number = 0
        self._aside: _Filled | None = None
        self._filled: _Filled | None = None
        self._is_undone = False
        self._changed: str | None = None
        """The mark of the picture that is to be changed, while the form is for that."""

    @property
    def answers(self) -> Answers:
        """What answers the page's questions."""
        return {
            "check": self._check,
            "generate": self._generate,
            "prompts": self._prompts,
            "undo": self._undo,
            "change": self._change_picture,
        }

    @property
    def changes(self) -> bool:
        """Whether a picture is to be changed."""
        return self._changed is not None and not self._is_undone

    def shown(self) -> tuple[Draft, int, str]:
        """Return the draft, a number that is another when it was not typed, and what the way back is called, if any."""
        with self._lock:
            if self._aside is None:
                return self.draft, self._number, ""
            if self._changed is None:
                return self.draft, self._number, "Redo" if self._is_undone else "Undo"
            before = plain(self._aside[0]["prompt"], BACK_CHARACTERS)
            to = f"Edit {self._changed}" if self._is_undone else f"Back to “{before}”" if before else "Back"
            return self.draft, self._number, to

    def keep(self, draft: Draft) -> Draft:
        """Keep what stands in the form, for a view that comes later; nobody is told, for a person is typing there."""
        with self._lock:
            self.draft = draft
        return draft

    def _keep_typed(self, asked: Message) -> None:
        """Keep what is being typed, which may not have come yet, and must not be lost; a gallery alone has no form."""
        if asked.has("form"):
            self.keep(asked.draft())

    def fill(self, request: ImageRequest, template: str | None, asked: Message) -> None:
        """Fill form and tray with a request, as its template was written; `undo` brings back what was there."""
        draft = draft_of(request)
        if template:
            draft["prompt"] = template
        self._put(draft, list(request.images), None, asked)

    def _change_picture(self, asked: Message) -> None:
        """Let a picture of the history be changed: it is the only reference, and the prompt is to say how."""
        mark = asked.text("mark", 40)
        (picture,) = self._session.history.marked(mark)[:1]
        references = self._session.compose("-", images=[picture], typed=True, defaults=False).images
        generation = self._session.history.generation(picture.mark.partition(".")[0])
        draft: Draft = {**draft_of(generation.request), "prompt": "", "max_images": 1}
        self._put(draft, list(references), mark, asked)

    def _put(self, draft: Draft, references: list[Reference], changed: str | None, asked: Message) -> None:
        """Put this into form and tray, and keep what was there."""
        self._keep_typed(asked)
        with self._lock:
            was = self._exchange(draft)
            if was != self._filled or (changed and not self._changed):
                self._aside = was  # else nobody has written since, and it is in the history
            self._filled, self._is_undone, self._changed = (draft, references), False, changed
        self._tray.hold(references)

    def _undo(self, asked: Message) -> None:
        """Bring back what was in form and tray before `fill`; once more, what was there before this."""
        self._keep_typed(asked)
        with self._lock:
            if self._aside is None:
                return
            draft, references = self._aside
            self._aside, self._is_undone = self._exchange(draft), not self._is_undone
        self._tray.hold(references)

    def _exchange(self, draft: Draft) -> _Filled:
        """Put this into the form, and return what was in form and tray."""
        was = (self.draft, self._tray.held())
        self.draft = draft
        self._number += 1
        return was

    def _check(self, asked: Message) -> None:
        """Say what is wrong, in the words of the cell; no expression is evaluated, for nobody has pressed anything."""
        draft = self.keep(asked.draft())
        options = _options(draft)
        if not draft["prompt"].strip():
            options["prompt"] = "-"  # an empty form is not a mistake yet
        with _nearest_offered(draft, self._session.settings.model):
            self._session.compose(
                **options, images=self._tray.held(), defaults=False, check_numbers=is_plain(options["prompt"])
            )  # a picture in braces would have a number too, and nobody can say which

    def _generate(self, asked: Message) -> None:
        draft, session = self.keep(asked.draft()), self._session
        with _nearest_offered(draft, session.settings.model):
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


@contextlib.contextmanager
def _nearest_offered(draft: Draft, model: Model) -> Iterator[None]:
    """Let a refusal of a custom size come with the nearest that the service makes, for the page to offer."""
    try:
        yield
    except RequestError as error:
        if draft["size"] == "Custom" and any(field_of(problem) == "size" for problem in error.problems):
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
