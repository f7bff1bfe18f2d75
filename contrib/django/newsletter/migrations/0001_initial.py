"""As the application was before listguard: addresses in plaintext."""
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Subscriber",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("list_id", models.IntegerField()),
                ("email", models.EmailField(max_length=254, db_index=True)),
                ("joined", models.DateTimeField(auto_now_add=True)),
            ],
        ),
        migrations.AddConstraint(
            model_name="subscriber",
            constraint=models.UniqueConstraint(fields=["list_id", "email"], name="subscriber_once"),
        ),
    ]
