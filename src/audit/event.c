/*-------------------------------------------------------------------------
 *
 * event.c
 *		Events go on record: outside the transaction, into the spool.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "audit/audit.h"
#include "audit/record.h"
#include "audit/spool.h"
#include "worker/worker.h"

struct LgOpenRead
{
	pg_uuid_t	id;
	Oid			dboid;
};

void
lg_event_init(LgEvent *ev, LgEventKind kind, LgOutcome outcome)
{
	memset(ev, 0, sizeof(*ev));
	ev->kind = kind;
	ev->outcome = outcome;
	ev->rows = ev->reveals = -1;
}

/*
 * Random bytes are drawn for many ids at a time: one call costs most of a
 * microsecond, and every read has an event.  Ids are public, so nothing is lost by having them
 * ready; the process number keeps a fork from using its parent's.
 */
static void
make_id(pg_uuid_t *id)
{
	static uint8 pool[64][UUID_LEN];
	static int	left = 0;
	static int	owner = 0;

	if (left == 0 || owner != MyProcPid)
	{
		left = 0;
		if (!pg_strong_random(pool, sizeof(pool)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate random values")));
		left = lengthof(pool);
		owner = MyProcPid;
	}
	memcpy(id->data, pool[--left], UUID_LEN);
	id->data[6] = (id->data[6] & 0x0f) | 0x40;
	id->data[8] = (id->data[8] & 0x3f) | 0x80;
}

/*
 * Encodes in a context of its own, kept and emptied: nothing is left behind but
 * the record.  What an error has left is emptied by the next event.
 */
static void
write_event(const LgEvent *ev, LgRecordKind kind, LgSync sync, pg_uuid_t *id)
{
	static MemoryContext mine = NULL;
	MemoryContext old = CurrentMemoryContext;
	TimestampTz at = GetCurrentTimestamp();
	LgIdentity	who;
	LgAuditRow	row;
	StringInfoData bytes;

	lg_require_preload();
	if (mine == NULL)
		mine = AllocSetContextCreate(TopMemoryContext, "listguard event", ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(mine);
	MemoryContextSwitchTo(mine);
	make_id(id);
	lg_identity_take(&who);
	lg_row_from_event(&row, ev, &who, id, at);
	initStringInfo(&bytes);
	lg_record_encode(&bytes, &row);
	(void) lg_spool_append(bytes.data, bytes.len, MyDatabaseId, kind, sync, at);
	MemoryContextSwitchTo(old);
	MemoryContextReset(mine);
	lg_worker_wake();
}

void
lg_audit_event(const LgEvent *ev, LgSync sync, pg_uuid_t *id)
{
	pg_uuid_t	own;

	write_event(ev, LG_REC_EVENT, sync, id ? id : &own);
}

/*
 * The caller raises its own error next: a spool that fails here only takes the
 * event's id away.
 */
void
lg_audit_refusal(const LgEvent *ev, pg_uuid_t *id)
{
	MemoryContext old = CurrentMemoryContext;
	pg_uuid_t	own;

	PG_TRY();
	{
		write_event(ev, LG_REC_EVENT, LG_SYNCED, id ? id : &own);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(old);
		error = CopyErrorData();
		FlushErrorState();
		ereport(LOG,
				(errmsg("a refusal is not on record: %s", error->message)));
		FreeErrorData(error);
		if (id)
			memset(id, 0, sizeof(*id));
	}
	PG_END_TRY();
}

/* The begin record, with the room for its end kept; the room is free again after an error. */
static void
write_begin(const LgEvent *ev, LgSync sync, pg_uuid_t *id)
{
	lg_spool_reserve(LG_END_BYTES);
	PG_TRY();
	{
		write_event(ev, LG_REC_BEGIN, sync, id);
	}
	PG_CATCH();
	{
		lg_spool_unreserve(LG_END_BYTES);
		PG_RE_THROW();
	}
	PG_END_TRY();
}

LgOpenRead *
lg_audit_begin(const LgEvent *ev, LgSync sync, pg_uuid_t *id)
{
	LgOpenRead *open = MemoryContextAlloc(TopMemoryContext, sizeof(LgOpenRead));

	PG_TRY();
	{
		write_begin(ev, sync, &open->id);
	}
	PG_CATCH();
	{
		pfree(open);
		PG_RE_THROW();
	}
	PG_END_TRY();
	open->dboid = MyDatabaseId;
	if (id)
		*id = open->id;
	return open;
}

/* Runs in abort, in memory context callbacks, at exit: allocates nothing, raises nothing. */
void
lg_audit_end(LgOpenRead *open, LgOutcome outcome, int64 rows, int64 reveals)
{
	LgAuditEnd	end;
	uint8		bytes[LG_END_BYTES];

	end.id = open->id;
	end.outcome = outcome;
	end.rows = rows;
	end.reveals = reveals;
	lg_record_encode_end(bytes, &end);
	if (lg_spool_try_append(bytes, LG_END_BYTES, open->dboid, LG_REC_END, LG_WRITTEN,
							GetCurrentTimestamp(), true) == 0)
	{
		lg_spool_unreserve(LG_END_BYTES);
		ereport(LOG, (errmsg("the end of a read is not on record: %m")));
	}
	pfree(open);
	lg_worker_wake();
}

bool
lg_audit_ready(void)
{
	return lg_spool_usable();
}

/* Nothing to do: a backend opens its segment when it first writes. */
void
lg_audit_init_backend(void)
{
}

/* ---- SQL ---- */

static LgEventKind
kind_by_name(const char *name)
{
	int			kind;

	for (kind = LG_EV_READ; kind <= LG_EV_ALARM; kind++)
	{
		if (strcmp(lg_event_kind_name(kind), name) == 0)
			return kind;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown kind of event: \"%s\"", name)));
}

/*
 * _event(kind text, relation text, detail jsonb) returns uuid: for listguard's
 * own SQL functions; synced, outside the transaction.
 */
PG_FUNCTION_INFO_V1(listguard_event);
Datum
listguard_event(PG_FUNCTION_ARGS)
{
	pg_uuid_t  *id = palloc(sizeof(pg_uuid_t));
	LgEvent		ev;

	lg_require_preload();
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("an event needs a kind")));
	lg_event_init(&ev, kind_by_name(text_to_cstring(PG_GETARG_TEXT_PP(0))), LG_OUT_OK);
	if (!PG_ARGISNULL(1))
		ev.relation = text_to_cstring(PG_GETARG_TEXT_PP(1));
	if (!PG_ARGISNULL(2))
	{
		Jsonb	   *detail = PG_GETARG_JSONB_P(2);

		ev.detail = JsonbToCString(NULL, &detail->root, VARSIZE(detail));
	}
	lg_audit_event(&ev, LG_SYNCED, id);
	PG_RETURN_UUID_P(id);
}
