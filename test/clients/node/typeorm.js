// typeorm.js
//	TypeORM: entities over the sealed types, schema compared with the database
//	(schema:log), repositories.  Started by run.
'use strict';
require('reflect-metadata');
const fs = require('fs');
const { isDeepStrictEqual, inspect } = require('util');
const { DataSource, EntitySchema, In, IsNull, Like } = require('typeorm');

const name = process.env.LG_CLIENT;
const addresses = fs.readFileSync(process.env.LG_ADDRESSES, 'utf8').split('\n').slice(0, -1);
const bad = `no-address.${name}.clients.example`;
const mask = `J***@${name[0]}***.example`;
const sealed = ['listguard.sealed_email', 'listguard.sealed_lookup', 'listguard.sealed_text'];
let count = 0;
let failed = 0;

const Subscriber = new EntitySchema({
	name: 'Subscriber',
	tableName: 'subscriber',
	columns: {
		id: { type: 'bigint', primary: true, primaryKeyConstraintName: 'subscriber_pkey', generated: 'identity', generatedIdentity: 'BY DEFAULT' },
		list_id: { type: 'int' },
		ref: { type: 'int', nullable: true },
		email: { type: 'listguard.sealed_email' },
		phone: { type: 'listguard.sealed_lookup', nullable: true },
		name: { type: 'listguard.sealed_text', nullable: true },
	},
	uniques: [{ name: 'subscriber_list_id_email_key', columns: ['list_id', 'email'] }],
});
const Person = new EntitySchema({
	name: 'Person',
	tableName: 'person',
	columns: {
		email: { type: 'listguard.sealed_email', primary: true, primaryKeyConstraintName: 'person_pkey' },
		ref: { type: 'int', nullable: true },
	},
});

function is(got, expected, text) {
	count++;
	if (isDeepStrictEqual(got, expected)) {
		console.log(`ok ${count} - ${text}`);
	} else {
		failed++;
		console.log(`not ok ${count} - ${text}\n#   expected: ${inspect(expected)}\n#   got: ${inspect(got)}`);
	}
}

const errorOf = (promise) => promise.then(() => 'none', (e) => e.code);

async function open(username) {
	const db = new DataSource({ type: 'postgres', host: process.env.PGHOST, port: Number(process.env.PGPORT),
		database: process.env.PGDATABASE, username, password: process.env.PGPASSWORD,
		entities: [Subscriber, Person], installExtensions: false });
	// The driver takes no type that it does not know; this is how it learns one.
	db.driver.supportedDataTypes.push(...sealed);
	await db.initialize();
	return db;
}

async function writing(repo) {
	for (let n = 1; n <= 20; n++)
		await repo.save({ list_id: 1, ref: n, email: addresses[n - 1] });
	await repo.save(addresses.slice(20, 40).map((email, i) => ({ list_id: 1, ref: i + 21, email })));
	await repo.insert(addresses.slice(40).map((email, i) => ({ list_id: 1, ref: i + 41, email })));
	await repo.upsert({ list_id: 1, ref: 1, email: addresses[0], phone: `+49-555-${name}`, name: `secret-name-${name}` }, ['list_id', 'email']);
	await repo.createQueryBuilder().insert().values({ list_id: 1, email: addresses[0].toUpperCase() }).orIgnore().execute();
	is(await repo.count(), 60, 'save, insert, upsert, orIgnore');
}

async function reading(repo) {
	is((await repo.findOneBy({ email: addresses[1].toLowerCase() })).ref, 2, 'findOneBy');
	const found = await repo.find({ where: { email: In(addresses.slice(0, 20)) }, order: { ref: 'ASC' } });
	is(found.map((row) => row.email), addresses.slice(0, 20), 'In()');
	is(await repo.countBy({ phone: IsNull() }), 59, 'IsNull()');
	is(await errorOf(repo.findBy({ email: Like('jo%') })), '42883', 'Like() is an error');
	const [rows, total] = await repo.findAndCount({ order: { ref: 'ASC' }, skip: 15, take: 15 });
	is([rows.map((row) => row.email), total], [addresses.slice(15, 30), 60], 'findAndCount, a page');
	const row = await repo.findOneBy({ ref: 1 });
	row.ref = 1;
	await repo.save(row);
	is([row.email, row.phone], [addresses[0], `+49-555-${name}`], 'save of what was read');
	is(await errorOf(repo.find()), 'LG001', 'over the threshold');
	is(await errorOf(repo.save({ list_id: 1, email: bad })), '22P02', 'a bad address');
	is(await errorOf(repo.save({ list_id: 1, email: addresses[0] })), '23505', 'a duplicate');
}

async function main() {
	const owner = await open('owner');
	const { upQueries } = await owner.driver.createSchemaBuilder().log();
	is(upQueries.map((q) => q.query), [], 'schema:log finds nothing to change');
	await owner.destroy();
	const db = await open('app');
	const repo = db.getRepository('Subscriber');
	await writing(repo);
	await reading(repo);
	await db.getRepository('Person').save({ email: addresses[0], ref: 1 });
	is((await db.getRepository('Person').findOneBy({ email: addresses[0].toLowerCase() })).email, addresses[0], 'a sealed primary key');
	const got = [];
	for (const skip of [0, 20, 40])
		got.push(...(await repo.find({ order: { ref: 'ASC' }, skip, take: 20 })).map((row) => row.email));
	is(got, addresses, 'every address comes back byte for byte');
	await db.destroy();

	const masked = await open('masked');
	const theirs = masked.getRepository('Subscriber');
	const row = await theirs.findOneBy({ ref: 1 });
	is([row.email, row.phone, row.name], [mask, '***', '***'], 'a masked role gets masks');
	row.ref = 1001;
	await theirs.save(row);
	row.ref = 1;
	await theirs.save(row);
	is(await theirs.countBy({ ref: 1 }), 1, 'save writes what has changed alone');
	is(await errorOf(theirs.update({ ref: 1 }, { email: mask })), '22P02', 'a mask saved back is refused');
	const seen = inspect([await theirs.find({ take: 30, order: { ref: 'ASC' } }), await theirs.find({ skip: 30, take: 30, order: { ref: 'ASC' } })],
		{ depth: 4, maxArrayLength: null }).toLowerCase();
	is(addresses.filter((a) => seen.includes(a.toLowerCase())).length, 0, 'a masked role gets masks only');
	await masked.destroy();
	console.log(`1..${count}`);
	process.exitCode = failed ? 1 : 0;
}

main().catch((e) => { console.error(e); process.exitCode = 2; });
