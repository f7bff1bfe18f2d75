// client.js
//	node-postgres: text protocol, parameters of unspecified type.  Started by run.
'use strict';
const fs = require('fs');
const { isDeepStrictEqual, inspect } = require('util');
const { Client, Pool } = require('pg');

const optional = (name) => { try { return require(name); } catch { return null; } };
const name = process.env.LG_CLIENT;
const addresses = fs.readFileSync(process.env.LG_ADDRESSES, 'utf8').split('\n').slice(0, -1);
const bad = `no-address.${name}.clients.example`;
const mask = `J***@${name[0]}***.example`;
const insert = 'INSERT INTO subscriber (list_id, ref, email) VALUES ($1, $2, $3)';
const first30 = 'SELECT email FROM subscriber WHERE ref <= 30 ORDER BY ref';
let count = 0;
let failed = 0;

function is(got, expected, text) {
	count++;
	if (isDeepStrictEqual(got, expected)) {
		console.log(`ok ${count} - ${text}`);
	} else {
		failed++;
		console.log(`not ok ${count} - ${text}\n#   expected: ${inspect(expected)}\n#   got: ${inspect(got)}`);
	}
}

function skip(text, reason) {
	count++;
	console.log(`ok ${count} - ${text} # SKIP ${reason}`);
}

// The SQLSTATE that a promise ends with, or 'none'.
const errorOf = (promise) => promise.then(() => 'none', (e) => e.code);

// First column of each row.
async function one(db, text, ...values) {
	return (await db.query({ text, values, rowMode: 'array' })).rows.map((row) => row[0]);
}

async function writing(db) {
	const got = [];
	for (let n = 1; n <= 20; n++)
		got.push(...await one(db, insert + ' RETURNING email', 1, n, addresses[n - 1]));
	is(got, addresses.slice(0, 20), 'INSERT RETURNING gives each address back');
	const pool = new Pool({ max: 2 });
	const sent = [];
	for (let n = 21; n <= 40; n++)
		sent.push(one(pool, insert + ' RETURNING email', 1, n, addresses[n - 1]));
	is((await Promise.all(sent)).flat(), addresses.slice(20, 40), 'a pool');
	await pool.end();
	const rows = await one(db, 'INSERT INTO subscriber (list_id, ref, email) SELECT 1, r, e FROM unnest($1::int[], $2::text[]) u(r, e)' +
		' RETURNING email', [...Array(10).keys()].map((i) => i + 41), addresses.slice(40, 50));
	is(rows, addresses.slice(40, 50), 'INSERT of unnest(text[])');
}

async function copying(db) {
	const copy = optional('pg-copy-streams');
	const text = addresses.slice(50).map((a, i) => `1\t${51 + i}\t${a.replaceAll('\\', '\\\\')}\n`).join('');
	if (!copy) {
		skip('COPY in and out', 'pg-copy-streams is not installed');
		for (let n = 51; n <= 60; n++)
			await db.query(insert, [1, n, addresses[n - 1]]);
		return;
	}
	const { pipeline } = require('stream/promises');
	const { Readable } = require('stream');
	await pipeline(Readable.from([text]), db.query(copy.from('COPY subscriber (list_id, ref, email) FROM STDIN')));
	let out = '';
	const query = 'COPY (SELECT list_id, ref, email FROM subscriber WHERE ref > 50 ORDER BY ref) TO STDOUT';
	for await (const chunk of db.query(copy.to(query)))
		out += chunk.toString();
	is(out, text, 'COPY in and out');
}

async function reading(db) {
	const ref = 'SELECT ref FROM subscriber WHERE email ';
	for (const type of ['', '::text', '::varchar'])
		is(await one(db, `${ref}= $1${type}`, addresses[1].toLowerCase()), [2], `found by $1${type}`);
	for (const type of ['', '::text[]'])
		is(await one(db, `${ref}= ANY($1${type}) ORDER BY 1`, addresses.slice(0, 20)), [...Array(20).keys()].map((i) => i + 1), `= ANY($1${type})`);
	is(await one(db, 'SELECT ref FROM subscriber WHERE lower(email) = lower($1)', addresses[1].toUpperCase()), [2], 'lower(email) = lower($1)');
	is(await one(db, ref + 'IN ($1, $2) ORDER BY 1', ...addresses.slice(0, 2)), [1, 2], 'IN');
	const got = [];
	for (let n = 0; n < 12; n++)
		got.push((await db.query({ name: 'by_email', text: 'SELECT ref, email, phone FROM subscriber WHERE email = $1', values: [addresses[n]] })).rows[0]);
	is(got, addresses.slice(0, 12).map((email, n) => ({ ref: n + 1, email, phone: null })), 'a named statement twelve times over; NULL is null');
	const { rows, fields } = await db.query({ text: 'SELECT email FROM subscriber WHERE ref = $1', values: [1], binary: true });
	is(rows[0].email.toString(), addresses[0], 'a binary result: the bytes of the text');
	is(await one(db, 'SELECT typname FROM pg_type WHERE oid = $1', fields[0].dataTypeID), ['sealed_email'], "the column's type");
}

