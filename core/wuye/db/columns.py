"""Columns that follow the rules of row-level security: words with a CHECK instead of enums, money in minor units."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Dialect
from sqlalchemy.orm import MappedColumn, mapped_column
from sqlalchemy.types import TypeDecorator


def check(column: str, words: Sequence[str], *, nullable: bool = False) -> CheckConstraint:
    """Return the constraint that a text column holds one of these words."""
    choices = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(f"{f'{column} IS NULL OR ' if nullable else ''}{column} IN ({choices})", name=column)


class Money(TypeDecorator[Decimal]):
    """An amount with two decimals, kept as a whole number of minor units: comparing whole numbers cannot leak."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, _dialect: Dialect) -> int | None:
        """Return the minor units of an amount."""
        return None if value is None else int((Decimal(value) * 100).to_integral_exact())

    def process_result_value(self, value: int | None, _dialect: Dialect) -> Decimal | None:
        """Return the amount of minor units."""
        return None if value is None else Decimal(value).scaleb(-2)


def money(**options: Any) -> MappedColumn[Any]:
    """Declare an amount of money; Decimal in Python, minor units (fen) in the database."""
    return mapped_column(Money, **options)
