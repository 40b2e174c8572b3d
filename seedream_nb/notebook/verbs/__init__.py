"""The verbs of `%seedream`: one table, and a function for each, loaded when it is first used."""

from __future__ import annotations

import importlib
import textwrap
from typing import TYPE_CHECKING, Any, Literal

from seedream_nb.errors import (
    Problem,
    RequestError,
    SeedreamError,
    SettingsError,
    StoppedError,
    did_you_mean,
    plain,
    request_error,
)
from seedream_nb.frozen import frozen
from seedream_nb.options import NO_SEED
from seedream_nb.service import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from IPython.core.interactiveshell import InteractiveShell

    from seedream_nb.session import Session

_SHOWN, _LINE_CHARACTERS = 40, 100
_HELP = ("-h", "--help")


@frozen
class Verb:
    """One verb: what it is for, the words that go with it, and where the function of its name is."""

    module: str
    """The module in this folder."""
    words: str = ""
    takes: tuple[Literal["mark", "marks", "deleted", "options", "setting", "verb", "words"], ...] = ()
    """What the words are, for completion and help."""
    flags: tuple[tuple[str, str], ...] = ()
    """Words of its own that it takes, each with what it does."""
    help: str
    more: str = ""
    """What only who asks about this verb wants to know."""
    examples: tuple[str, ...] = ()


# fmt: off
VERBS: dict[str, Verb] = {
    "": Verb(module="general", help="where requests go, what was spent, what is running, what is unfinished"),
    "panel": Verb(
        module="general", help="a panel for making pictures without writing code: form, reference images, history",
        more="In Python: sd.panel(). It is live: what a cell makes appears in it too."),
    "history": Verb(
        module="history", words="[WORDS]", takes=("words",),
        help="lists what was made, newest first; with words, only what has them in its prompt",
        more='In Python: sd.history, sd.history.search("fox"), sd.history[3].',
        examples=("history", "history fox snow")),
    "show": Verb(
        module="history", words="REF", takes=("mark",), help="shows a generation again, or one of its pictures",
        more="REF is @3 for a generation, @3.2 for its second picture, @last for the newest one with pictures.",
        examples=("show @3", "show @3.2")),
    "rerun": Verb(
        module="history", words="REF [OPTIONS]", takes=("mark", "options"),
        help="makes the same request again, with any options you change; it costs again",
        more=f"The prompt is sent as it was, as plain text, and so are the reference images.{NO_SEED} "
             "%seedream show REF shows the old ones, at no cost.",
        examples=("rerun @3", f"rerun @last --size {DEFAULT.model.tiers[-1]} --no-watermark --out big")),
    "code": Verb(
        module="history", words="REF", takes=("mark",), help="inserts the cell that makes it below this one",
        more="Its prompt is the one that was sent: with the values, not with the variables.",
        examples=("code @3",)),
    "delete": Verb(
        module="deletion", words="REF …", takes=("marks",),
        help="leaves generations out of the history; REF is @3, @3..@9 or failed",
        flags=(("--forever", "removes their picture files too: the only thing that ever removes any"),),
        more="%seedream restore brings them back: files, ids and links in notebooks stay as they are, and what was "
             "spent is still counted. @3 can't be named any more until then, and --once makes a new one. Where several "
             "are named, what has a star stays. With --forever, a file stays that another generation was made from, or "
             "that was changed; so do references in inputs, copies, previews in notebooks, and prompts in the journal.",
        examples=("delete @3", "delete @2..@3", "delete failed", "delete --forever @3")),
    "restore": Verb(
        module="deletion", words="[REF …]", takes=("deleted",),
        help="brings deleted generations back; alone, it lists them",
        more="REF is @3, @3..@9 or all.", examples=("restore", "restore all")),
    "recover": Verb(
        module="history",
        help="downloads pictures that are paid for but missing; lists what is still missing or may have been billed",
        more="It tries every saved link, even one that failed before. Links expire after about a day."),
    "usage": Verb(
        module="general", help="pictures, spending, failures and unknown outcomes, for this session and in total",
        more="Spending is counted at the price set at the time of the request (%seedream config price=…); your account "
             "at the service has the last word."),
    "config": Verb(
        module="general", words="[NAME=VALUE …]", takes=("setting",),
        help="shows the settings; NAME=VALUE sets one for this session, and NAME= resets it",
        more="NAME alone shows one. The key is not set here, since the notebook would keep it: %seedream login asks "
             "for it and hides what you type.",
        examples=("config", "config base_url", f"config size={DEFAULT.model.usual_tier} budget=1", "config budget=")),
    "login": Verb(
        module="general",
        help="asks for your key, hidden as you type, and stores it for the service's host, readable only by you"),
    "logout": Verb(module="general", help="removes the stored key"),
    "doctor": Verb(
        module="doctor", words="[--paid]",
        help="checks that everything works, from versions to the network, and says what to do",
        flags=(("--paid", "makes one picture and writes down, without anything private, how the service answers"),),
        more="It checks that the service answers, without your key and without requesting a picture: that costs "
             f"nothing. With --paid it makes one picture in {DEFAULT.model.tiers[0]} with one reference, at the price "
             "of one, and sends one request that the service refuses, which isn't billed. It says before what that "
             "costs. The transcript in the folder of your pictures tells statuses, names and times, and what differs "
             "from what this version expects; no key, no signature, no prompt and no path is in it. In the sandbox "
             "this is a rehearsal, and free. In a shell: python -m seedream_nb doctor --paid",
        examples=("doctor", "doctor --paid")),
    "help": Verb(
        module="general", words="[VERB]", takes=("verb",), help="all options and verbs, or more about one verb",
        examples=("help", "help rerun")),
}
# fmt: on


