"""The verbs about what was made: history, show, recover; rerun sends it again, code writes its cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedream_nb.cell import asks_for_help, read
from seedream_nb.errors import Problem, RequestError, plain
from seedream_nb.notebook.verbs import VERBS, no_words
from seedream_nb.options import is_batch, without_batch
from seedream_nb.service.lifetime import describe_lifetime

if TYPE_CHECKING:
    from collections.abc import Sequence

    from IPython.core.interactiveshell import InteractiveShell

    from seedream_nb.batches.batch import Batch
    from seedream_nb.jobs.job import Job
    from seedream_nb.options import CellOptions
    from seedream_nb.request import ImageRequest
    from seedream_nb.session import Session
    from seedream_nb.storage.generation import Generation

MAYBE, FREE = "may have been billed", "was not billed, as it went to the sandbox"


def history(rest: str, session: Session, _ip: InteractiveShell) -> None:
    """List what was made, newest first; with words, only what has them in its prompt."""
    from IPython.display import display

    from seedream_nb.view import history_bundle

    found = session.history.search(rest) if rest else session.history[:]
    if left_out := session.history.left_out:
        print(f"Left out: {left_out}")
    if loss := session.history.untold_loss():
        print(*loss)
    if rest and not found:
        print(f"No prompt contains: {plain(rest, 60)}. {_in_all(len(session.history))}")
        return
    display(history_bundle(found), raw=True)


def _in_doubt(unknown: Generation) -> str:
    came = "no answer came" if unknown.error is None else "no picture came"
    return f"{MAYBE if unknown.cost is None else FREE}; {came}"


def _in_all(made: int) -> str:
    return f"There {'is' if made == 1 else 'are'} {made or 'no'} generation{'s' * (made != 1)} in all."


def show(rest: str, session: Session, _ip: InteractiveShell) -> object:
    """Show a generation (`@3`, `@last`) or one of its pictures (`@3.2`)."""
    if not rest:
        raise RequestError("Say which: %seedream show @3, @3.2 or @last.")
    return session.find(rest)


def recover(rest: str, session: Session, _ip: InteractiveShell) -> None:
    """Fetch pictures that are paid for and not here; list what is missing and what may have been billed."""
    from IPython.display import display

    from seedream_nb.view import history_bundle, when

    no_words("recover", rest)
    refused = [generation for generation in session.history.left_behind() if generation.status == "stopped"]
    tried = session.recover()
    if tried:
        display(history_bundle(tried), raw=True)
    lines = [
        f"@{generation.id}, picture {index}: {_still_missing(generation, index, reason)}"
        for generation in tried
        for index, reason in generation.missing.items()
    ]
    lines += [
        f"{generation.mark} {_in_doubt(generation)}. {when(generation)}  {plain(generation.prompt, 80)}"
        for generation in session.history
        if generation.status == "unknown"
    ]
    lines += [
        f"{item.mark} was not billed: the service refused it for now. {when(item)}  {plain(item.prompt, 80)}"
        for item in refused
    ]
    lines += [
        f"{generation.mark} is still being worked on by another kernel." for generation in session.history.elsewhere()
    ]
    lines += filter(None, [plain(session.catch_up() or "")])
    print("\n".join(lines) or ("Everything is here now." if tried else "Nothing is missing."))


def _still_missing(generation: Generation, index: int, reason: str) -> str:
    links = generation.links[index - 1 : index]
    held = describe_lifetime(links)
    return f"{plain(reason)}{'; ' if held else ''}{held}"


PROMPT_BELOW = "The prompt goes on the lines below."


def rerun(rest: str, session: Session, ip: InteractiveShell) -> Generation | Job | Batch | None:
    """Ask the same again, but for the options that are given; new pictures come, and they cost again."""
    from seedream_nb.notebook.help import verb_help
    from seedream_nb.notebook.output import run_below

    mark, line = (*rest.split(None, 1), "", "")[:2]
    if asks_for_help(line):
        print(verb_help("rerun", VERBS["rerun"], session.settings.model))
        return None
    generation = _marked("rerun", mark, session)
    options, problems = read(line, generation.request.model)
    problems = [_without_prompt(problem, generation.mark) for problem in [*problems, *_unvaried(options, generation)]]
    if is_batch(options):
        return _rerun_batch(generation, options, problems, session, ip)
    request = session.again(generation.request, options, typed=True, problems=problems)
    # `config once=true` is for cells: who asks again wants something new.
    options["once"] = options.get("once") or False
    return run_below(ip, session, request, options, template=None)


def _unvaried(options: CellOptions, generation: Generation) -> list[Problem]:
    """Return what is wrong with options that mean nothing for one request: the same would be bought."""
    varied = [f"--{name}" for name in ("sweep", "each") if options.get(name)]
    told = f"is for a cell: rerun asks the same request again. Write the cell: %seedream code {generation.mark}"
    problems = [Problem(f"{flag} {told}") for flag in varied]
    return problems or ([] if is_batch(options) else without_batch(options))


def _rerun_batch(
    generation: Generation,
    options: CellOptions,
    problems: Sequence[Problem],
    session: Session,
    ip: InteractiveShell,
) -> Batch | None:
    from seedream_nb.batches.plan import Point, Shape, asked
    from seedream_nb.notebook.batches import run_below

    def compose(_point: Point) -> ImageRequest:
        return session.again(generation.request, options, typed=True, problems=problems)

    what = asked([Point()], Shape(repeat=options.get("repeat") or 1), compose)
    return run_below(ip, session, what, {**options, "once": options.get("once") or False})


def code(rest: str, session: Session, ip: InteractiveShell) -> None:
    """Put the cell that makes a generation below the running one."""
    from seedream_nb.cell import cell_of

    generation = _marked("code", rest, session)
    ip.set_next_input(cell_of(generation, session))
    print(f"The cell that makes {generation.mark} is below this one.")


def _marked(verb: str, mark: str, session: Session) -> Generation:
    if not mark or mark.startswith("-"):
        raise RequestError(f"Say which: %seedream {verb} @3 or @last.")
    return session.history.generation(mark)


def _without_prompt(problem: Problem, mark: str) -> Problem:
    """Return a problem of the line for a verb that has no prompt below it."""
    remedy = f"rerun sends the prompt as it was; to change it: %seedream code {mark}"
    texts = (text.replace(PROMPT_BELOW, remedy) for text in problem.texts)
    return Problem(*texts, reference=problem.reference)
