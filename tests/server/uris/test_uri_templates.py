"""URI templates: RFC 6570 for expansion, our own rules for matching."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_django.protocol.uris import normalize
from mcp_django.server.uris.uri_expressions import Value
from mcp_django.server.uris.uri_templates import UriTemplate

RFC_VALUES: dict[str, Value] = {
    "count": ["one", "two", "three"],
    "dom": ["example", "com"],
    "dub": "me/too",
    "hello": "Hello World!",
    "half": "50%",
    "var": "value",
    "who": "fred",
    "base": "http://example.com/home/",
    "path": "/foo/bar",
    "list": ["red", "green", "blue"],
    "keys": {"semi": ";", "dot": ".", "comma": ","},
    "v": "6",
    "x": "1024",
    "y": "768",
    "empty": "",
    "empty_keys": {},
    "undef": None,
}

RFC_EXPANSIONS = [
    # 3.2.1, variable expansion
    ("{count}", "one,two,three"),
    ("{count*}", "one,two,three"),
    ("{/count}", "/one,two,three"),
    ("{/count*}", "/one/two/three"),
    ("{;count}", ";count=one,two,three"),
    ("{;count*}", ";count=one;count=two;count=three"),
    ("{?count}", "?count=one,two,three"),
    ("{?count*}", "?count=one&count=two&count=three"),
    ("{&count*}", "&count=one&count=two&count=three"),
    # 3.2.2, simple string expansion
    ("{var}", "value"),
    ("{hello}", "Hello%20World%21"),
    ("{half}", "50%25"),
    ("O{empty}X", "OX"),
    ("O{undef}X", "OX"),
    ("{x,y}", "1024,768"),
    ("{x,hello,y}", "1024,Hello%20World%21,768"),
    ("?{x,empty}", "?1024,"),
    ("?{x,undef}", "?1024"),
    ("?{undef,y}", "?768"),
    ("{var:3}", "val"),
    ("{var:30}", "value"),
    ("{list}", "red,green,blue"),
    ("{list*}", "red,green,blue"),
    ("{keys}", "semi,%3B,dot,.,comma,%2C"),
    ("{keys*}", "semi=%3B,dot=.,comma=%2C"),
    # 3.2.3, reserved expansion
    ("{+var}", "value"),
    ("{+hello}", "Hello%20World!"),
    ("{+half}", "50%25"),
    ("{base}index", "http%3A%2F%2Fexample.com%2Fhome%2Findex"),
    ("{+base}index", "http://example.com/home/index"),
    ("O{+empty}X", "OX"),
    ("O{+undef}X", "OX"),
    ("{+path}/here", "/foo/bar/here"),
    ("here?ref={+path}", "here?ref=/foo/bar"),
    ("up{+path}{var}/here", "up/foo/barvalue/here"),
    ("{+x,hello,y}", "1024,Hello%20World!,768"),
    ("{+path,x}/here", "/foo/bar,1024/here"),
    ("{+path:6}/here", "/foo/b/here"),
    ("{+list}", "red,green,blue"),
    ("{+list*}", "red,green,blue"),
    ("{+keys}", "semi,;,dot,.,comma,,"),
    ("{+keys*}", "semi=;,dot=.,comma=,"),
    # 3.2.4, fragment expansion
    ("{#var}", "#value"),
    ("{#hello}", "#Hello%20World!"),
    ("{#half}", "#50%25"),
    ("foo{#empty}", "foo#"),
    ("foo{#undef}", "foo"),
    ("{#x,hello,y}", "#1024,Hello%20World!,768"),
    ("{#path,x}/here", "#/foo/bar,1024/here"),
    ("{#path:6}/here", "#/foo/b/here"),
    ("{#list}", "#red,green,blue"),
    ("{#list*}", "#red,green,blue"),
    ("{#keys}", "#semi,;,dot,.,comma,,"),
    ("{#keys*}", "#semi=;,dot=.,comma=,"),
    # 3.2.5, label expansion
    ("{.who}", ".fred"),
    ("{.who,who}", ".fred.fred"),
    ("{.half,who}", ".50%25.fred"),
    ("www{.dom*}", "www.example.com"),
    ("X{.var}", "X.value"),
    ("X{.empty}", "X."),
    ("X{.undef}", "X"),
    ("X{.var:3}", "X.val"),
    ("X{.list}", "X.red,green,blue"),
    ("X{.list*}", "X.red.green.blue"),
    ("X{.keys}", "X.semi,%3B,dot,.,comma,%2C"),
    ("X{.keys*}", "X.semi=%3B.dot=..comma=%2C"),
    ("X{.empty_keys}", "X"),
    ("X{.empty_keys*}", "X"),
    # 3.2.6, path segment expansion
    ("{/who}", "/fred"),
    ("{/who,who}", "/fred/fred"),
    ("{/half,who}", "/50%25/fred"),
    ("{/who,dub}", "/fred/me%2Ftoo"),
    ("{/var}", "/value"),
    ("{/var,empty}", "/value/"),
    ("{/var,undef}", "/value"),
    ("{/var,x}/here", "/value/1024/here"),
    ("{/var:1,var}", "/v/value"),
    ("{/list}", "/red,green,blue"),
    ("{/list*}", "/red/green/blue"),
    ("{/list*,path:4}", "/red/green/blue/%2Ffoo"),
    ("{/keys}", "/semi,%3B,dot,.,comma,%2C"),
    ("{/keys*}", "/semi=%3B/dot=./comma=%2C"),
    # 3.2.7, path-style parameter expansion
    ("{;who}", ";who=fred"),
    ("{;half}", ";half=50%25"),
    ("{;empty}", ";empty"),
    ("{;v,empty,who}", ";v=6;empty;who=fred"),
    ("{;v,bar,who}", ";v=6;who=fred"),
    ("{;x,y}", ";x=1024;y=768"),
    ("{;x,y,empty}", ";x=1024;y=768;empty"),
    ("{;x,y,undef}", ";x=1024;y=768"),
    ("{;hello:5}", ";hello=Hello"),
    ("{;list}", ";list=red,green,blue"),
    ("{;list*}", ";list=red;list=green;list=blue"),
    ("{;keys}", ";keys=semi,%3B,dot,.,comma,%2C"),
    ("{;keys*}", ";semi=%3B;dot=.;comma=%2C"),
    # 3.2.8, form-style query expansion
    ("{?who}", "?who=fred"),
    ("{?half}", "?half=50%25"),
    ("{?x,y}", "?x=1024&y=768"),
    ("{?x,y,empty}", "?x=1024&y=768&empty="),
    ("{?x,y,undef}", "?x=1024&y=768"),
    ("{?var:3}", "?var=val"),
    ("{?list}", "?list=red,green,blue"),
    ("{?list*}", "?list=red&list=green&list=blue"),
    ("{?keys}", "?keys=semi,%3B,dot,.,comma,%2C"),
    ("{?keys*}", "?semi=%3B&dot=.&comma=%2C"),
    # 3.2.9, form-style query continuation
    ("{&who}", "&who=fred"),
    ("{&half}", "&half=50%25"),
    ("?fixed=yes{&x}", "?fixed=yes&x=1024"),
    ("{&x,y,empty}", "&x=1024&y=768&empty="),
    ("{&x,y,undef}", "&x=1024&y=768"),
    ("{&var:3}", "&var=val"),
    ("{&list}", "&list=red,green,blue"),
    ("{&list*}", "&list=red&list=green&list=blue"),
    ("{&keys}", "&keys=semi,%3B,dot,.,comma,%2C"),
    ("{&keys*}", "&semi=%3B&dot=.&comma=%2C"),
    # 1.2, what is not above
    ("map?{x,y}", "map?1024,768"),
    ("{#x,hello,y}", "#1024,Hello%20World!,768"),
    ("{#path,x}/here", "#/foo/bar,1024/here"),
    ("X{.x,y}", "X.1024.768"),
]


@pytest.mark.parametrize(("template", "uri"), RFC_EXPANSIONS)
def test_examples_of_the_rfc_expand_as_it_says(template: str, uri: str) -> None:
    """Spec: RFC 6570, sections 1.2 and 3.2."""
    parsed = UriTemplate.parse(template, for_matching=False)
    assert parsed.expand(RFC_VALUES) == uri


@pytest.mark.parametrize(
    ("template", "values", "uri"),
    [
        ("{+path}", {"path": "a%2Fb%zz"}, "a%2Fb%25zz"),
        ("{path}", {"path": "a%2Fb"}, "a%252Fb"),
        ("ü{a}", {"a": "ü"}, "%C3%BC%C3%BC"),
        ("{;keys*}", {"keys": {"a": "", "b": "1"}}, ";a;b=1"),
        ("{?keys*}", {"keys": {"a": "", "b": "1"}}, "?a=&b=1"),
        ("{keys*}", {"keys": {"a": "", "b": "1"}}, "a=,b=1"),
        ("x{?a}", {"a": []}, "x"),
        ("x{?a}", {"b": "ignored"}, "x"),
    ],
)
def test_corners_that_the_examples_leave_out_expand_by_the_text(
    template: str, values: dict[str, Value], uri: str
) -> None:
    """Spec: RFC 6570, sections 3.1, 3.2.1 and 3.2.3."""
    assert UriTemplate.parse(template, for_matching=False).expand(values) == uri


def test_prefix_of_a_list_is_refused() -> None:
    """Spec: RFC 6570, section 2.4.1: prefixes do not apply to composite values."""
    with pytest.raises(ValueError, match=r"'a' has a prefix length.*\['x'\]"):
        UriTemplate.parse("{a:3}").expand({"a": ["x"]})


def test_variables_are_listed_once_in_order() -> None:
    """Chosen: what a handler's parameters are compared with."""
    template = UriTemplate.parse("{b}/{/a:1,a}{?c}", for_matching=False)
    assert template.variables == ("b", "a", "c")


