"""SQLAlchemy with psycopg2, and Alembic's comparison of models with the database."""
import os

from alembic.autogenerate import compare_metadata, produce_migrations
from alembic.migration import MigrationContext
from alembic.operations import Operations
from lgclient import ADDRESSES, BAD, MASK, NAME, PHONE, disclosed, done, is_
from listguard_sqlalchemy import SealedEmail, SealedLookup, SealedText
from sqlalchemy import BigInteger, Column, Identity, Integer, UniqueConstraint, create_engine, func, inspect, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import URL
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.orm import Session, declarative_base

Base = declarative_base()


class Subscriber(Base):
    """The table that every client of this suite writes."""

    __tablename__ = "subscriber"
    __table_args__ = (UniqueConstraint("list_id", "email"),)
    id = Column(BigInteger, Identity(), primary_key=True)
    list_id = Column(Integer, nullable=False)
    ref = Column(Integer)
    email = Column(SealedEmail, nullable=False)
    phone = Column(SealedLookup)
    name = Column(SealedText)


class Person(Base):
    """A table that is one list."""

    __tablename__ = "person"
    email = Column(SealedEmail, primary_key=True)
    ref = Column(Integer)


class Contact(Base):
    """Not there yet: Alembic makes it."""

    __tablename__ = "contact"
    id = Column(Integer, Identity(), primary_key=True)
    email = Column(SealedEmail, nullable=False, unique=True)


def engine(user):
    """A role's own."""
    return create_engine(URL.create("postgresql+psycopg2", username=user, password=os.environ["PGPASSWORD"], database=os.environ["PGDATABASE"],
                                    query={"host": os.environ["PGHOST"], "port": os.environ["PGPORT"]}), future=True)


def state_of(call, error=DBAPIError):
    """The SQLSTATE that a call ends with, in a session of its own."""
    try:
        with Session(app) as s:
            call(s)
            s.commit()
    except error as e:
        return e.orig.pgcode
    return "none"


app, owner, masked = engine("app"), engine("owner"), engine("masked")

# Alembic: what is missing is found, made and protected; then nothing is left.
with owner.begin() as con:
    context = MigrationContext.configure(con, opts={"compare_type": True})
    script = produce_migrations(context, Base.metadata)
    is_([op.table_name for op in script.upgrade_ops.ops], ["contact"], "autogenerate finds the new table alone: no column's type differs")
    is_(repr(script.upgrade_ops.ops[0].columns[1].type), "SealedEmail()", "the type as a migration would write it")
    operations = Operations(context)
    for op in script.upgrade_ops.ops:
        operations.invoke(op)
    operations.execute("SELECT listguard.protect('contact', '{email}')")
    operations.execute("SELECT listguard.grant_access('app', 'contact', '{view,reveal,insert,update,delete}')")
with owner.connect() as con:
    context = MigrationContext.configure(con, opts={"compare_type": True})
    is_(compare_metadata(context, Base.metadata), [], "alembic check: models and database agree")
    is_([type(c["type"]).__name__ for c in inspect(con).get_columns("subscriber")][3:], ["SealedEmail", "SealedLookup", "SealedText"], "reflection")

# Writing.
with Session(app) as s:
    for n in range(1, 21):
        s.add(Subscriber(list_id=1, ref=n, email=ADDRESSES[n - 1]))
        s.flush()
    s.add_all([Subscriber(list_id=1, ref=n, email=ADDRESSES[n - 1]) for n in range(21, 41)])
    s.commit()
    rows = s.execute(insert(Subscriber).values([{"list_id": 1, "ref": n, "email": ADDRESSES[n - 1]} for n in range(41, 61)])
                     .returning(Subscriber.email)).scalars().all()
    is_(rows, ADDRESSES[40:], "INSERT of many VALUES, RETURNING")
    s.commit()
    got = [s.execute(select(Subscriber.email).where(Subscriber.ref.between(n, n + 19)).order_by(Subscriber.ref)).scalars().all()
           for n in (1, 21, 41)]
    is_(sum(got, []), ADDRESSES, "every address comes back byte for byte")
    s.execute(insert(Subscriber).values(list_id=1, email=ADDRESSES[0].upper()).on_conflict_do_nothing())
    upsert = insert(Subscriber).values(list_id=1, email=ADDRESSES[0], phone=PHONE, name=NAME)
    upsert = upsert.on_conflict_do_update(index_elements=["list_id", "email"], set_={"phone": upsert.excluded.phone, "name": NAME})
    is_(s.execute(upsert.returning(Subscriber.ref, Subscriber.phone)).all(), [(1, PHONE)], "ON CONFLICT DO UPDATE RETURNING")
    s.commit()
    is_(s.execute(select(func.count()).select_from(Subscriber)).scalar(), 60, "ON CONFLICT DO NOTHING")

