"""One table of many lists, and a table that is one list."""
from django.db import models
from listguard_django.fields import SealedEmailField, SealedLookupField, SealedTextField


class Subscriber(models.Model):
    """A list's member; rows with one list_id are one list."""

    list_id = models.IntegerField()
    email = SealedEmailField()
    phone = SealedLookupField(null=True, blank=True)
    name = SealedTextField(null=True, blank=True)
    joined = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["list_id", "email"], name="subscriber_once")]


class Contact(models.Model):
    """The address is unique in the table."""

    email = SealedEmailField(unique=True)
    note = models.CharField(max_length=100, blank=True)