def test_templates_of_the_same_text_are_equal() -> None:
    """Chosen: a template is a value."""
    assert UriTemplate.parse("x/{a}") == UriTemplate.parse("x/{a}")
    assert hash(UriTemplate.parse("x/{a}")) == hash(UriTemplate.parse("x/{a}"))
    assert UriTemplate.parse("x/{a}") != UriTemplate.parse("x/{b}")


@pytest.mark.parametrize(
    ("template", "position", "what"),
    [
        ("a{b", 1, "never closed"),
        ("a}b", 1, "never opened"),
        ("a b", 1, "' ' must be percent-encoded"),
        ("a%2", 1, "'%' must be percent-encoded"),
        ("a\ud800", 1, "must be percent-encoded"),
        ("{}", 1, "'' is no variable"),
        ("{?}", 2, "'' is no variable"),
        ("{a,}", 3, "'' is no variable"),
        ("{a,b c}", 3, "'b c' is no variable"),
        ("{a{b}", 1, "'a{b' is no variable"),
        ("{a-b}", 1, "'a-b' is no variable"),
        ("{.a..b}", 2, "'a..b' is no variable"),
        ("{a:0}", 1, "'a:0' is no variable"),
        ("{a:10000}", 1, "'a:10000' is no variable"),
        ("{a:3*}", 1, "'a:3*' is no variable"),
        ("{ä}", 1, "'ä' is no variable"),
        ("x{=a}", 2, "operator '=' is reserved"),
        ("x{|a}", 2, "operator '|' is reserved"),
    ],
)
def test_malformed_template_is_refused_with_its_position(
    template: str, position: int, what: str
) -> None:
    """Spec: RFC 6570, section 2; we chose to refuse instead of passing through."""
    with pytest.raises(ValueError, match="is malformed at position") as caught:
        UriTemplate.parse(template)
    assert f"at position {position}: " in str(caught.value)
    assert what in str(caught.value)


