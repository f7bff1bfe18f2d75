/*-------------------------------------------------------------------------
 *
 * record.c
 *		The payload of spool records: events as bytes and back.
 *
 * docs/formats.md describes the layout: version, kind, outcome, flags, the
 * event's id, numbers of fixed width, list numbers, then strings with their
 * lengths.  Host byte order.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <sodium.h>

#include "access/xact.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "parser/parser.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"

#include "audit/record.h"
#include "common/shape.h"
#include "guc.h"
#include "policy/registry.h"

#define PAYLOAD_VERSION	1
#define NULL_STRING		PG_UINT32_MAX
#define STRING_MAX		65536	/* bytes; longer ones are cut */
#define FLAG_TICKET		0x01

static const char *const kind_names[] = {
	NULL, "read", "insert", "update", "delete", "truncate", "ticket", "export", "approver",
	"key", "grant", "limit", "setting", "ddl", "session", "seal", "alarm"
};
static const char *const outcome_names[] = {
	NULL, "ok", "refused", "aborted", "unknown", "alert"
};

const char *
lg_event_kind_name(LgEventKind kind)
{
	return (unsigned int) kind < lengthof(kind_names) ? kind_names[kind] : NULL;
}

const char *
lg_outcome_name(LgOutcome outcome)
{
	return (unsigned int) outcome < lengthof(outcome_names) ? outcome_names[outcome] : NULL;
}

/* ---- who ---- */

/* The name that a role had when the registry's generation was what it is now. */
typedef struct RoleName
{
	uint64		generation;
	Oid			roleid;
	char		name[NAMEDATALEN];
} RoleName;

/*
 * Name of a role, where the catalogs may be read; else "oid NNN".  The last one
 * is kept: a change of any role raises the generation.
 */
static const char *
role_name(Oid roleid, RoleName *last)
{
	uint64		generation = lg_registry_generation;
	const char *name;

	if (!IsTransactionState())
		return psprintf("oid %u", roleid);
	if (last->generation == generation && last->roleid == roleid)
		return last->name;
	name = GetUserNameFromId(roleid, true);
	if (name == NULL)
		return psprintf("oid %u", roleid);
	/* Without the extension nothing would tell us of a change. */
	if (lg_extension_present() && generation == lg_registry_generation)
	{
		last->generation = generation;
		last->roleid = roleid;
		strlcpy(last->name, name, NAMEDATALEN);
	}
	return name;
}

/* Asked of the SQL function, once: the port's own header needs more than a server's headers. */
static const char *
client_address(void)
{
	static bool known = false;
	static char address[80];
	Datum		addr;

	if (!known)
	{
		LOCAL_FCINFO(fcinfo, 0);

		InitFunctionCallInfoData(*fcinfo, NULL, 0, InvalidOid, NULL, NULL);
		addr = inet_client_addr(fcinfo);
		if (!fcinfo->isnull)
			strlcpy(address, TextDatumGetCString(DirectFunctionCall1(network_host, addr)),
					sizeof(address));
		known = true;
	}
	return address[0] ? address : NULL;
}

void
lg_identity_take(LgIdentity *who)
{
	static RoleName login;
	static RoleName effective;

	who->login_role = role_name(GetSessionUserId(), &login);
	who->effective_role = role_name(GetUserId(), &effective);
	who->actor = lg_actor_setting();
	who->application_name = application_name && application_name[0] ? application_name : NULL;
	who->client_addr = client_address();
	who->pid = MyProcPid;
	who->session_start = (int64) MyStartTime;
	who->xid = IsTransactionState() ?
		U64FromFullTransactionId(GetTopFullTransactionIdIfAny()) : 0;
}

#define SHAPES	8				/* remembered; a power of two */

/* A shape made before, known by a hash of its statement. */
typedef struct KnownShape
{
	uint8		hash[crypto_shorthash_siphashx24_BYTES];
	size_t		len;			/* of the statement; 0: none */
	bool		backslashes;
	char		shape[LG_SHAPE_BYTES];
} KnownShape;

/*
 * The statement's constants may be addresses: what is kept is a hash, under a
 * key that nobody knows, so that no statement can be made to look like another.
 */
