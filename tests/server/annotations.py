"""Types that handlers of the tests are annotated with."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import Enum, IntEnum
from typing import Literal, NotRequired

from django.db.models import TextChoices
from pydantic import BaseModel
from typing_extensions import TypedDict


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Size(IntEnum):
    SMALL = 1
    LARGE = 2


class Status(TextChoices):
    PENDING = "pending", "Waiting to be shipped"
    SHIPPED = "shipped", "On its way"


@dataclass
class Point:
    x: int
    y: int = 0
    tags: list[str] = field(default_factory=list)


class Row(TypedDict):
    title: str
    pages: NotRequired[int]


class Book(BaseModel):
    """A book."""

    title: str
    published: date | None = None


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str


class Node(BaseModel):
    value: int
    children: list[Node] = []
