"""Django, by psycopg2: the migrations and models of contrib/django, then the ORM."""
import io
import os

import django
from django.conf import settings
from lgclient import ADDRESSES, BAD, MASK, NAME, PHONE, disclosed, done, is_


def database(user):
    """One alias per role: the server knows the application by its role."""
    return {"ENGINE": "django.db.backends.postgresql", "NAME": os.environ["PGDATABASE"], "USER": user,
            "PASSWORD": os.environ["PGPASSWORD"], "HOST": os.environ["PGHOST"], "PORT": os.environ["PGPORT"]}


settings.configure(
    DATABASES={"default": database("app"), "owner": database("owner"), "masked": database("masked")},
    INSTALLED_APPS=["newsletter"], DEFAULT_AUTO_FIELD="django.db.models.BigAutoField", USE_TZ=True)
django.setup()

from django.core.exceptions import FieldError, ValidationError  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.paginator import Paginator  # noqa: E402
from django.db import DataError, DatabaseError, IntegrityError, connection, connections, models, transaction  # noqa: E402
from listguard_django import fields  # noqa: E402
from newsletter.models import Contact, Subscriber  # noqa: E402


class Member(models.Model):
    """The table that every client of this suite writes, which another made."""

    list_id = models.IntegerField()
    ref = models.IntegerField(null=True)
    email = fields.SealedEmailField()
    phone = fields.SealedLookupField(null=True)
    name = fields.SealedTextField(null=True)

    class Meta:
        app_label = "legacy"
        db_table = "subscriber"
        managed = False


def manage(*args, **options):
    """manage.py: what it printed; a non-zero exit is the text 'exit N'."""
    out = io.StringIO()
    try:
        call_command(*args, stdout=out, stderr=out, verbosity=0, **options)
    except SystemExit as e:
        return f"exit {e.code} {out.getvalue()}"
    return out.getvalue()


def state_of(call, error=DatabaseError):
    """The SQLSTATE that a call ends with, in a transaction of its own."""
    try:
        with transaction.atomic():
            call()
    except error as e:
        return e.__cause__.pgcode
    return "none"


# Migrations: 0001 in plaintext, with rows; then sealed.
manage("migrate", "newsletter", "0001", database="owner")
with connections["owner"].cursor() as cursor:
    cursor.execute("INSERT INTO newsletter_subscriber (list_id, email, joined) VALUES (1, %s, now())", [ADDRESSES[5]])
manage("migrate", database="owner")
with connections["owner"].cursor() as cursor:
    cursor.execute("GRANT SELECT ON django_migrations TO app")
is_(manage("migrate", database="owner", check_unapplied=True), "", "migrate --check")
is_(manage("makemigrations", check_changes=True, dry_run=True), "", "makemigrations --check: models and migrations agree")
is_("no issues" in manage("check", databases=["default"]), True, "check")
is_(list(Subscriber.objects.values_list("email", flat=True)), [ADDRESSES[5]], "a row from before the migration comes back")
out = manage("inspectdb", "newsletter_subscriber", "newsletter_contact", database="default")
is_("class NewsletterSubscriber" in out and "email = models.TextField()  # This field type is a guess." in out, True,
    "inspectdb calls a sealed column a guessed TextField")
with connection.cursor() as cursor:
    cursor.execute("SELECT attname || ' ' || atttypid::regtype FROM pg_attribute WHERE attrelid = 'newsletter_subscriber'::regclass"
                   " AND atttypid::regtype::text LIKE 'listguard.%' ORDER BY attnum")
    is_([r[0] for r in cursor.fetchall()], ["email listguard.sealed_email", "phone listguard.sealed_lookup", "name listguard.sealed_text"],
        "the columns' types")

# Writing.
for n in range(1, 21):
    Member.objects.create(list_id=1, ref=n, email=ADDRESSES[n - 1])