@pytest.mark.parametrize(
    ("template", "position", "remedy"),
    [
        ("{a}{b}", 0, "put a literal"),
        ("{a}{+b}", 0, "put a literal"),
        ("{+a}{b}", 0, "put a literal"),
        ("{.a}{b}", 0, "put a literal"),
        ("{a}{.b}{c}", 0, "put a literal"),
        ("x{+a}{.b}", 1, "put a literal"),
        ("x{/a*}{.b}", 1, "put a literal"),
        ("{+a}/{+b}", 5, "write {var} for one of them"),
        ("{/a*}/x{/b*}", 7, "write {var} for one of them"),
        ("{;a}{;b}", 0, "write one {;a,b}"),
        ("{/a}{;b}{/c}", 0, "write one {/a,b}"),
        ("{+a,b}", 0, "write {+b} and split the value yourself"),
        ("{#a*}", 0, "write {#a} and split the value yourself"),
        ("{/a*,b}", 0, "put the variable with '*' last"),
        ("{?a}{&b}", 0, "in one {?a,b}"),
        ("{?a}/x", 0, "put it last"),
        ("{#a}x", 0, "put it last"),
        ("{a}/{?a}", 4, "give one another name"),
        ("{a}/{%61}", 4, "give one another name"),
    ],
)
def test_template_that_cannot_be_matched_is_refused_with_a_remedy(
    template: str, position: int, remedy: str
) -> None:
    """Chosen: better no resource than one that is read with the wrong values."""
    with pytest.raises(ValueError, match="cannot be matched") as caught:
        UriTemplate.parse(template)
    assert f"the expression at position {position}: " in str(caught.value)
    assert remedy in str(caught.value)


