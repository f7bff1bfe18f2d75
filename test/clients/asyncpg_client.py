"""asyncpg: prepared statements throughout, binary wherever a codec is known."""
import asyncio
import io

import asyncpg
from lgclient import ADDRESSES, BAD, MASK, NAME, PHONE, disclosed, done, is_

INSERT = "INSERT INTO subscriber (list_id, ref, email) VALUES ($1, $2, $3)"
COLUMNS = ["list_id", "ref", "email"]


async def error_of(call):
    """The SQLSTATE that a coroutine ends with, or 'none'."""
    try:
        await call
    except asyncpg.PostgresError as e:
        return e.sqlstate
    return "none"


async def writing(con):
    """One by one, executemany, fetch of several, COPY."""
    got = [await con.fetchval(INSERT + " RETURNING email", 1, n, ADDRESSES[n - 1]) for n in range(1, 21)]
    is_(got, ADDRESSES[:20], "INSERT RETURNING gives each address back")
    await con.executemany(INSERT, [(1, n, ADDRESSES[n - 1]) for n in range(21, 31)])
    rows = await con.fetch("INSERT INTO subscriber (list_id, ref, email)"
                           " SELECT 1, r, e FROM unnest($1::int[], $2::text[]) u(r, e) RETURNING email",
                           list(range(31, 41)), ADDRESSES[30:40])
    is_([r["email"] for r in rows], ADDRESSES[30:40], "INSERT of unnest(text[])")
    text = "".join(f"1\t{n}\t" + ADDRESSES[n - 1].replace("\\", "\\\\") + "\n" for n in range(41, 51)).encode()
    await con.copy_to_table("subscriber", source=io.BytesIO(text), columns=COLUMNS)
    out = io.BytesIO()
    await con.copy_from_query("SELECT list_id, ref, email FROM subscriber WHERE ref > $1 ORDER BY ref", 40, output=out)
    is_(out.getvalue(), text, "COPY in and out, text")


async def codec(con):
    """What binary COPY needs to be told, as asyncpg knows no sealed type."""
    records = [(1, n, ADDRESSES[n - 1]) for n in range(51, 61)]
    try:
        await con.copy_records_to_table("subscriber", records=records, columns=COLUMNS)
        is_("copied", "refused", "binary COPY without a codec is refused by the client")
    except asyncpg.InternalClientError:
        is_(True, True, "binary COPY without a codec is refused by the client")
    for name in "sealed_email", "sealed_lookup", "sealed_text":
        await con.set_type_codec(name, schema="listguard", encoder=str.encode, decoder=bytes.decode, format="binary")
    await con.copy_records_to_table("subscriber", records=records, columns=COLUMNS)
    is_(await con.fetchval("SELECT count(*) FROM subscriber"), 60, "with one, copy_records_to_table")


async def reading(con, how):
    """Parameters of every kind, lists, NULLs, the type's name."""
    ref = "SELECT ref FROM subscriber WHERE email "
    for name in "", "::text", "::varchar":
        is_(await con.fetchval(ref + "= $1" + name, ADDRESSES[1].lower()), 2, f"found by $1{name}, {how}")
    for name in "", "::text[]":
        rows = await con.fetch(ref + f"= ANY($1{name}) ORDER BY 1", ADDRESSES[:3])
        is_([r[0] for r in rows], [1, 2, 3], f"= ANY($1{name}), {how}")
    rows = await con.fetch(ref + "IN ($1, $2) ORDER BY 1", *ADDRESSES[:2])
    is_([r[0] for r in rows], [1, 2], f"IN, {how}")
    statement = await con.prepare("SELECT ref, email, phone, name FROM subscriber WHERE email = $1")
    got = [tuple(await statement.fetchrow(ADDRESSES[n])) for n in range(12)]
    is_(got, [(n + 1, ADDRESSES[n], None, None) for n in range(12)], f"a prepared statement twelve times over, {how}")
    is_([(a.type.schema, a.type.name) for a in statement.get_attributes()][1], ("listguard", "sealed_email"),
        f"the column's type, {how}")


