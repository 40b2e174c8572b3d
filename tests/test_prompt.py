"""Templates: what is an expression, what its value becomes, and everything that stays as it was."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from seedream_nb.errors import RequestError
from seedream_nb.prompt import Expression, expand, parts_of
from seedream_nb.scope import EmptyScope, NamesScope


class Notebook(NamesScope):
    """Names and builtins, as a notebook has them."""

    has_builtins = True

    def evaluate(self, expression: str) -> object:
        """Return the value of an expression."""
        return eval(expression, {**self._values})  # noqa: S307 - the test's own expressions


@dataclass
class Row:
    """Something with an attribute."""

    title: str = "Fox"
    tags: list[str] = field(default_factory=lambda: ["a", "b"])

    def upper(self, end: str = "") -> str:
        """Return the title in capitals."""
        return self.title.upper() + end


SCOPE = Notebook(
    {
        "style": "ink", "styles": ["ink", "oil"], "row": {"title": "Fox", "a}b": "brace", "it's": "quote"},
        "price": 3.14159, "width": 8, "obj": Row(), "brace": "{style}", "风格": "水墨", "nested": {"k": {"j": 1}},
        "double": "{{style}}", "nothing": None, "_": "underscore",
    }
)  # fmt: skip

REPLACED = [
    ("{style}", "ink"),
    ("a {style} b {style}", "a ink b ink"),
    ("{styles[0]}{styles[1]}", "inkoil"),
    ('{row["title"]}', "Fox"),
    ("{row['title']}", "Fox"),
    ("{row['a}b']}", "brace"),
    ("""{row["it's"]}""", "quote"),
    ('{row["""title"""]}', "Fox"),
    ("{obj.title}", "Fox"),
    ("{obj.upper('}')}", "FOX}"),
    ("{obj.tags[0].upper()}", "A"),
    ("{nested['k']['j']}", "1"),
    ("{nested.get('x', {'y': '}'})}", "{'y': '}'}"),
    ("{len(styles)}", "2"),
    ("{max(\n  1,\n  2)}", "2"),
    ("{price:.2f}", "3.14"),
    ("{price:8.2f}|", "    3.14|"),
    ("{price:{width}.1f}|", "     3.1|"),
    ("{style!r}", "'ink'"),
    ("{style!s}", "ink"),
    ("{风格!a}", "'\\u6c34\\u58a8'"),
    ("{style!r:>8}", "   'ink'"),
    ("{style:}", "ink"),
    ("{风格}画", "水墨画"),
    ("{_}", "underscore"),
    ("{nothing!s}", "None"),
    ("{nothing!r:>6}", "  None"),
    ("{brace}", "{style}"),
    ("{double}", "{{style}}"),
    ("{style}{{style}}{style}", "ink{style}ink"),
    ("{{style!r:>8}}", "{style!r:>8}"),
    ("{{row['a}b']}}", "{row['a}b']}"),
    ("{{unknown}}", "{unknown}"),
    ("{style}}", "ink}"),
    ("{{style}", "{ink"),
    ('{"look": {style}}', '{"look": ink}'),
    ("x^{style}", "x^ink"),
]


@pytest.mark.parametrize(("template", "prompt"), REPLACED)
def test_an_expression_becomes_its_value(template: str, prompt: str) -> None:
    """Once, as in an f-string; double braces keep it."""
    assert expand(template, SCOPE) == prompt


STAYS = [
    "",
    "a fox",
    "  {\n}  ",
    "{}",
    "{{}}",
    "{ style }",
    "{style",
    "style}",
    "{1}",
    "{1 + 1}",
    "{style + style}",
    "{style.}",
    "{style..title}",
    "{style!}",
    "{style!x}",
    "{style=}",
    "{styles[0}",
    "{styles[0)}",
    "{row['title]}",
    "{for}",
    "{None}",
    "{style, style}",
    "{'style'}",
    "{a b}",
    '{"a": {"b": [1, {"c": null}]}}',
    '{"a":1}',
    "{{'a': 1}}",
    "body {\n  color: red;\n}",
    r"\frac{1}{2}",
    r"\frac{a}{b}",
    r"\frac{\sqrt{a}}{b + c}",
    r"\sum_{i=1}^{n} x_i",
    r"\begin{align} e^{x} \end{align}",
    r"\textbf*{word}",
    r"\sqrt[3]{y}",
    "{{{{",
    "}}}}",
]


@pytest.mark.parametrize("template", STAYS)
def test_all_other_braces_stay(template: str) -> None:
    """JSON, LaTeX, CSS and lone braces need no escaping."""
    assert expand(template, SCOPE) == template


WRONG = [
    ("{stlye}", ["{stlye}", "no variable stlye", "Did you mean style?", "{{stlye}}"]),
    ("{id}", ["no variable id", "{{id}}"]),
    ("{type}", ["no variable type"]),
    ("{xyzzy}", ["no variable xyzzy"]),
    ("{row['titel']}", ["{row['titel']}", "KeyError: 'titel'", "{{row['titel']}}"]),
    ("{styles[9]}", ["IndexError: list index out of range"]),
    ("{obj.titel}", ["AttributeError", "titel"]),
    ("{styles[j]}", ["NameError", "'j'"]),
    ("{obj.upper(a b)}", ["SyntaxError"]),
    ("{price:zz}", ["ValueError"]),
    ("{nothing:.2f}", ["None", "{nothing!s}"]),
    ("{price:{nothing}}", ["{nothing} is None"]),
    ("{price:{widht}}", ["no variable widht", "Did you mean width?"]),
]


@pytest.mark.parametrize(("template", "told"), WRONG)
def test_a_failing_expression_is_told(template: str, told: list[str]) -> None:
    """A typo must not cost money: the nearest name, or what was raised, and how to keep the braces."""
    with pytest.raises(RequestError) as caught:
        expand(template, SCOPE)
    (problem,) = caught.value.problems
    assert [each for each in told if each not in problem] == []


def test_all_failing_expressions_are_told_together() -> None:
    """Each once."""
    with pytest.raises(RequestError) as caught:
        expand("{a1} {b2.c} {styles[9]}", SCOPE)
    assert len(caught.value.problems) == 3


def test_values_come_only_from_the_names_given() -> None:
    """In `sd.generate(…, values=…)` there are no builtins."""
    with pytest.raises(RequestError, match="no variable open"):
        expand("{open('x')}", NamesScope({"style": "ink"}))
    with pytest.raises(RequestError, match="NameError"):
        expand("{style.join(open('x'))}", NamesScope({"style": "ink"}))


class Secretive:
    """Raises whenever it is looked at."""

    def __str__(self) -> str:
        """Raise."""
        raise ConnectionError("gone")


def test_a_value_that_cannot_be_told_is_told() -> None:
    """With what it raised."""
    with pytest.raises(RequestError, match="ConnectionError: gone"):
        expand("{it}", NamesScope({"it": Secretive()}))


class Pictures:
    """Takes PIL images for pictures, and what Markdown images lead to; remembers what it was given."""

    def __init__(self) -> None:
        """Begin with none."""
        self.given: list[object] = []

    def of_value(self, name: str, value: object) -> list[int] | None:
        """Return the number of an image."""
        return self._number(name) if isinstance(value, Image.Image) else None

    def of_link(self, target: str) -> list[int]:
        """Return the number of what a Markdown image leads to."""
        return self._number(target)

    def _number(self, given: object) -> list[int]:
        self.given.append(given)
        return [len(self.given)]


def test_pictures_are_numbered_in_order_of_appearance() -> None:
    """In braces and in Markdown; with a conversion or a format they are text."""
    scope, pictures = NamesScope({"it": Image.new("RGB", (20, 20)), "width": 8}), Pictures()
    assert expand("{it} as ![x](a.png) {it} {width}", scope, pictures) == "image 1 as image 2 image 3 8"
    assert pictures.given == ["it", "a.png", "it"]
    assert "PIL" in expand("{it!r}{it!s:>20}", scope, pictures)
    assert len(pictures.given) == 3


def test_markdown_is_text_where_nobody_typed_it() -> None:
    """Then a backslash before it is one too."""
    text = r"a ![x](a.png) \![x](a.png)"
    assert expand(text, EmptyScope(), Pictures(), markdown=False) == text


LINKS = [
    ("![a](b.png)", "b.png"),
    ("![](b.png)", "b.png"),
    ("![a]( b.png )", "b.png"),
    ("![a](my b.png)", "my b.png"),
    ("![a](<my b.png>)", "my b.png"),
    ("![a](<my (b.png>)", "my (b.png"),
    ('![a](b.png "title")', "b.png"),
    ("![a](b.png 'a title')", "b.png"),
    ('![a](<b c.png> "title")', "b c.png"),
    ("![a [b] c](b (1).png)", "b (1).png"),
    ("![a](it's.png)", "it's.png"),
    ("![a](C:\\b.png)", "C:\\b.png"),
    ("![a](attachment:b.png)", "attachment:b.png"),
    ("![{x}](b.png)", "b.png"),
]


@pytest.mark.parametrize(("template", "target"), LINKS)
def test_a_markdown_image_leads_somewhere(template: str, target: str) -> None:
    """Its title and alternative text are not sent."""
    pictures = Pictures()
    assert expand(f"x {template}, y", EmptyScope(), pictures) == "x image 1, y"
    assert pictures.given == [target]


NO_LINKS = [
    "[a](b.png)",
    "![a]()",
    "![a]( )",
    "![a] (b.png)",
    "![a][b]",
    "![a\n](b.png)",
    "![a](b\n.png)",
    "![[[a]]](b)",
]


@pytest.mark.parametrize("template", NO_LINKS)
def test_what_is_no_markdown_image_stays(template: str) -> None:
    """A link, a beginning, one that leads nowhere."""
    assert expand(template, EmptyScope(), Pictures()) == template


without_braces = st.text(st.characters(codec="utf-8", exclude_characters="{}"))
any_text = st.text(st.characters(codec="utf-8") | st.sampled_from("{}[]()'\"\\!:.ax"))


@given(without_braces)
def test_text_without_braces_stays(text: str) -> None:
    """Exactly as it was."""
    assert expand(text, EmptyScope(), markdown=False) == text


@given(any_text)
def test_text_without_expressions_stays(text: str) -> None:
    """Whatever braces it has: literal parts are the text."""
    parts = list(parts_of(text, markdown=False))
    assume(not any(isinstance(part, Expression) for part in parts))
    assume("{{" not in text)
    assert expand(text, EmptyScope(), markdown=False) == text


@given(any_text)
def test_parts_make_up_the_template(text: str) -> None:
    """Nothing is lost or added but the outer braces of what was escaped."""
    joined = "".join(part if isinstance(part, str) else part.written for part in parts_of(text, markdown=False))
    assume("{{" not in text)
    assert joined == text


@given(any_text, without_braces, without_braces)
def test_a_value_is_never_expanded_again(value: str, before: str, after: str) -> None:
    """Whatever it contains; the text around it stays."""
    scope = NamesScope({"it": value, "a": 1, "x": 2})
    assert expand(f"{before}{{it}}{after}", scope, markdown=False) == f"{before}{value}{after}"


json_texts = st.text(st.characters(codec="utf-8", exclude_characters="{"), max_size=8)
json_values = st.recursive(
    st.none() | st.integers() | json_texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(json_texts, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(json_texts, json_values, min_size=1, max_size=3), st.sampled_from([None, 2]))
def test_json_stays(value: dict[str, object], indent: int | None) -> None:
    """Compact or indented."""
    text = json.dumps(value, indent=indent)
    assert expand(text, EmptyScope()) == text


@given(st.text(st.sampled_from("ab.[]()")), st.text(st.sampled_from("ab!:.2f ")))
def test_an_escaped_template_gives_itself_back(trailers: str, end: str) -> None:
    """What `{…}` means, `{{…}}` shows."""
    template = f"{{a{trailers}{end}}}"
    parts = [part for part in parts_of(template) if isinstance(part, Expression)]
    if parts and parts[0].written == template:
        assert expand(f"{{{template}}}", EmptyScope()) == template


@pytest.mark.parametrize("text", ["{a(" * 2000, "{a:" * 5000, "{" * 20_000, "\\a" * 5000 + "{a}", "{a['" * 1000])
@pytest.mark.slow
def test_odd_prompts_take_no_long_time(text: str) -> None:
    """Looking for the end of an expression is bounded."""
    assert sum(len(part) if isinstance(part, str) else len(part.written) for part in parts_of(text)) == len(text)


class Endless:
    """Has a text that is longer than it seems."""

    def __str__(self) -> str:
        """Return it."""
        return "a" * 3_000_000

    __repr__ = __str__


MANY: list[object] = ["a"]
for _ in range(9):
    MANY = [MANY] * 10  # a billion of them
OVERLONG = [
    ("{it}", "a" * 50_000_000),
    ("{it!r}", "a" * 50_000_000),
    ("{it:>9}", "a" * 50_000_000),
    ("{it:>999999999}", 3),
    ("{it:>{width}}", 3),
    ("{it:.999999999f}", 3.5),
    ("{it!s:>99999999999999}", 3),
    ("{it}", MANY),
    ("{it!s}", MANY),
    ("{it}", {"a": MANY}),
    ("{it}", Endless()),
    ("{it!r}", Endless()),
    ("{it}", [Endless()]),
    ("{it}" * 9, "a" * 300_000),
    ("{it}" * 100_000, "a" * 1_900_000),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("template", "value"), OVERLONG, ids=[f"{row[0][:12]}-{type(row[1]).__name__}" for row in OVERLONG]
)
def test_what_is_longer_than_any_prompt_is_refused_before_it_is_made(template: str, value: object) -> None:
    """In a sentence, at once, whatever memory its text would take."""
    scope, begun = NamesScope({"it": value, "width": 99_999_999}), time.thread_time()
    with pytest.raises(RequestError, match="2,000,000"):
        expand(template, scope)
    assert time.thread_time() - begun < 5


def test_what_lies_within_itself_is_no_longer_than_it_is_written() -> None:
    """And a list that is nested ten thousand deep is counted as fast as any."""
    value: list[object] = ["a"]
    value.append(value)
    assert expand("{it}", NamesScope({"it": value})) == str(value)
    for _ in range(10_000):
        value = [value]
    with pytest.raises(RequestError, match="RecursionError"):
        expand("{it}", NamesScope({"it": value}))
