"""psycopg2: text protocol, parameters put into the statement by the client."""
import io

import psycopg2
import psycopg2.errors
import psycopg2.extras
from lgclient import ADDRESSES, BAD, MASK, NAME, PHONE, disclosed, done, error_of, is_

INSERT = "INSERT INTO subscriber (list_id, ref, email) VALUES (%s, %s, %s)"

con = psycopg2.connect("")
cur = con.cursor()


def one(sql, *params):
    """First column of each row."""
    cur.execute(sql, params)
    return [row[0] for row in cur.fetchall()]


# Writing: one by one, executemany, execute_values, execute_batch, COPY.
got = []
for n in range(1, 21):
    cur.execute(INSERT + " RETURNING email", (1, n, ADDRESSES[n - 1]))
    got.append(cur.fetchone()[0])
is_(got, ADDRESSES[:20], "INSERT RETURNING gives each address back")
con.commit()
cur.executemany(INSERT, [(1, n, ADDRESSES[n - 1]) for n in range(21, 31)])
rows = psycopg2.extras.execute_values(
    cur, "INSERT INTO subscriber (list_id, ref, email) VALUES %s RETURNING email",
    [(1, n, ADDRESSES[n - 1]) for n in range(31, 41)], fetch=True)
is_([r[0] for r in rows], ADDRESSES[30:40], "execute_values, with RETURNING")
psycopg2.extras.execute_batch(cur, INSERT, [(1, n, ADDRESSES[n - 1]) for n in range(41, 51)])
text = "".join(f"1\t{n}\t" + ADDRESSES[n - 1].replace("\\", "\\\\") + "\n" for n in range(51, 61))
cur.copy_expert("COPY subscriber (list_id, ref, email) FROM STDIN", io.StringIO(text))
con.commit()
is_(one("SELECT count(*) FROM subscriber"), [60], "executemany, execute_batch and copy_expert")
out = io.StringIO()
cur.copy_expert("COPY (SELECT list_id, ref, email FROM subscriber WHERE ref > 50 ORDER BY ref) TO STDOUT", out)
is_(out.getvalue(), text, "COPY out")

# Reading.
is_(one("SELECT ref FROM subscriber WHERE email = %s", ADDRESSES[1].lower()), [2], "found in another case")
is_(one("SELECT ref FROM subscriber WHERE email = %s::text", ADDRESSES[1]), [2], "found by a text")
is_(one("SELECT ref FROM subscriber WHERE email = %s::varchar", ADDRESSES[1]), [2], "found by a varchar")
is_(one("SELECT ref FROM subscriber WHERE email = ANY(%s) ORDER BY 1", ADDRESSES[:3]), [1, 2, 3], "= ANY of a list")
is_(one("SELECT ref FROM subscriber WHERE email = ANY(%s::text[]) ORDER BY 1", ADDRESSES[:3]), [1, 2, 3], "= ANY of a text[]")
is_(one("SELECT ref FROM subscriber WHERE email IN %s ORDER BY 1", tuple(ADDRESSES[:3])), [1, 2, 3], "IN a tuple")
cur.execute("PREPARE by_text(text) AS SELECT ref FROM subscriber WHERE email = $1")
got = [one("EXECUTE by_text(%s)", ADDRESSES[n])[0] for n in range(12)]
is_(got, list(range(1, 13)), "a prepared statement twelve times over")
cur.execute("SELECT email, phone, name FROM subscriber WHERE ref = 1")
is_(cur.fetchone(), (ADDRESSES[0], None, None), "NULLs are None, an address is str")
is_([one("SELECT typname FROM pg_type WHERE oid = %s", c.type_code) for c in cur.description],
    [["sealed_email"], ["sealed_lookup"], ["sealed_text"]], "the columns' type codes are the sealed types'")
con.commit()

# Changes.
cur.execute("INSERT INTO subscriber (list_id, email) VALUES (1, %s) ON CONFLICT DO NOTHING", (ADDRESSES[0].upper(),))
is_(cur.rowcount, 0, "ON CONFLICT DO NOTHING")
cur.execute("INSERT INTO subscriber (list_id, email, phone) VALUES (1, %s, %s) ON CONFLICT (list_id, email)"
            " DO UPDATE SET phone = excluded.phone RETURNING ref, phone", (ADDRESSES[0], PHONE))
is_(cur.fetchone(), (1, PHONE), "ON CONFLICT DO UPDATE RETURNING")
cur.execute("UPDATE subscriber SET name = %s WHERE email = %s RETURNING name", (NAME, ADDRESSES[0]))
is_(cur.fetchone(), (NAME,), "UPDATE RETURNING")
con.commit()
is_(one("DELETE FROM subscriber WHERE email = %s RETURNING email", ADDRESSES[0]), ADDRESSES[:1], "DELETE RETURNING")
con.rollback()
is_(one("SELECT ref FROM subscriber WHERE email = %s", ADDRESSES[0]), [1], "and it comes back with ROLLBACK")

# Errors.
cur.execute("SAVEPOINT a")
is_(error_of(psycopg2.Error, cur.execute, INSERT, (1, None, BAD)), "22P02", "a bad address")
cur.execute("ROLLBACK TO a")
is_(one("SELECT ref FROM subscriber WHERE email = %s", ADDRESSES[0]), [1], "a savepoint outlives it")
con.commit()
is_(error_of(psycopg2.errors.UniqueViolation, cur.execute, INSERT, (1, None, ADDRESSES[0])), "23505", "a duplicate")
con.rollback()
is_(error_of(psycopg2.Error, cur.execute, "SELECT email FROM subscriber"), "LG001", "over the threshold")
con.rollback()

# A server-side cursor.
named = con.cursor("c")
named.itersize = 7
named.execute("SELECT email FROM subscriber WHERE ref <= 30 ORDER BY ref")
is_([row[0] for row in named], ADDRESSES[:30], "a named cursor")
named.close()
named = con.cursor("d")
named.itersize = 7
named.execute("SELECT email FROM subscriber")
is_(error_of(psycopg2.Error, named.fetchall), "LG001", "a named cursor over the threshold")
con.rollback()

got = [one("SELECT email FROM subscriber WHERE ref BETWEEN %s AND %s ORDER BY ref", n, n + 19) for n in (1, 21, 41)]
is_(sum(got, []), ADDRESSES, "every address comes back byte for byte")

# Masks.
cur.execute("SET ROLE masked")
is_(one("SELECT email FROM subscriber WHERE ref = 1"), [MASK], "SET ROLE to a masked role")
con.rollback()
con.close()
con = psycopg2.connect("user=masked")
cur = con.cursor()
seen = [one("SELECT email FROM subscriber WHERE ref <= 30"), one("SELECT email::text FROM subscriber WHERE ref > 30"),
        one("SELECT name FROM subscriber WHERE ref = 1")]
con.commit()
is_(error_of(psycopg2.Error, cur.execute, "UPDATE subscriber SET email = %s WHERE ref = 1", (seen[0][0],)),
    "22P02", "a mask saved back is refused")
con.rollback()
is_((len(seen[0]), len(seen[1]), disclosed(seen)), (30, 30, 0), "a masked role gets masks only")
done()