async def changing(con):
    """ON CONFLICT, RETURNING, NULLs."""
    status = await con.execute("INSERT INTO subscriber (list_id, email) VALUES (1, $1) ON CONFLICT DO NOTHING", ADDRESSES[0].upper())
    is_(status, "INSERT 0 0", "ON CONFLICT DO NOTHING")
    got = await con.fetchval("INSERT INTO subscriber (list_id, email, phone) VALUES (1, $1, $2) ON CONFLICT (list_id, email)"
                             " DO UPDATE SET phone = excluded.phone RETURNING phone", ADDRESSES[0], PHONE)
    is_(got, PHONE, "ON CONFLICT DO UPDATE RETURNING")
    got = await con.fetchval("UPDATE subscriber SET name = $1 WHERE email = $2 RETURNING name", NAME, ADDRESSES[0])
    is_(got, NAME, "UPDATE RETURNING")
    is_(await con.fetchval("UPDATE subscriber SET phone = $1 WHERE ref = 2 RETURNING phone", None), None, "a NULL parameter")
    transaction = con.transaction()
    await transaction.start()
    got = await con.fetchval("DELETE FROM subscriber WHERE email = $1 RETURNING email", ADDRESSES[0])
    await transaction.rollback()
    is_(got, ADDRESSES[0], "DELETE RETURNING")


async def errors(con):
    """SQLSTATEs, a savepoint, cursors."""
    async with con.transaction():
        async def nested():
            async with con.transaction():
                await con.execute(INSERT, 1, None, BAD)
        is_(await error_of(nested()), "22P02", "a bad address")
        is_(await con.fetchval("SELECT ref FROM subscriber WHERE email = $1", ADDRESSES[0]), 1, "a savepoint outlives it")
    is_(await error_of(con.execute(INSERT, 1, None, ADDRESSES[0])), "23505", "a duplicate")
    is_(await error_of(con.fetch("SELECT email FROM subscriber")), "LG001", "over the threshold")
    async with con.transaction():
        got = [r[0] async for r in con.cursor("SELECT email FROM subscriber WHERE ref <= 30 ORDER BY ref", prefetch=7)]
    is_(got, ADDRESSES[:30], "a cursor")

    async def cursor():
        async with con.transaction():
            async for row in con.cursor("SELECT email FROM subscriber", prefetch=15):
                taken.append(row)
    taken = []
    is_((await error_of(cursor()), len(taken)), ("LG001", 30), "a cursor stops at the threshold")


async def masked():
    """A role without reveal."""
    con = await asyncpg.connect(user="masked")
    seen = [[r[0] for r in await con.fetch("SELECT email FROM subscriber WHERE ref <= 30")],
            [r[0] for r in await con.fetch("SELECT email::text FROM subscriber WHERE ref > 30")],
            await con.fetchval("SELECT name FROM subscriber WHERE ref = 1")]
    is_(await error_of(con.execute("UPDATE subscriber SET email = $1 WHERE ref = 1", MASK)), "22P02", "a mask saved back is refused")
    is_((len(seen[0]), len(seen[1]), disclosed(seen)), (30, 30, 0), "a masked role gets masks only")
    await con.close()


async def main():
    con = await asyncpg.connect()
    await writing(con)
    await reading(con, "without a codec")
    await codec(con)
    await reading(con, "with a binary codec")
    await changing(con)
    await errors(con)
    got = [await con.fetch("SELECT email FROM subscriber WHERE ref BETWEEN $1 AND $2 ORDER BY ref", n, n + 19) for n in (1, 21, 41)]
    is_([r[0] for rows in got for r in rows], ADDRESSES, "every address comes back byte for byte")
    await con.execute("SET ROLE masked")
    is_(await con.fetchval("SELECT email FROM subscriber WHERE ref = 1"), MASK, "SET ROLE to a masked role")
    await con.close()
    await masked()

asyncio.run(main())
done()