Member.objects.bulk_create([Member(list_id=1, ref=n, email=ADDRESSES[n - 1]) for n in range(21, 61)])
got = [list(Member.objects.filter(ref__range=(n, n + 19)).order_by("ref").values_list("email", flat=True)) for n in (1, 21, 41)]
is_(sum(got, []), ADDRESSES, "create and bulk_create: every address comes back byte for byte")
Member.objects.bulk_create([Member(list_id=1, email=ADDRESSES[0].upper())], ignore_conflicts=True)
is_(Member.objects.count(), 60, "bulk_create(ignore_conflicts=True)")
member, created = Member.objects.get_or_create(list_id=1, email=ADDRESSES[0].upper(), defaults={"ref": 99})
is_((member.ref, member.email, created), (1, ADDRESSES[0], False), "get_or_create finds, in another case")
contact, created = Contact.objects.get_or_create(email=ADDRESSES[3])
is_((created, Contact.objects.get(pk=contact.pk).email), (True, ADDRESSES[3]), "get_or_create makes")
member, created = Member.objects.update_or_create(list_id=1, email=ADDRESSES[0], defaults={"phone": PHONE, "name": NAME})
is_((Member.objects.get(pk=member.pk).phone, created), (PHONE, False), "update_or_create")
member.save()
member.refresh_from_db()
is_((member.email, member.name), (ADDRESSES[0], NAME), "save of what was read")

# Reading.
is_(Member.objects.get(email=ADDRESSES[1].lower()).ref, 2, "filter(email=...)")
is_(Member.objects.get(email__iexact=ADDRESSES[1]).ref, 2, "filter(email__iexact=...)")
is_(set(Member.objects.filter(email__in=ADDRESSES[:20]).values_list("ref", flat=True)), set(range(1, 21)), "filter(email__in=...)")
is_(Member.objects.filter(phone=PHONE).exclude(email=ADDRESSES[1]).count(), 1, "filter and exclude")
is_(Member.objects.filter(phone__isnull=True).count(), 59, "isnull")
is_(Member.objects.filter(email=ADDRESSES[2]).exists(), True, "exists()")
for lookup in "contains", "startswith", "icontains", "regex", "gt":
    try:
        Member.objects.filter(**{"email__" + lookup: "jo"}).count()
        is_("found", "refused", f"email__{lookup} is a FieldError")
    except FieldError as e:
        is_("email has no lookup" in str(e), True, f"email__{lookup} is a FieldError")
pages = Paginator(Member.objects.order_by("pk"), 15)
is_([m.email for page in pages for m in page], ADDRESSES, "pages of fifteen, as the admin shows them")
with transaction.atomic():
    is_([m.email for m in Member.objects.filter(ref__lte=30).order_by("ref").iterator(chunk_size=7)], ADDRESSES[:30], "iterator()")

# Errors.
is_(state_of(lambda: Member.objects.create(list_id=1, email=BAD), DataError), "22P02", "a bad address is a DataError")
is_(state_of(lambda: Member.objects.create(list_id=1, email=ADDRESSES[0]), IntegrityError), "23505", "a duplicate is an IntegrityError")
is_(state_of(lambda: list(Member.objects.all())), "LG001", "all() over the threshold")
is_(state_of(lambda: Member.objects.create(list_id=2, email="x@django.clients.example")), "42501", "another list's row")
with transaction.atomic():
    is_(state_of(lambda: Member.objects.filter(email=BAD).count()), "22P02", "looking up no address is an error too")
    is_(Member.objects.get(email=ADDRESSES[0]).ref, 1, "atomic() outlives it")

# Masks.
seen = Member.objects.using("masked").get(ref=1)
is_((seen.email, seen.phone, seen.name), (MASK, "***", "***"), "a masked role gets masks")
is_(state_of(lambda: seen.save(using="masked"), DataError), "22P02", "a mask saved back is a DataError")
try:
    seen.full_clean()
    is_("valid", "refused", "and a ValidationError in a form")
except ValidationError as e:
    is_(sorted(e.error_dict), ["email", "name", "phone"], "and a ValidationError in a form")
is_(Member.objects.get(ref=1).email, ADDRESSES[0], "the address is still there")
seen.ref = 1
seen.save(using="masked", update_fields=["ref"])
is_(Member.objects.get(ref=1).email, ADDRESSES[0], "save(update_fields=...) leaves it alone")
got = [list(Member.objects.using("masked").filter(ref__lte=30).values_list("email", "name")),
       list(Member.objects.using("masked").filter(ref__gt=30).values())]
is_((len(got[0]), len(got[1]), disclosed(got)), (30, 30, 0), "a masked role gets masks only")
done()
