"""What a batch asks for: its points, the valid request of each, and what of all that is there already."""

from __future__ import annotations

from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from seedream_nb.budget import estimate
from seedream_nb.errors import Problem, RequestError, money, request_error
from seedream_nb.frozen import frozen
from seedream_nb.jobs.variations import ORDER, best_first

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from seedream_nb.jobs.job import Job
    from seedream_nb.jobs.variations import Standing
    from seedream_nb.request import ImageRequest
    from seedream_nb.storage.generation import Generation
    from seedream_nb.storage.history import History

MAX_REQUESTS = 5_000
"""More than this at once is a slip of the hand: they would take a day."""
MAX_TOLD = 3
"""How many of the problems are told, and how many more there are."""


@frozen
class Point:
    """One thing that a batch asks for, as often as it repeats."""

    labels: tuple[str, ...] = ()
    """One for each axis."""
    name: str = ""
    """What messages call it: `row 3`, `ink · 16:9`; nothing where there is only one."""
    values: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    """The names that its prompt and options may use."""
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """The options that it has of its own."""
    row: Any = None
    """The row that came in, if it is one of a table."""


@frozen
class Shape:
    """How the requests of a batch lie beside each other."""

    axes: tuple[str, ...] = ()
    """What is varied, the slowest first."""
    repeat: int = 1


def composed(points: Sequence[Point], compose: Callable[[Point], ImageRequest]) -> list[ImageRequest]:
    """Return the request of each point.

    Raises:
        RequestError: something is wrong with any of them: the first problems, and how many more there are.
    """
    requests: list[ImageRequest] = []
    wrong: list[tuple[Point, RequestError]] = []
    for point in points:
        try:
            requests.append(compose(point))
        except RequestError as error:
            wrong.append((point, error))
    if not wrong:
        return requests
    if len(points) == 1 and not points[0].name:
        raise wrong[0][1]
    raise request_error(_told(wrong, len(points)))


def _told(wrong: Sequence[tuple[Point, RequestError]], points: int) -> list[Problem]:
    """Return the problems of points; what is wrong with each of them is told once."""
    texts: dict[str, list[str]] = {}
    for point, error in wrong:
        for text in error.problems:
            texts.setdefault(text, []).append(point.name)
    for_all = [Problem(text) for text, names in texts.items() if len(names) == points]
    each = [Problem(f"{name}: {text}") for text, names in texts.items() if len(names) < points for name in names]
    problems = [*for_all, *each]
    more = len(problems) - MAX_TOLD
    rest = [Problem(f"and {more} more problem{'s' * (more != 1)} in {len(wrong)} of {points}.")] if more > 0 else []
    return [*problems[:MAX_TOLD], *rest]


@frozen
class Asked:
    """What is asked: valid requests, one for each point, and how they lie beside each other."""

    points: tuple[Point, ...]
    requests: tuple[ImageRequest, ...]
    shape: Shape
    template: str | None = None
    """What was written, where that is not what is sent."""
    frame: Any = None
    """The DataFrame of its rows, if they came in one."""

    @property
    def texts(self) -> Iterator[str]:
        """The labels and whatever else is shown, and written where the batch is saved, beside what is sent."""
        for point in self.points:
            yield from point.labels
            for pair in () if point.row is None else point.row.items():
                yield from (value for value in pair if isinstance(value, str))

    @property
    def warnings(self) -> list[str]:
        """What there is to tell about the requests, each thing once."""
        return list(dict.fromkeys(text for request in self.requests for text in request.warnings))


def asked(
    points: Sequence[Point],
    shape: Shape,
    compose: Callable[[Point], ImageRequest],
    *,
    template: str | None = None,
    frame: object = None,
) -> Asked:
    """Return what is asked, if all of it is valid.

    Raises:
        RequestError: some of it is not; nothing was sent.
    """
    return Asked(
        points=tuple(points), requests=tuple(composed(points, compose)), shape=shape, template=template, frame=frame
    )


@frozen
class Same:
    """Requests of a batch that are exactly the same: one, or as many as it repeats."""

    request: ImageRequest
    count: int
    found: tuple[tuple[Standing, Generation], ...]
    """The earlier requests that stand for some of them."""
    running: tuple[Job, ...] = ()
    """The jobs of this session that make some of them, and are not in the history yet."""

    @property
    def missing(self) -> int:
        """How many are to be bought."""
        return self.count - len(self.found) - len(self.running)


def same_requests(
    requests: Iterable[ImageRequest],
    repeat: int,
    look: Callable[[ImageRequest], tuple[list[Generation], list[Job]]],
    *,
    retries_unknown: bool,
) -> dict[str, Same]:
    """Return the distinct requests by their fingerprints, in order, each with what is there of it.

    Args:
        requests: those of all points.
        repeat: how often each is asked.
        look: returns what was made of a request before, and what makes it now.
        retries_unknown: whether what may have been billed is sent again.
    """
    distinct: dict[str, Same] = {}
    for request in requests:
        if request.fingerprint not in distinct:
            made, running = look(request)
            found = _in_order(best_first(made, retries_unknown=retries_unknown)[:repeat])
            distinct[request.fingerprint] = Same(
                request=request, count=repeat, found=tuple(found), running=tuple(running[: repeat - len(found)])
            )
    return distinct