def run(line: str, session: Session, ip: InteractiveShell) -> object:
    """Run one `%seedream` line and return its value."""
    from seedream_nb.keys import may_hold_key

    verb, rest = (*line.split(None, 1), "", "")[:2]
    if verb and rest.strip() in _HELP:
        verb, rest = "help", verb
    if may_hold_key(line) or (verb == "login" and rest):
        raise SettingsError(
            "A key in a cell would stay in the notebook, so it is refused: remove it from the cell.",
            hint="Enter it, hidden as you type, with: %seedream login",
        )
    verb = "help" if verb in _HELP else verb
    try:
        return _function_of(verb)(rest.strip(), session, ip)
    except Problem as problem:
        raise request_error([problem]) from None
    except SeedreamError:
        raise
    except KeyboardInterrupt:
        raise StoppedError(f"%seedream {verb} was stopped. Nothing was sent, nothing was billed.") from None


def known(verb: str) -> Verb:
    """Return a verb by its name; raises RequestError, with the nearest name, where there is none."""
    if verb in VERBS:
        return VERBS[verb]
    guess = did_you_mean(verb, VERBS)
    more = "" if guess else "\nTo make a picture, write %%seedream with two %, and the prompt on the lines below."
    raise RequestError(f"There is no verb {plain(verb, _SHOWN)}.{guess}{more}", hint=there_are(filter(None, VERBS)))


def there_are(verbs: Iterable[str]) -> str:
    """Return a sentence with all of the verbs, folded where it is too long for a line."""
    return "\n".join(textwrap.wrap(f"There are: {', '.join(verbs)}.", _LINE_CHARACTERS))


def no_words(verb: str, rest: str) -> None:
    """Refuse words after a verb that takes none."""
    if rest:
        raise RequestError(f"%seedream {verb} takes no arguments, but found {plain(rest, _SHOWN)}.")


def _function_of(verb: str) -> Callable[[str, Any, Any], object]:
    module = importlib.import_module(f"{__name__}.{known(verb).module}")
    function: Callable[[str, Any, Any], object] = getattr(module, verb or "status")
    return function