async function changing(db) {
	const first = addresses[0];
	const nothing = await db.query('INSERT INTO subscriber (list_id, email) VALUES (1, $1) ON CONFLICT DO NOTHING', [first.toUpperCase()]);
	is(nothing.rowCount, 0, 'ON CONFLICT DO NOTHING');
	const phone = `+49-555-${name}`;
	is(await one(db, 'INSERT INTO subscriber (list_id, email, phone) VALUES (1, $1, $2) ON CONFLICT (list_id, email)' +
		' DO UPDATE SET phone = excluded.phone RETURNING phone', first, phone), [phone], 'ON CONFLICT DO UPDATE RETURNING');
	is(await one(db, 'UPDATE subscriber SET name = $1 WHERE email = $2 RETURNING name', `secret-name-${name}`, first), [`secret-name-${name}`], 'UPDATE RETURNING');
	is(await one(db, 'UPDATE subscriber SET phone = $1 WHERE email = $2 RETURNING phone', null, addresses[1]), [null], 'a NULL parameter');
	await db.query('BEGIN');
	is(await one(db, 'DELETE FROM subscriber WHERE email = $1 RETURNING email', first), [first], 'DELETE RETURNING');
	await db.query('ROLLBACK');
}

async function errors(db) {
	await db.query('BEGIN');
	await db.query('SAVEPOINT a');
	is(await errorOf(db.query(insert, [1, null, bad])), '22P02', 'a bad address');
	await db.query('ROLLBACK TO a');
	is(await one(db, 'SELECT ref FROM subscriber WHERE email = $1', addresses[0]), [1], 'a savepoint outlives it');
	await db.query('COMMIT');
	is(await errorOf(db.query(insert, [1, null, addresses[0]])), '23505', 'a duplicate');
	is(await errorOf(db.query('SELECT email FROM subscriber')), 'LG001', 'over the threshold');
	const Cursor = optional('pg-cursor');
	if (!Cursor) {
		skip('a cursor', 'pg-cursor is not installed');
		return;
	}
	const cursor = db.query(new Cursor(first30));
	const got = [];
	for (let rows; (rows = await cursor.read(7)).length;)
		got.push(...rows.map((row) => row.email));
	await cursor.close();
	is(got, addresses.slice(0, 30), 'a cursor');
	const all = db.query(new Cursor('SELECT email FROM subscriber'));
	const parts = [];
	const read = async () => { for (let rows; (rows = await all.read(15)).length;) parts.push(rows.length); };
	is([await errorOf(read()), parts], ['LG001', [15, 15]], 'a cursor stops at the threshold');
}

async function masked() {
	const pool = new Pool({ user: 'masked', max: 2 });
	const seen = [await one(pool, first30), await one(pool, 'SELECT email::text FROM subscriber WHERE ref > 30'),
		await one(pool, 'SELECT name FROM subscriber WHERE ref = 1')];
	is(await errorOf(pool.query('UPDATE subscriber SET email = $1 WHERE ref = 1', [seen[0][0]])), '22P02', 'a mask saved back is refused');
	const text = seen.flat().join('\n').toLowerCase();
	is([seen[0].length, seen[1].length, addresses.filter((a) => text.includes(a.toLowerCase())).length], [30, 30, 0], 'a masked role gets masks only');
	await pool.end();
}

async function main() {
	const db = new Client();
	await db.connect();
	await writing(db);
	await copying(db);
	await reading(db);
	await changing(db);
	await errors(db);
	const got = [];
	for (const n of [1, 21, 41])
		got.push(...await one(db, 'SELECT email FROM subscriber WHERE ref BETWEEN $1 AND $2 ORDER BY ref', n, n + 19));
	is(got, addresses, 'every address comes back byte for byte');
	await db.query('SET ROLE masked');
	is(await one(db, 'SELECT email FROM subscriber WHERE ref = 1'), [mask], 'SET ROLE to a masked role');
	await db.end();
	await masked();
	console.log(`1..${count}`);
	process.exitCode = failed ? 1 : 0;
}

main().catch((e) => { console.error(e); process.exitCode = 2; });
