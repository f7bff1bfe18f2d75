"""Sealed columns in SQLAlchemy: column types that reflection and Alembic know.

A value is a str: the address as entered, or its mask where the session's role
holds no "reveal".  Comparison is by = and IN alone; like(), < and the rest are
errors when the statement is built.
"""
from sqlalchemy import types
from sqlalchemy.dialects.postgresql import base
from sqlalchemy.sql import operators


class Sealed(types.UserDefinedType):
    """What the three types share.  The typmod is the list's number: protect sets it."""

    cache_ok = True
    name = None
    operators = (operators.is_, operators.is_not)

    class Comparator(types.UserDefinedType.Comparator):
        """Lets through the operators that the type has."""

        def operate(self, op, *other, **kwargs):
            if op not in self.type.operators:
                raise NotImplementedError("%s has no operator %s" % (self.type.name, getattr(op, "__name__", op)))
            return super().operate(op, *other, **kwargs)

    comparator_factory = Comparator

    def __init__(self, *typmod):
        pass

    def get_col_spec(self, **kw):
        return "listguard." + self.name

    def coerce_compared_value(self, op, value):
        return self

    @property
    def python_type(self):
        return str


class SealedText(Sealed):
    """Text that cannot be compared."""

    cache_ok = True
    name = "sealed_text"


class SealedLookup(Sealed):
    """Text that can be found: phones, customer numbers."""

    cache_ok = True
    name = "sealed_lookup"
    operators = Sealed.operators + (operators.eq, operators.ne, operators.in_op, operators.not_in_op,
                                    operators.is_distinct_from, operators.is_not_distinct_from,
                                    operators.asc_op, operators.desc_op)


class SealedEmail(SealedLookup):
    """A mail address."""

    cache_ok = True
    name = "sealed_email"


for cls in SealedEmail, SealedLookup, SealedText:
    for prefix in "", "listguard.":
        base.ischema_names[prefix + cls.name] = cls
