"""What `%%seedream?` and `%seedream help` tell, from the tables of options and verbs."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from seedream_nb.notebook.text_table import WIDTH, lines_of
from seedream_nb.notebook.verbs import VERBS
from seedream_nb.options import options_of
from seedream_nb.service import DEFAULT

if TYPE_CHECKING:
    from seedream_nb.notebook.verbs import Verb
    from seedream_nb.options import Option
    from seedream_nb.service import Model

_COLUMN = 26


def cell_help(model: Model = DEFAULT.model) -> str:
    """Return what `%%seedream?` shows: usage, every option as it is for a model, three examples."""
    return "\n".join((f"Make pictures with {model.title}.", _USAGE, *option_rows(model), _EXAMPLES))


def verbs_help() -> str:
    """Return what `%seedream?` shows: every verb, a row each."""
    return "\n".join((_VERBS, *(line for name in VERBS for line in _verb_row(name)), _MORE))


def verb_help(name: str, verb: Verb, model: Model) -> str:
    """Return all about one verb: usage, what it does, its examples, and the options if it takes any."""
    lines = [f"%seedream {name} {verb.words}".rstrip(), "", *_folded(f"{verb.help[0].upper()}{verb.help[1:]}.")]
    lines += ["", *_folded(verb.more)] if verb.more else []
    lines += ["", "Options:", "", *_flag_rows(verb)] if verb.flags else []
    lines += ["", "Examples:", "", *(f"  %seedream {example}" for example in verb.examples)] if verb.examples else []
    lines += ["", "Options:", *option_rows(model)] if "options" in verb.takes else []
    return "\n".join(lines)


def _flag_rows(verb: Verb) -> list[str]:
    return [line for flag, text in verb.flags for line in lines_of(f"  {flag}", text, _COLUMN)]


def option_rows(model: Model) -> list[str]:
    """Return every option of a cell with its help, folded beside it."""
    return [line for option in options_of(model).values() if option.flags for line in _option_row(option)]


def _option_row(option: Option) -> list[str]:
    flags = ", ".join(option.flags) + (f" {option.metavar}" if option.metavar else "")
    shown = f"{option.default:g}" if isinstance(option.default, float) else option.default
    default = f" (default: {shown})" if option.metavar and shown is not None else ""
    return lines_of(f"  {flags}", option.help + default, _COLUMN)


def _verb_row(name: str) -> list[str]:
    return lines_of(f"  {name} {VERBS[name].words}".rstrip() or "  (alone)", VERBS[name].help, _COLUMN)


def _folded(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)


_USAGE = """
  %%seedream [options]
  The prompt, over as many lines as you like, with {expressions}.

The cell's value is the result: its pictures are files, their previews appear below the cell.
{name} is replaced by a variable's value; {{name}} stays {name}, and so do all other braces.
{picture} and ![alt](path or URL) become reference images, and the prompt says "image 1".

Options:"""

_EXAMPLES = """
Examples:

  %%seedream
  A fox in the snow, woodcut

  %%seedream --size 16:9 -n 4 --no-watermark --out foxes
  Four seasons in the life of a fox, in the style of {style}

  %%seedream -i photo.jpg -i @3 --once
  Put the person of image 1 into the landscape of image 2
"""

_VERBS = """\
Manage what %%seedream makes: %seedream VERB

Verbs:"""

_MORE = """
%seedream help VERB explains a verb, %%seedream? the cell."""
