"""The verbs that ask again: rerun sends it, code writes its cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedream_nb.errors import Problem, RequestError
from seedream_nb.notebook.cell import asks_for_help, read
from seedream_nb.notebook.verbs import VERBS

PROMPT_BELOW = "The prompt goes on the lines below."

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from seedream_nb.generation import Generation
    from seedream_nb.job import Job
    from seedream_nb.session import Session


def rerun(rest: str, session: Session, ip: InteractiveShell) -> Generation | Job | None:
    """Ask the same again, but for the options that are given; new pictures come, and they cost again."""
    from seedream_nb.notebook.helptext import verb_help
    from seedream_nb.notebook.running import run_below

    mark, line = (*rest.split(None, 1), "", "")[:2]
    if asks_for_help(line):
        print(verb_help("rerun", VERBS["rerun"]))
        return None
    options, problems = read(line)
    generation = _marked("rerun", mark, session)
    problems = [_without_prompt(problem, generation.mark) for problem in problems]
    request = session.again(generation.request, options, typed=True, problems=problems)
    # `config once=true` is for cells: who asks again wants something new.
    options["once"] = options.get("once") or False
    return run_below(ip, session, request, options, template=None)


def code(rest: str, session: Session, ip: InteractiveShell) -> None:
    """Put the cell that makes a generation below the running one."""
    from seedream_nb.view.cells import cell_of

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
