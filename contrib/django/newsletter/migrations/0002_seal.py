"""Seal the addresses: protect alters the column, Django learns its new type."""
from django.db import migrations
from listguard_django.fields import SealedEmailField
from listguard_django.operations import GrantAccess, Protect


class Migration(migrations.Migration):

    dependencies = [("newsletter", "0001_initial")]
    operations = [
        Protect("Subscriber", address_columns=["email"], list_column="list_id", bulk_threshold=40),
        migrations.SeparateDatabaseAndState(
            state_operations=[migrations.AlterField("subscriber", "email", SealedEmailField(max_length=320, db_index=True))],
        ),
        migrations.AlterField("subscriber", "email", SealedEmailField(max_length=320)),
        GrantAccess("Subscriber", role="app", privileges=["view", "reveal", "insert", "update", "delete"]),
        GrantAccess("Subscriber", role="masked", privileges=["view", "insert", "update"]),
    ]
