"""What is promised, what is sent, and what is taken are the same."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import AwareDatetime, Field
from typing_extensions import TypedDict

from mcp_django.server.arguments.invalid_arguments import InvalidArguments
from mcp_django.server.arguments.signatures import Signature, read_signature
from mcp_django.server.results.tool_results import ToolOutput

TIME = r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-]\d\d:\d\d)"
FORMATS = {
    "date": r"\d{4}-\d\d-\d\d",
    "date-time": rf"\d{{4}}-\d\d-\d\dT{TIME}",
    "duration": r"P(?!$)((\d+Y)?(\d+M)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?|(\d+W)?)",
    "time": TIME,
    "uuid": r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}",
}
"""Formats as JavaScript clients check them."""

STRICT = FormatChecker([])
for name, pattern in FORMATS.items():
    STRICT.checks(name)(
        lambda value, pattern=pattern: (
            not isinstance(value, str) or re.fullmatch(pattern, value) is not None
        )
    )


class Ratio(Enum):
    HALF = 0.5
    ALL = "all"


class Size(IntEnum):
    LARGE = 2


class Corner(Enum):
    LEFT = (0, 1)
    RIGHT = (2, 1)


class Access(Flag):
    READ = 1
    WRITE = 2


@dataclass
class Row:
    price: Decimal
    took: timedelta
    at: datetime | None = None


class Typed(TypedDict):
    prices: list[Decimal]


class Pair(NamedTuple):
    price: Decimal
    at: time


HALF_PAST = timezone(-timedelta(hours=3, minutes=30))
TINY = Decimal("1E-7")

VALUES: list[tuple[Any, Any, Any]] = [
    (Decimal, TINY, "1E-7"),
    (Decimal, Decimal("1E+30"), "1E+30"),
    (Decimal, Decimal("-0"), "-0"),
    (Decimal, Decimal("0E-10"), "0E-10"),
    (Decimal, Decimal("1.10"), "1.10"),
    (Decimal | None, TINY, "1E-7"),
    (list[Decimal], [TINY], ["1E-7"]),
    (dict[str, Decimal], {"a": TINY}, {"a": "1E-7"}),
    (dict[Decimal, int], {TINY: 1}, {"1E-7": 1}),
    (Annotated[Decimal, Field(max_digits=9, decimal_places=8)], TINY, "1E-7"),
    (Annotated[Decimal, Field(ge=0, lt=1)], TINY, "1E-7"),
    (Annotated[Decimal, Field(allow_inf_nan=True)], Decimal("NaN"), "NaN"),
    (Typed, {"prices": [TINY]}, {"prices": ["1E-7"]}),
    (Pair, Pair(TINY, time(1)), ["1E-7", "01:00:00"]),
    (
        Row,
        Row(TINY, timedelta(milliseconds=5), datetime(2026, 1, 31)),
        {"price": "1E-7", "took": "PT0.005S", "at": "2026-01-31T00:00:00"},
    ),
    (timedelta, timedelta(days=1, hours=2), "P1DT2H"),
    (timedelta, -timedelta(days=1), "-P1D"),
    (timedelta, timedelta(0), "PT0S"),
    (datetime, datetime(2026, 1, 31), "2026-01-31T00:00:00"),
    (datetime, datetime(2026, 1, 31, tzinfo=timezone.utc), "2026-01-31T00:00:00Z"),  # noqa: UP017
    (
        AwareDatetime,
        datetime(2026, 1, 31, tzinfo=HALF_PAST),
        "2026-01-31T00:00:00-03:30",
    ),
    (date, date(1, 1, 1), "0001-01-01"),
    (time, time(1, 2), "01:02:00"),
    (dict[date, time], {date(2026, 1, 31): time(1)}, {"2026-01-31": "01:00:00"}),
    (dict[datetime, int], {datetime(2026, 1, 31): 1}, {"2026-01-31T00:00:00": 1}),
    (float, 1e300, 1e300),
    (float, -0.0, -0.0),
    (int, 10**30, 10**30),
    (UUID, UUID(int=5), "00000000-0000-0000-0000-000000000005"),
    (Ratio, Ratio.HALF, 0.5),
    (Size, Size.LARGE, 2),
    (list[Ratio], [Ratio.ALL], ["all"]),
    (Access, Access.READ | Access.WRITE, 3),
    (list[Access], [Access(0), Access.WRITE], [0, 2]),
    (Corner, Corner.LEFT, [0, 1]),
    (Corner | None, None, None),
    (Path, Path("/a b"), "/a b"),
    (PurePosixPath, PurePosixPath("ä"), "ä"),
    (IPv4Address, IPv4Address("1.2.3.4"), "1.2.3.4"),
    (IPv6Address, IPv6Address("::1"), "::1"),
    (set[int], {1}, [1]),
    (tuple[Decimal, ...], (TINY,), ["1E-7"]),
]


@pytest.mark.parametrize(("returns", "value", "structured"), VALUES)
def test_result_fits_the_schema_that_was_promised(
    returns: Any, value: Any, structured: Any
) -> None:
    """Spec: 2025-11-25 server/tools, "Output Schema": servers MUST conform; the formats
    are those that JavaScript clients check."""
    output = ToolOutput.of(returns, structured=True)
    assert isinstance(output.schema, dict)

    assert output.result(value)["structuredContent"] == structured
    validator = Draft202012Validator(output.schema, format_checker=STRICT)
    assert list(validator.iter_errors(structured)) == []


@pytest.mark.parametrize(("annotation", "value", "written"), VALUES)
def test_what_is_written_is_taken_as_an_argument(
    annotation: Any, value: Any, written: Any
) -> None:
    """We chose it: models pass on what another tool gave them."""
    taken = taking(annotation).arguments({"value": written})["value"]

    assert str(taken) == str(value)
    assert type(taken) is type(value)


@pytest.mark.parametrize(
    ("returns", "schema"),
    [
        (datetime, {"type": "string", "description": "ISO 8601 date-time"}),
        (time, {"type": "string", "description": "ISO 8601 time"}),
        (timedelta, {"type": "string", "description": "ISO 8601 duration"}),
        (AwareDatetime, {"type": "string", "format": "date-time"}),
        (date, {"type": "string", "format": "date"}),
        (
            Annotated[datetime, Field(description="When.")],
            {"type": "string", "description": "When."},
        ),
    ],
)
def test_format_is_promised_where_every_value_has_it(
    returns: Any, schema: dict[str, Any]
) -> None:
    """Spec: RFC 3339, 5.6 and appendix A: no time without an offset, no duration that
    is negative or has fractions."""
    assert ToolOutput.of(returns).schema == schema


@pytest.mark.parametrize(
    ("returns", "value"),
    [
        (Decimal, Decimal("NaN")),
        (Decimal, Decimal("sNaN")),
        (Decimal, Decimal("Infinity")),
        (list[Decimal], [Decimal("-Infinity")]),
        (float, float("nan")),
        (float | None, float("inf")),
        (list[float], [float("nan")]),
        (dict[str, float], {"a": float("-inf")}),
    ],
    ids=repr,
)
def test_number_that_json_has_not_is_no_result(returns: Any, value: Any) -> None:
    """We chose it: the schema promised a number."""
    with pytest.raises((TypeError, ValueError)):
        ToolOutput.of(returns).result(value)


def taking(annotation: Any) -> Signature:
    """Read a function with one parameter `value` of a type."""

    def function(value: Any) -> None: ...

    function.__annotations__ = {"value": annotation}
    return read_signature(function, name="tool")


DECIMAL = taking(Decimal)
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False)


@settings(deadline=None)
@given(DECIMALS)
def test_every_finite_decimal_is_a_result_and_an_argument(value: Decimal) -> None:
    """We chose text for results, so that no digit is lost."""
    output = ToolOutput.of(Decimal)
    assert isinstance(output.schema, dict)
    structured = output.result(value)["structuredContent"]

    Draft202012Validator(output.schema).validate(structured)
    Draft202012Validator(DECIMAL.input_schema).validate({"value": structured})
    taken = DECIMAL.arguments({"value": structured})["value"]
    assert taken.as_tuple() == value.as_tuple()


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("1E-7", "1E-7"),
        ("1e+2", "1E+2"),
        ("-0", "-0"),
        ("-0.00", "-0.00"),
        (".5", "0.5"),
        ("1.10", "1.10"),
        (1.1, "1.1"),
        (1e-7, "1E-7"),
        (10**20, "100000000000000000000"),
        (0, "0"),
    ],
)
def test_decimal_is_taken_as_text_or_number(sent: Any, expected: str) -> None:
    """We chose it: the schema has both."""
    Draft202012Validator(DECIMAL.input_schema).validate({"value": sent})

    assert str(DECIMAL.arguments({"value": sent})["value"]) == expected


@pytest.mark.parametrize("sent", ["NaN", "sNaN", "Infinity", "-inf", "1,5", "", True])
def test_what_is_no_finite_decimal_is_refused(sent: Any) -> None:
    """We chose it: nothing can be counted with it."""
    with pytest.raises(InvalidArguments, match="value: "):
        DECIMAL.arguments({"value": sent})