def test_template_parsed_for_expansion_only_refuses_to_match() -> None:
    """Chosen: it may be ambiguous."""
    template = UriTemplate.parse("{a}{b}", for_matching=False)
    assert template.expand({"a": "1", "b": "2"}) == "12"
    with pytest.raises(ValueError, match="for_matching=False"):
        template.match("12")


@pytest.mark.parametrize(
    ("template", "uri", "values"),
    [
        # Literals
        ("library://books", "library://books", {}),
        ("library://books", "library://books/", None),
        ("a.c", "abc", None),
        ("ü", "%C3%BC", {}),
        ("%C3%BC", "%c3%bc", {}),
        ("a-b", "a%2Db", {}),
        ("%7Ea", "~a", {}),
        ("a/b", "a%2Fb", None),
        # {var}
        ("library://books/{id}", "library://books/7", {"id": "7"}),
        ("library://books/{id}", "library://books/", None),
        ("library://books/{id}", "library://books/7/8", None),
        ("library://books/{id}", "library://books/7?x", None),
        ("library://books/{id}", "library://books/7#x", None),
        ("user://{email}", "user://ada@example.com", {"email": "ada@example.com"}),
        ("user://{name}", "user://Ada Lovelace", {"name": "Ada Lovelace"}),
        ("user://{name}", "user://Ada%20Lovelace", {"name": "Ada Lovelace"}),
        ("user://{name}", "user://a%2Fb", {"name": "a/b"}),
        ("user://{name}", "user://Zoë", {"name": "Zoë"}),
        ("user://{name}", "user://Zo%C3%AB", {"name": "Zoë"}),
        ("user://{name}", "user://%F0%9F%98%80", {"name": "😀"}),
        ("{id}-{slug}", "7-a-b", {"id": "7", "slug": "a-b"}),
        ("{id}-{slug}", "-7-a", {"id": "-7", "slug": "a"}),
        ("{name}.json", "a.json.json", {"name": "a.json"}),
        ("{a}-{b}.json", "1-2.json", {"a": "1", "b": "2"}),
        ("{a}-x{.b}", "1-x-x.y", {"a": "1-x", "b": "y"}),
        ("{a:2}", "%C3%BCb", {"a": "üb"}),
        ("{a:2}", "abc", None),
        ("{a,b}", "1,2", {"a": "1", "b": "2"}),
        ("{a,b}", "1", None),
        ("{a,b}", "1,2,3", None),
        ("{a*}", "1,2%2C,3", {"a": ["1", "2,", "3"]}),
        ("{a,b*}.x", "1,2,3.x", {"a": "1", "b": ["2", "3"]}),
        # {+var}
        ("file:///{+path}", "file:///a/b?c#d", {"path": "a/b?c#d"}),
        ("file:///{+path}", "file:///", None),
        ("{+path}/history", "a/history/b/history", {"path": "a/history/b"}),
        ("{+folder}/{name}", "a/b/c", {"folder": "a/b", "name": "c"}),
        ("{id}-{+path}", "7-a/b-c", {"id": "7", "path": "a/b-c"}),
        ("{+path}@{rev}", "a@b@c", {"path": "a@b", "rev": "c"}),
        ("{+path}{?rev}", "a/b?rev=1", {"path": "a/b", "rev": "1"}),
        ("{+path}{?rev}", "a/b", {"path": "a/b"}),
        ("{+path}{#line}", "a/b?c#7", {"path": "a/b?c", "line": "7"}),
        ("{+f}/{n}{.ext}{?v}", "a/b.c?v=1", {"f": "a", "n": "b", "ext": "c", "v": "1"}),
        # {#var}
        ("page{#part}", "page#a/b", {"part": "a/b"}),
        ("page{#part}", "page#", {"part": ""}),
        ("page{#part}", "page", {}),
        # {.var}
        ("{name}{.ext}", "a.tar.gz", {"name": "a", "ext": "tar.gz"}),
        ("{name}{.ext}", "a", {"name": "a"}),
        ("{name}{.ext}", ".profile", {"name": ".profile"}),
        ("www{.dom*}", "www.example.com", {"dom": ["example", "com"]}),
        ("x{.a,b}", "x.1.2", {"a": "1", "b": "2"}),
        ("x{.a,b}", "x.1", {"a": "1"}),
        # {/var}
        ("x{/a}", "x/1", {"a": "1"}),
        ("x{/a}", "x/", {"a": ""}),
        ("x{/a}", "x", {}),
        ("x{/a}", "x/1/2", None),
        ("x{/a,b}/edit", "x/1/2/edit", {"a": "1", "b": "2"}),
        ("x{/a,b}/edit", "x/1/edit", {"a": "1"}),
        ("x{/a,b}/edit", "x/edit", {}),
        ("x{/a*}", "x/1/2%2F/3", {"a": ["1", "2/", "3"]}),
        ("x{/a*}", "x", {}),
        ("x{/a*}/edit", "x/1/2/edit", {"a": ["1", "2"]}),
        ("x{/a,b*}", "x/1/2/3", {"a": "1", "b": ["2", "3"]}),
        # {;var}
        ("x{;p,q}/y", "x;q=1;p=2/y", {"p": "2", "q": "1"}),
        ("x{;p,q}/y", "x;p/y", {"p": ""}),
        ("x{;p,q}/y", "x/y", {}),
        ("x{;p}", "x;r=1", None),
        ("x{;p*}", "x;p=1;p=2", {"p": ["1", "2"]}),
        # {?var} and {&var}
        ("x{?q,limit}", "x?q=a%20b&limit=3", {"q": "a b", "limit": "3"}),
        ("x{?q,limit}", "x?limit=3&q=a", {"q": "a", "limit": "3"}),
        ("x{?q,limit}", "x?limit=3", {"limit": "3"}),
        ("x{?q,limit}", "x", {}),
        ("x{?q}", "x?q=", {"q": ""}),
        ("x{?q}", "x?q", {"q": ""}),
        ("x{?q}", "x?q=a+b/c?d=e", {"q": "a+b/c?d=e"}),
        ("x{?q}", "x?", None),
        ("x{?q}", "x?r=1", None),
        ("x{?q}", "x?q=1&r=1", None),
        ("x{?q}", "x?q=1&q=2", None),
        ("x{?q}", "x?q=1#f", None),
        ("x{?q:2}", "x?q=abc", None),
        ("x{?q*}", "x?q=1&q=2", {"q": ["1", "2"]}),
        ("x{?q*}", "x?q=1", {"q": ["1"]}),
        ("x{?q}{#f}", "x?q=1#2", {"q": "1", "f": "2"}),
        ("x?v=1{&q}", "x?v=1&q=2", {"q": "2"}),
        ("x?v={v}{&q}", "x?v=1&q=2", {"v": "1", "q": "2"}),
        ("x?v=1{&q}", "x?v=1", {}),
        # What is no encoding of text
        ("{a}", "%ff", None),
        ("{a}", "%C3", None),
        ("{a}", "%ED%A0%80", None),
        ("{a}", "%", None),
        ("{a}", "%zz", None),
        ("{a}", "\ud800", None),
        ("x{?q}", "x?q=%ff", None),
    ],
)
def test_uri_is_matched(
    template: str, uri: str, values: dict[str, str | list[str]] | None
) -> None:
    """Chosen: RFC 6570 leaves matching open; see `UriTemplate.match`."""
    assert UriTemplate.parse(template).match(uri) == values


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
# Characters that stand for themselves wherever they are, and separate nothing.
PLAIN = st.text("abz09_~é%&= ", min_size=1)


