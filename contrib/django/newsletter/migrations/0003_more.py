"""New sealed columns of a protected table, and a table that is sealed from its first day."""
from django.db import migrations, models
from listguard_django.fields import SealedEmailField, SealedLookupField, SealedTextField
from listguard_django.operations import GrantAccess, Protect


class Migration(migrations.Migration):

    dependencies = [("newsletter", "0002_seal")]
    operations = [
        migrations.AddField("subscriber", "phone", SealedLookupField(null=True, blank=True)),
        migrations.AddField("subscriber", "name", SealedTextField(null=True, blank=True)),
        migrations.CreateModel(
            name="Contact",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("email", SealedEmailField(max_length=320, unique=True)),
                ("note", models.CharField(max_length=100, blank=True)),
            ],
        ),
        Protect("Contact", address_columns=["email"], bulk_threshold=40),
        GrantAccess("Contact", role="app", privileges=["view", "reveal", "insert", "update", "delete"]),
    ]
