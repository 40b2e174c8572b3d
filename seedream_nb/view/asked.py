"""How a request looks that was not sent."""

from __future__ import annotations

import html
import json
import unicodedata
from typing import TYPE_CHECKING

from seedream_nb.budget import describe
from seedream_nb.errors import plain
from seedream_nb.generation import inputs_line
from seedream_nb.service import is_free
from seedream_nb.service.body import fields
from seedream_nb.view.markup import WRAPS, Bundle, frame, line
from seedream_nb.view.references import references_to_send

if TYPE_CHECKING:
    from seedream_nb.request import ImageRequest


def request_bundle(request: ImageRequest, price: float, backend: str) -> Bundle:
    """Return what would be sent, and what it would cost: what `--dry-run` shows."""
    pictures = [reference.url or reference.name for reference in request.images]
    body = _spelled_out(json.dumps(fields(request, pictures), ensure_ascii=False, indent=2))
    charge = f"; in the {backend} nothing is charged" if is_free(backend) else ""
    inputs = filter(None, [inputs_line(request)])
    told = [f"Not sent. Estimate: {describe(request, price)}{charge}.", *request.warnings]
    look = f"white-space:pre-wrap;word-break:normal;text-align:left;margin:0;{WRAPS}"
    shown = f'<pre style="{look}">{html.escape(body)}</pre>'
    return {
        "text/plain": "\n".join([body, *inputs, *map(plain, told)]),
        "text/html": frame(shown + references_to_send(request) + "".join(line(each) for each in told)),
    }


def _spelled_out(body: str) -> str:
    """Return JSON in which all that a terminal or a page would obey is spelled as JSON can spell it."""
    hidden = {each for each in set(body) - {"\n"} if unicodedata.category(each)[0] == "C" or each in "\u2028\u2029"}
    return body.translate({ord(each): json.dumps(each)[1:-1] for each in hidden})
