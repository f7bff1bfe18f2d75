"""Model fields of the sealed types.

In Python a value is a str: the address as entered, or its mask where the
session's role holds no "reveal".  Equality ignores case and Unicode form, so
that iexact is exact; there is no pattern and no order, and any other lookup is
a FieldError before a statement is sent.
"""
from django.core.exceptions import FieldError, ValidationError
from django.db import models
from django.db.models.lookups import Exact

MASK = "***"


def refuse_mask(value):
    """Validator: a mask shown to a role without "reveal" is no value to save.

    The database refuses it as well (22P02); this says so in a form.
    """
    if MASK in str(value):
        raise ValidationError("This value is shown masked and cannot be saved.", code="masked")


class SealedField:
    """What the three fields share: the column's type and the lookups it has."""

    sealed_type = None
    sealed_lookups = ("isnull",)

    def db_type(self, connection):
        return "listguard." + self.sealed_type

    def get_internal_type(self):
        return type(self).__name__

    def get_lookup(self, lookup_name):
        if lookup_name not in self.sealed_lookups:
            raise FieldError("%s has no lookup %s: a sealed column knows %s only" %
                             (self.name, lookup_name, ", ".join(self.sealed_lookups)))
        return Exact if lookup_name == "iexact" else super().get_lookup(lookup_name)

    def get_transform(self, lookup_name):
        return None

    def get_prep_value(self, value):
        value = super().get_prep_value(value)
        return value if value is None else str(value)


class SealedEmailField(SealedField, models.EmailField):
    """sealed_email.  A blank address does not exist: use null=True, not ''."""

    sealed_type = "sealed_email"
    sealed_lookups = ("exact", "iexact", "in", "isnull")
    default_validators = [refuse_mask] + models.EmailField.default_validators
    empty_strings_allowed = False

    def __init__(self, *args, **kwargs):
        kwargs.setdefault("max_length", 320)
        super().__init__(*args, **kwargs)

    def get_prep_value(self, value):
        return super().get_prep_value(value) or None


class SealedLookupField(SealedField, models.TextField):
    """sealed_lookup: phones, customer numbers."""

    sealed_type = "sealed_lookup"
    sealed_lookups = ("exact", "iexact", "in", "isnull")
    default_validators = [refuse_mask]


class SealedTextField(SealedField, models.TextField):
    """sealed_text: names, postal lines; it cannot be compared."""

    sealed_type = "sealed_text"
    default_validators = [refuse_mask]