@given(a=TEXT, b=TEXT, c=st.none() | st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_in_segments_and_query_is_found_again(
    a: str, b: str, c: str | None
) -> None:
    """Chosen: whatever a value is made of, encoding hides it."""
    template = UriTemplate.parse("x://{a}/y/{b}{?c}")
    values = {"a": a, "b": b} | ({} if c is None else {"c": c})
    assert template.match(template.expand(values)) == values


@given(
    values=st.fixed_dictionaries(
        {"a": PLAIN, "b": PLAIN},
        optional={
            "ext": PLAIN,
            "p": PLAIN,
            "segments": st.lists(TEXT, min_size=1),
            "q": st.lists(TEXT, min_size=1),
            "r": TEXT,
            "f": TEXT.filter(lambda text: "%" not in text),
        },
    )
)
def test_values_of_every_operator_are_found_again(
    values: dict[str, str | list[str]],
) -> None:
    """Chosen: matching is the inverse of expansion."""
    template = UriTemplate.parse("{a}-{b}{.ext}{;p}{/segments*}{?q*,r}{#f}")
    assert template.match(template.expand(values)) == values


@given(path=TEXT.filter(lambda text: "%" not in text), name=TEXT)
def test_reserved_path_and_the_name_after_it_are_found_again(
    path: str, name: str
) -> None:
    """Chosen: `{+var}` ends at the last place where what follows it can begin."""
    template = UriTemplate.parse("file:///{+path}/{name}")
    values = {"path": path, "name": name}
    assert template.match(template.expand(values)) == values


@given(uri=st.text("ab-./;=?&#%2F", max_size=30))
def test_what_is_found_expands_to_a_uri_that_gives_the_same(uri: str) -> None:
    """Chosen: no URI whatever is matched with values that would not lead back."""
    template = UriTemplate.parse("{a}-{b}{.ext}{/c}{?d*,e}{#f}")
    values = template.match(uri)
    if values is not None:
        assert template.match(template.expand(values)) == values


@pytest.mark.parametrize(
    "template",
    [
        "{a}-{b}-{c}-{d}-{e}x",
        "{+path}.{ext}",
        "{+path}-{a,b}",
        "{+path}-{a}_{b}",
        "{+path}aa{b}aa{c}!",
        "x{/a*}/{b}-{c}z{?q}",
        "{a}{.b,c,d,e}/x{;p,q}{?r*}",
        "{+path}a{;p}{.b}{/c,d,e}!",
        "{/a,b,c*}x/{d}{.e,f}{;p*}{?q*}",
        "x{?q*}{#f}",
    ],
)
def test_hostile_uri_of_100_kilobytes_takes_no_time(template: str) -> None:
    """Chosen: matching takes linear time; quadratic would be minutes here."""
    parsed = UriTemplate.parse(template)
    units = ["-", ".", "/", "a", "a-", "/-", ".-/;", "%41", "%", "?", "&q=", ";p=", " "]
    uris = [
        unit * (100_000 // len(unit)) + end for unit in units for end in ("", "\n#")
    ]
    start = time.perf_counter()
    for uri in uris:
        parsed.match(uri)
        parsed.match("x?q=1" + uri)
    assert time.perf_counter() - start < 0.5 * len(uris)


# However they are written ----------------------------------------------------------

MATCHED_NORMAL = [
    ("HTTP://Example.COM/things/{id}", "http://example.com/things/7", {"id": "7"}),
    ("HTTP://Example.COM/things/{id}", "HTTP://EXAMPLE.com:80/things/A", {"id": "A"}),
    ("https://example.com:443/{id}", "https://example.com/7", {"id": "7"}),
    ("https://example.com{?q}", "https://example.com/?q=1", {"q": "1"}),
    ("https://example.com{?q}", "https://example.com?q=1", {"q": "1"}),
    ("https://example.com{?q}", "https://example.com", {}),
    ("https://example.com{#part}", "https://example.com/#x", {"part": "x"}),
    ("https://example.com{/path*}", "https://example.com/a/b", {"path": ["a", "b"]}),
    ("https://bücher.example/{id}", "https://xn--bcher-kva.example/7", {"id": "7"}),
    ("SHOP://Orders/{id}", "shop://orders/Ann", {"id": "Ann"}),
    ("Note://{name}", "note://Ann", {"name": "Ann"}),
    ("http://{shop}.Example.com/x", "http://tea.EXAMPLE.com/x", {"shop": "tea"}),
    ("shop://{a}.{b}/X{/c}", "shop://A.B/X/c", {"a": "A", "b": "B", "c": "c"}),
    ("shop://fixed-ü/{id}", "shop://fixed-%c3%bc/ü", {"id": "ü"}),
    ("URN:order:{id}", "urn:order:7", {"id": "7"}),
    ("{scheme}://example/{id}", "http://Example/7", {"scheme": "http", "id": "7"}),
    ("{+any}", "http://example/7", {"any": "http://example/7"}),
]


@pytest.mark.parametrize(("template", "uri", "expected"), MATCHED_NORMAL)
def test_template_matches_however_it_and_the_uri_are_written(
    template: str, uri: str, expected: dict[str, Value]
) -> None:
    """Spec: RFC 3986, section 6.2.2 and 6.2.3; values keep their case."""
    assert UriTemplate.parse(template).match_normal(normalize(uri)) == expected


@pytest.mark.parametrize(
    ("template", "uri"),
    [
        ("http://example.com/Things/{id}", "http://example.com/things/7"),
        ("http://example.com:8080/{id}", "http://example.com/7"),
        ("shop://x/{id}", "shop://x/a%2Fb/c"),
        ("shop://{a}/X{/c}", "shop://a/x/c"),
        ("urn:Order:{id}", "urn:order:7"),
    ],
)
def test_template_does_not_match_what_is_another_uri(template: str, uri: str) -> None:
    """Spec: RFC 3986, section 6.2.2.1: the rest is case-sensitive."""
    assert UriTemplate.parse(template).match_normal(normalize(uri)) is None


def test_template_for_expansion_alone_matches_no_normal_uri_either() -> None:
    """Our choice."""
    template = UriTemplate.parse("{+a}{+b}", for_matching=False)
    with pytest.raises(ValueError, match="for_matching=False"):
        template.match_normal("x:y")


@given(
    template=st.sampled_from([template for template, _, _ in MATCHED_NORMAL]),
    values=st.dictionaries(
        st.sampled_from(["id", "q", "part", "name", "shop", "a", "b", "c"]),
        st.text(st.characters(codec="utf-8"), min_size=1, max_size=8),
    ),
)
def test_what_a_template_expands_to_matches_in_normal_form_too(
    template: str, values: dict[str, str]
) -> None:
    """Our choice: with the same values, but for hosts and dots."""
    parsed = UriTemplate.parse(template)
    uri = parsed.expand(values)
    if parsed.match(uri) is None or "." in "".join(values.values()):
        return
    assert parsed.match_normal(normalize(uri)) is not None
