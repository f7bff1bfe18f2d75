"""psycopg 3: the extended protocol, server-side parameters, pipelines, binary."""
import os
import subprocess

import psycopg
import psycopg.types
import psycopg.types.string
from lgclient import ADDRESSES, BAD, MASK, NAME, PHONE, disclosed, done, error_of, is_

INSERT = "INSERT INTO subscriber (list_id, ref, email) VALUES (%s, %s, %s)"

con = psycopg.connect("", autocommit=True)


def lgctl(*args, **options):
    """The approver's tool: what it prints."""
    return subprocess.run([os.environ["LGCTL"], *args], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, text=True, **options).stdout


def one(sql, *params, **options):
    """First column of each row."""
    return [row[0] for row in con.execute(sql, params, **options).fetchall()]


# Writing: parameters in text and binary, executemany with RETURNING, a
# pipeline, COPY in text and binary.
got = [one(INSERT + " RETURNING email", 1, n, ADDRESSES[n - 1])[0] for n in range(1, 11)]
got += [one(INSERT.replace("%s)", "%b)") + " RETURNING email", 1, n, ADDRESSES[n - 1])[0] for n in range(11, 21)]
is_(got, ADDRESSES[:20], "INSERT RETURNING, text and binary parameters")
with con.cursor() as cur:
    cur.executemany(INSERT + " RETURNING email", [(1, n, ADDRESSES[n - 1]) for n in range(21, 31)], returning=True)
    got = [cur.fetchone()[0]]
    while cur.nextset():
        got.append(cur.fetchone()[0])
is_(got, ADDRESSES[20:30], "executemany, with RETURNING")
with con.pipeline():
    cursors = [con.execute(INSERT + " RETURNING email", (1, n, ADDRESSES[n - 1])) for n in range(31, 41)]
is_([c.fetchone()[0] for c in cursors], ADDRESSES[30:40], "a pipeline")
with con.cursor() as cur:
    with cur.copy("COPY subscriber (list_id, ref, email) FROM STDIN") as copy:
        for n in range(41, 51):
            copy.write_row((1, n, ADDRESSES[n - 1]))
    with cur.copy("COPY subscriber (list_id, ref, email) FROM STDIN (FORMAT binary)") as copy:
        copy.set_types(["int4", "int4", "text"])
        for n in range(51, 61):
            copy.write_row((1, n, ADDRESSES[n - 1]))
    is_(one("SELECT count(*) FROM subscriber"), [60], "COPY in, text and binary")
    with cur.copy("COPY (SELECT email FROM subscriber WHERE ref > 40 ORDER BY ref) TO STDOUT (FORMAT binary)") as copy:
        copy.set_types(["text"])
        got = [row[0] for row in copy.rows()]
    is_(got, ADDRESSES[40:], "COPY out, binary")
    with cur.copy("COPY (SELECT email FROM subscriber WHERE ref <= 40 ORDER BY ref) TO STDOUT") as copy:
        got = [row[0] for row in copy.rows()]
    is_(got, ADDRESSES[:40], "COPY out, text")

# Reading.
is_(one("SELECT ref FROM subscriber WHERE email = %s", ADDRESSES[1].lower()), [2], "found in another case")
is_(one("SELECT ref FROM subscriber WHERE email = %b", ADDRESSES[1]), [2], "found by a binary parameter")
for name in "text", "varchar":
    is_(one(f"SELECT ref FROM subscriber WHERE email = %s::{name}", ADDRESSES[1]), [2], f"found by a {name}")
is_(one("SELECT ref FROM subscriber WHERE email = ANY(%s) ORDER BY 1", ADDRESSES[:3]), [1, 2, 3], "= ANY of a list")
is_(one("SELECT ref FROM subscriber WHERE email = ANY(%b) ORDER BY 1", ADDRESSES[:3]), [1, 2, 3], "= ANY of a list, binary")
is_(one("SELECT ref FROM subscriber WHERE email IN (%s, %s) ORDER BY 1", *ADDRESSES[:2]), [1, 2], "IN")
got = [one("SELECT ref FROM subscriber WHERE email = %s", ADDRESSES[n], prepare=True)[0] for n in range(12)]
is_(got, list(range(1, 13)), "a prepared statement twelve times over")
is_(one("SELECT count(*) > 0 FROM pg_prepared_statements WHERE generic_plans > 0"), [True], "at last by a generic plan")
with con.cursor(binary=True) as cur:
    cur.execute("SELECT email, phone, name FROM subscriber WHERE ref = 1")
    is_(cur.fetchone(), (ADDRESSES[0].encode(), None, None), "binary results: the bytes of the text, NULLs None")