static void
hash_statement(uint8 hash[crypto_shorthash_siphashx24_BYTES], const char *statement, size_t len)
{
	static uint8 key[crypto_shorthash_siphashx24_KEYBYTES];
	static bool ready = false;

	if (!ready)
	{
		if (!pg_strong_random(key, sizeof(key)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate random values")));
		ready = true;
	}
	(void) crypto_shorthash_siphashx24(hash, (const unsigned char *) statement, len, key);
}

/* The shape, palloc'd. */
static char *
statement_shape(const char *statement)
{
	static KnownShape known[SHAPES];
	KnownShape *it;
	bool		backslashes = !lg_standard_strings();
	uint8		hash[crypto_shorthash_siphashx24_BYTES];
	size_t		len;

	if (statement == NULL)
		return NULL;
	len = strlen(statement);
	hash_statement(hash, statement, len);
	it = &known[hash[0] % SHAPES];
	if (it->len != len || len == 0 || it->backslashes != backslashes ||
		memcmp(it->hash, hash, sizeof(hash)) != 0)
	{
		(void) lg_shape_make(it->shape, LG_SHAPE_BYTES, statement, len, backslashes);
		memcpy(it->hash, hash, sizeof(hash));
		it->len = len;
		it->backslashes = backslashes;
	}
	return pstrdup(it->shape);
}

void
lg_row_from_event(LgAuditRow *row, const LgEvent *ev, const LgIdentity *who,
				  const pg_uuid_t *id, TimestampTz at)
{
	memset(row, 0, sizeof(*row));
	row->id = *id;
	row->at = at;
	row->kind = ev->kind;
	row->outcome = ev->outcome;
	row->n_lists = Min(ev->n_lists, LG_EVENT_LISTS_MAX);
	if (row->n_lists > 0)
		memcpy(row->lists, ev->lists, row->n_lists * sizeof(int32));
	row->rows = ev->rows;
	row->reveals = ev->reveals;
	row->query_id = ev->query_id;
	row->sqlstate = ev->sqlstate;
	row->has_ticket = ev->ticket != NULL;
	if (row->has_ticket)
		memcpy(row->ticket, ev->ticket, 16);
	row->relation = unconstify(char *, ev->relation);
	row->statement = statement_shape(ev->statement);
	row->detail = unconstify(char *, ev->detail);
	row->who = *who;
}

/* ---- to bytes ---- */

#define STRINGS			8
/* Everything but list numbers and strings. */
#define FIXED_BYTES		(4 + 4 + UUID_LEN + 16 + 4 * 8 + 2 * 4 + 8)

static char *
put(char *p, const void *v, size_t len)
{
	memcpy(p, v, len);
	return p + len;
}

static char *
put_i32(char *p, int32 v)
{
	return put(p, &v, sizeof(v));
}

static char *
put_i64(char *p, int64 v)
{
	return put(p, &v, sizeof(v));
}

static size_t
string_length(const char *s)
{
	size_t		len = s ? strlen(s) : 0;

	return len > STRING_MAX ? pg_mbcliplen(s, len, STRING_MAX) : len;
}

static char *
put_fixed(char *p, const LgAuditRow *row)
{
	*p++ = PAYLOAD_VERSION;
	*p++ = (char) row->kind;
	*p++ = (char) row->outcome;
	*p++ = row->has_ticket ? FLAG_TICKET : 0;
	p = put_i32(p, row->n_lists);
	p = put(p, row->id.data, UUID_LEN);
	p = put(p, row->ticket, 16);
	p = put_i64(p, row->rows);
	p = put_i64(p, row->reveals);
	p = put_i64(p, row->query_id);
	p = put_i64(p, (int64) row->who.xid);
	p = put_i32(p, row->sqlstate);
	p = put_i32(p, row->who.pid);
	return put_i64(p, row->who.session_start);
}

/* Room for all of it is made at once: every read has a record. */
void
lg_record_encode(StringInfo out, const LgAuditRow *row)
{
	const char *strings[STRINGS] = {
		row->relation, row->statement, row->detail, row->who.login_role, row->who.effective_role,
		row->who.actor, row->who.application_name, row->who.client_addr
	};
	size_t		lengths[STRINGS];
	int			n_lists = Max(row->n_lists, 0);
	size_t		size = FIXED_BYTES + n_lists * sizeof(int32);
	char	   *p;

	/* JSON that is cut is none. */
	if (row->detail && strlen(row->detail) > STRING_MAX)
		strings[2] = "{\"cut\": true}";
	for (int i = 0; i < STRINGS; i++)
	{
		lengths[i] = string_length(strings[i]);
		size += sizeof(int32) + lengths[i];
	}
	enlargeStringInfo(out, (int) size);
	p = put_fixed(out->data + out->len, row);
	p = put(p, row->lists, n_lists * sizeof(int32));
	for (int i = 0; i < STRINGS; i++)
	{
		p = put_i32(p, strings[i] ? (int32) lengths[i] : (int32) NULL_STRING);
		p = put(p, strings[i] ? strings[i] : "", lengths[i]);
	}
	*p = '\0';
	out->len += (int) size;
	Assert(p == out->data + out->len);
}

void
lg_record_encode_end(uint8 out[LG_END_BYTES], const LgAuditEnd *end)
{
	memset(out, 0, LG_END_BYTES);
	out[0] = PAYLOAD_VERSION;
	out[1] = (uint8) end->outcome;
	memcpy(out + 8, end->id.data, UUID_LEN);
	memcpy(out + 24, &end->rows, 8);
	memcpy(out + 32, &end->reveals, 8);
}

/* ---- from bytes ---- */

typedef struct Source
{
	const uint8 *p;
	const uint8 *end;
	bool		bad;
} Source;

static void
get(Source *in, void *out, size_t len)
{
	if (in->bad || (size_t) (in->end - in->p) < len)
	{
		in->bad = true;
		memset(out, 0, len);
		return;
	}
	memcpy(out, in->p, len);
	in->p += len;
}

static int32
get_i32(Source *in)
{
	int32		v;

	get(in, &v, sizeof(v));
	return v;
}

static int64
get_i64(Source *in)
{
	int64		v;

	get(in, &v, sizeof(v));
	return v;
}

static char *
get_string(Source *in)
{
	uint32		len = (uint32) get_i32(in);
	char	   *s;

	if (in->bad || len == NULL_STRING)
		return NULL;
	if (len > STRING_MAX || (size_t) (in->end - in->p) < len)
	{
		in->bad = true;
		return NULL;
	}
	s = pnstrdup((const char *) in->p, len);
	in->p += len;
	return s;
}

static void
get_lists(Source *in, LgAuditRow *row)
{
	int			i;

	if (row->n_lists < -1 || row->n_lists > LG_EVENT_LISTS_MAX)
		in->bad = true;
	for (i = 0; !in->bad && i < row->n_lists; i++)
		row->lists[i] = get_i32(in);
}

static void
get_numbers(Source *in, LgAuditRow *row)
{
	row->n_lists = get_i32(in);
	get(in, row->id.data, UUID_LEN);
	get(in, row->ticket, 16);
	row->rows = get_i64(in);
	row->reveals = get_i64(in);
	row->query_id = get_i64(in);
	row->who.xid = (uint64) get_i64(in);
	row->sqlstate = get_i32(in);
	row->who.pid = get_i32(in);
	row->who.session_start = get_i64(in);
	get_lists(in, row);
}

bool
lg_record_decode(LgAuditRow *row, const LgSpoolItem *item)
{
	Source		in = {item->payload, item->payload + item->payload_len, false};
	uint8		head[4];

	memset(row, 0, sizeof(*row));
	row->at = item->head.at;
	row->seq = item->head.seq;
	row->has_seq = true;
	get(&in, head, sizeof(head));
	row->kind = head[1];
	row->outcome = head[2];
	row->has_ticket = (head[3] & FLAG_TICKET) != 0;
	get_numbers(&in, row);
	row->relation = get_string(&in);
	row->statement = get_string(&in);
	row->detail = get_string(&in);
	row->who.login_role = get_string(&in);
	row->who.effective_role = get_string(&in);
	row->who.actor = get_string(&in);
	row->who.application_name = get_string(&in);
	row->who.client_addr = get_string(&in);
	return !in.bad && in.p == in.end && head[0] == PAYLOAD_VERSION &&
		lg_event_kind_name(row->kind) != NULL && lg_outcome_name(row->outcome) != NULL;
}

bool
lg_record_decode_end(LgAuditEnd *end, const LgSpoolItem *item)
{
	if (item->payload_len != LG_END_BYTES || item->payload[0] != PAYLOAD_VERSION)
		return false;
	end->outcome = item->payload[1];
	end->seq = item->head.seq;
	memcpy(end->id.data, item->payload + 8, UUID_LEN);
	memcpy(&end->rows, item->payload + 24, 8);
	memcpy(&end->reveals, item->payload + 32, 8);
	return lg_outcome_name(end->outcome) != NULL;
}