def _in_order(found: list[tuple[Standing, Generation]]) -> list[tuple[Standing, Generation]]:
    """Return what was found in the order in which it was made, so that a batch looks the same when it is run again."""
    return sorted(found, key=lambda pair: (ORDER.index(pair[0]), pair[1].id))


def looked_up(
    history: History, running: Sequence[Job], backend: str, host: str
) -> Callable[[ImageRequest], tuple[list[Generation], list[Job]]]:
    """Return what looks a request up: in the history, and among the jobs that are not in it yet."""
    waiting: dict[str, list[Job]] = {}
    for job in running:
        if job.id is None and not job.done() and (job.backend, job.host) == (backend, host):
            waiting.setdefault(job.request.fingerprint, []).append(job)

    def look(request: ImageRequest) -> tuple[list[Generation], list[Job]]:
        fingerprint = request.fingerprint
        return history.all_same(fingerprint, backend, host), waiting.get(fingerprint, [])

    return look


@frozen
class Estimate:
    """What a batch will ask for and cost at most, and how long it will take as far as anybody knows."""

    requests: int
    """How many are to be sent."""
    pictures: int
    """The most that they can bring."""
    is_series: bool
    dollars: float
    seconds: float | None
    here: int
    under_way: int
    in_doubt: int
    copies: int
    """How many are the same as others, and sent once."""
    is_free: bool

    def lines(self) -> list[str]:
        """Return it in a line, and what is not sent in others."""
        return [*filter(None, [self._to_send(), self._not_sent(), self._copies(), self._in_doubt()])]

    def _to_send(self) -> str:
        if not self.requests:
            return "Nothing is sent."
        at_most = "up to " if self.is_series else ""
        pictures = f"{at_most}{counted(self.pictures, 'picture')}"
        cost = "nothing is charged" if self.is_free else f"at most {money(self.dollars)}"
        return f"{counted(self.requests, 'request')}, {pictures}, {cost}, {duration(self.seconds)}"

    def _not_sent(self) -> str:
        new = "a new one" if self.here == 1 else f"{self.here} new ones"
        here = f"{self.here} {'was' if self.here == 1 else 'were'} here (--no-once makes {new})" if self.here else ""
        under_way = f"{self.under_way} {'is' if self.under_way == 1 else 'are'} under way" if self.under_way else ""
        words = "; ".join(filter(None, [here, under_way]))
        return f"{words}." if words else ""

    def _copies(self) -> str:
        are = "request is" if self.copies == 1 else "requests are"
        return f"{self.copies} {are} the same as another, and sent once." if self.copies else ""

    def _in_doubt(self) -> str:
        them = "it" if self.in_doubt == 1 else "them"
        return (
            f"{self.in_doubt} may have been billed before, and left out (--retry-unknown sends {them} again)."
            if self.in_doubt
            else ""
        )


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 request`, `24 requests`."""
    return f"{number} {noun}{'s' * (number != 1)}"


MINUTE, HOUR = 60, 3600


def duration(seconds: float | None) -> str:
    """Return a time that something will take, in words."""
    if seconds is None:
        return "how long is not known yet"
    if seconds < MINUTE:
        return f"about {max(1, round(seconds))} s"
    if seconds < 1.5 * HOUR:
        return f"about {counted(round(seconds / MINUTE), 'minute')}"
    return f"about {seconds / HOUR:.1f} hours"


def estimated(  # noqa: PLR0913 - what is asked, and what is known of the service
    distinct: Mapping[str, Same],
    *,
    points: int,
    price: Callable[[ImageRequest], float],
    seconds: float | None,
    concurrency: int,
    is_free: bool,
) -> Estimate:
    """Return what a batch will ask for, cost and take.

    Args:
        distinct: its requests.
        points: how many there are with those that are the same.
        price: returns the USD for a picture of a request.
        seconds: what one request took lately, if any did.
        concurrency: how many are in flight at once.
        is_free: whether the service bills nothing; a price of 0 that somebody set does not say that.
    """
    to_send = [(same.request, same.missing) for same in distinct.values()]
    found = [how for same in distinct.values() for how, _ in same.found]
    requests, repeat = sum(count for _, count in to_send), max((same.count for same in distinct.values()), default=1)
    rounds = -(-requests // max(1, concurrency))
    return Estimate(
        requests=requests,
        pictures=sum(request.max_pictures * count for request, count in to_send),
        is_series=any(request.max_pictures > 1 and count for request, count in to_send),
        dollars=sum(estimate(request, price(request)) * count for request, count in to_send),
        seconds=None if seconds is None else rounds * seconds,
        here=sum(how in {"here", "incomplete"} for how in found),
        under_way=found.count("under way") + sum(len(same.running) for same in distinct.values()),
        in_doubt=found.count("in doubt"),
        copies=(points - len(distinct)) * repeat,
        is_free=is_free,
    )