info = psycopg.types.TypeInfo.fetch(con, "listguard.sealed_email")
info.register(con)
con.adapters.register_loader(info.oid, psycopg.types.string.TextBinaryLoader)
with con.cursor(binary=True) as cur:
    cur.execute("SELECT email FROM subscriber WHERE ref = 1")
    is_((cur.fetchone(), cur.description[0].type_code), ((ADDRESSES[0],), info.oid), "with the type registered: str")

# Changes.
cur = con.execute("INSERT INTO subscriber (list_id, email) VALUES (1, %s) ON CONFLICT DO NOTHING", (ADDRESSES[0].upper(),))
is_(cur.rowcount, 0, "ON CONFLICT DO NOTHING")
is_(one("INSERT INTO subscriber (list_id, email, phone) VALUES (1, %s, %s) ON CONFLICT (list_id, email)"
        " DO UPDATE SET phone = excluded.phone RETURNING phone", ADDRESSES[0], PHONE), [PHONE], "ON CONFLICT DO UPDATE RETURNING")
is_(one("UPDATE subscriber SET name = %s WHERE email = %s RETURNING name", NAME, ADDRESSES[0]), [NAME], "UPDATE RETURNING")
with con.transaction(force_rollback=True):
    is_(one("DELETE FROM subscriber WHERE email = %s RETURNING email", ADDRESSES[0]), ADDRESSES[:1], "DELETE RETURNING")
is_(one("UPDATE subscriber SET phone = %s WHERE email = %s RETURNING phone", None, ADDRESSES[1]), [None], "a NULL parameter")

# Errors.
with con.transaction():
    def nested():
        """A savepoint round a bad address."""
        with con.transaction():
            con.execute(INSERT, (1, None, BAD))
    is_(error_of(psycopg.Error, nested), "22P02", "a bad address")
    is_(one("SELECT ref FROM subscriber WHERE email = %s", ADDRESSES[0]), [1], "a savepoint outlives it")
is_(error_of(psycopg.errors.UniqueViolation, con.execute, INSERT, (1, None, ADDRESSES[0])), "23505", "a duplicate")
is_(error_of(psycopg.Error, con.execute, "SELECT email FROM subscriber"), "LG001", "over the threshold")

# A server-side cursor, and rows one by one.
with con.transaction(), con.cursor("c") as named:
    named.itersize = 7
    named.execute("SELECT email FROM subscriber WHERE ref <= 30 ORDER BY ref")
    is_([row[0] for row in named], ADDRESSES[:30], "a named cursor")
is_([row[0] for row in con.cursor().stream("SELECT email FROM subscriber WHERE ref <= 30 ORDER BY ref")],
    ADDRESSES[:30], "stream, in single-row mode")


def stream():
    """Rows that a client takes one by one are held back all the same."""
    for row in con.cursor().stream("SELECT email FROM subscriber"):
        taken.append(row)


taken = []
is_((error_of(psycopg.Error, stream), taken), ("LG001", []), "stream over the threshold gives no row")
got = [one("SELECT email FROM subscriber WHERE ref BETWEEN %s AND %s ORDER BY ref", n, n + 19) for n in (1, 21, 41)]
is_(sum(got, []), ADDRESSES, "every address comes back byte for byte")

# An export under a ticket that the statement itself carries, in autocommit.
with psycopg.connect("user=postgres", autocommit=True) as admin:
    key = lgctl("keygen", "approver", "--out", "alice.key", "--no-passphrase")
    admin.execute("SELECT listguard.add_approver('alice', 'Alice', %s, now() + interval '1 day')", (key.split()[0],))
    admin.execute("SELECT listguard.grant_access('app', 'subscriber', '{export}', lists => '{1}')")
claims = one("SELECT listguard.request_export('subscriber', '{1}', NULL, 60, 'test')::text")[0]
token = lgctl("ticket", "sign", "--key", "alice.key", "--as", "alice", "--yes", "-", input=claims).split()[-1]
export = f"SELECT /*listguard_ticket='{token}'*/ email FROM subscriber ORDER BY ref"
is_(one(export), ADDRESSES, "a ticket in a comment, in autocommit: all sixty")
is_(error_of(psycopg.Error, con.execute, export), "LG003", "and once only")

# Masks.
con.execute("SET ROLE masked")
is_(one("SELECT email FROM subscriber WHERE ref = 1"), [MASK], "SET ROLE to a masked role")
con.close()
con = psycopg.connect("user=masked", autocommit=True)
seen = [one("SELECT email FROM subscriber WHERE ref <= 30", binary=True), one("SELECT email::text FROM subscriber WHERE ref > 30"),
        one("SELECT name FROM subscriber WHERE ref = 1")]
is_(error_of(psycopg.Error, con.execute, "UPDATE subscriber SET email = %s WHERE ref = 1", (MASK,)), "22P02", "a mask saved back is refused")
is_((len(seen[0]), len(seen[1]), disclosed(seen)), (30, 30, 0), "a masked role gets masks only")
done()