# Reading.
with Session(app) as s:
    is_(s.execute(select(Subscriber.ref).filter_by(email=ADDRESSES[1].lower())).scalars().all(), [2], "filter_by(email=...)")
    is_(sorted(s.execute(select(Subscriber.ref).where(Subscriber.email.in_(ADDRESSES[:20]))).scalars()), list(range(1, 21)), "in_()")
    is_(s.execute(select(func.count()).where(Subscriber.phone.is_(None))).scalar(), 59, "is_(None)")
    is_(s.execute(text("SELECT ref FROM subscriber WHERE email = ANY(:e) ORDER BY 1"), {"e": ADDRESSES[:2]}).scalars().all(), [1, 2], "= ANY(:list)")
    try:
        is_(Subscriber.email.like("j%"), "refused", "like() is an error when it is built")
    except NotImplementedError as e:
        is_(str(e), "sealed_email has no operator like_op", "like() is an error when it is built")
    s.add(Person(email=ADDRESSES[0], ref=1))
    s.commit()
    s.expire_all()
    is_(s.get(Person, ADDRESSES[0]).email, ADDRESSES[0], "a sealed primary key")
    is_([x.email for x in s.execute(select(Subscriber).where(Subscriber.ref <= 30).order_by(Subscriber.ref).execution_options(yield_per=7)).scalars()],
        ADDRESSES[:30], "yield_per, by a server-side cursor")

# Errors.
is_(state_of(lambda s: s.add(Subscriber(list_id=1, email=BAD)), DataError), "22P02", "a bad address is a DataError")
is_(state_of(lambda s: s.add(Subscriber(list_id=1, email=ADDRESSES[0])), IntegrityError), "23505", "a duplicate is an IntegrityError")
is_(state_of(lambda s: s.execute(select(Subscriber.email)).all()), "LG001", "over the threshold")
with Session(app) as s:
    try:
        with s.begin_nested():
            s.add(Subscriber(list_id=1, email=BAD))
    except DataError:
        s.expunge_all()
    is_(s.execute(select(Subscriber.ref).filter_by(email=ADDRESSES[0])).scalar(), 1, "begin_nested outlives it")

# Masks.
with Session(masked) as s:
    row = s.execute(select(Subscriber).where(Subscriber.ref == 1)).scalar_one()
    is_((row.email, row.phone, row.name), (MASK, "***", "***"), "a masked role gets masks")
    row.ref = 1001
    s.commit()
    is_(row.email, MASK, "a change of another column is written alone")
    row.ref, row.email = 1, row.email + ""
    s.flush()
    s.commit()
    row.email = "X***@y***.example"
    try:
        s.commit()
        is_("saved", "refused", "a mask saved back is refused")
    except DataError as e:
        is_(e.orig.pgcode, "22P02", "a mask saved back is refused")
    s.rollback()
    seen = [s.execute(select(Subscriber.email, Subscriber.name).where(Subscriber.ref <= 30)).all(),
            s.execute(select(Subscriber.email).where(Subscriber.ref > 30)).all()]
    is_((len(seen[0]), len(seen[1]), disclosed(seen)), (30, 30, 0), "a masked role gets masks only")
done()
