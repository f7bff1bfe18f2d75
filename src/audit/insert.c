/*-------------------------------------------------------------------------
 *
 * insert.c
 *		Rows into listguard.audit: by the worker that drains the spool, and by
 *		the change trigger.
 *
 * By SPI, with the rights of the table's owner and past the guards; the plans
 * are kept for the session.  Nothing here runs on the way of a read.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/procarray.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/inval.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "audit/record.h"
#include "audit/spool.h"
#include "errcodes.h"
#include "worker/worker.h"

#define AUDIT_COLUMNS \
	"id, at, node, seq, kind, outcome, relation, lists, login_role, effective_role, actor, " \
	"application_name, client_addr, pid, session_id, xid, statement, query_id, rows, reveals, " \
	"ticket, sqlstate, detail"
#define N_AUDIT	23
#define N_OPEN	(N_AUDIT + 2)

static const Oid column_types[N_OPEN] = {
	UUIDOID, TIMESTAMPTZOID, UUIDOID, INT8OID, TEXTOID, TEXTOID, TEXTOID, INT4ARRAYOID, TEXTOID,
	TEXTOID, TEXTOID, TEXTOID, TEXTOID, INT4OID, TEXTOID, XID8OID, TEXTOID, INT8OID, INT8OID,
	INT8OID, TEXTOID, TEXTOID, JSONBOID, INT8OID, INT8OID
};

/* Whose rights, and what to put back. */
typedef struct Rights
{
	Oid			userid;
	int			context;
} Rights;

static void
rights_take(Rights *old)
{
	Oid			audit = get_relname_relid("audit", get_namespace_oid(LG_SCHEMA, false));
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(audit));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_LG_AUDIT),
				 errmsg("audit cannot be written: there is no audit table")));
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	GetUserIdAndSecContext(&old->userid, &old->context);
	SetUserIdAndSecContext(owner, old->context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
	lg_internal_enter();
}

static void
rights_back(const Rights *old)
{
	lg_internal_leave();
	SetUserIdAndSecContext(old->userid, old->context);
}

/* Plans live as long as the session; an error leaves all as it was. */
static int
run(SPIPlanPtr *plan, const char *sql, int nargs, const Oid *types, Datum *values, const char *nulls)
{
	Rights		old;
	int			result;

	rights_take(&old);
	if (*plan == NULL)
	{
		SPIPlanPtr	fresh = SPI_prepare(sql, nargs, unconstify(Oid *, types));

		if (fresh == NULL || SPI_keepplan(fresh) != 0)
			elog(ERROR, "could not prepare an audit statement: %s", SPI_result_code_string(SPI_result));
		*plan = fresh;
	}
	result = SPI_execute_plan(*plan, values, nulls, false, 0);
	if (result < 0)
		elog(ERROR, "could not run an audit statement: %s", SPI_result_code_string(result));
	rights_back(&old);
	return (int) SPI_processed;
}

/* ---- a row as parameters ---- */

static void
set_text(Datum *values, char *nulls, int i, const char *text)
{
	nulls[i] = text ? ' ' : 'n';
	values[i] = text ? CStringGetTextDatum(text) : (Datum) 0;
}

static void
set_int8(Datum *values, char *nulls, int i, int64 v, bool is_null)
{
	nulls[i] = is_null ? 'n' : ' ';
	values[i] = Int64GetDatum(v);
}

static void
set_lists(Datum *values, char *nulls, int i, const LgAuditRow *row)
{
	Datum		numbers[LG_EVENT_LISTS_MAX];
	int			n;

	nulls[i] = row->n_lists > 0 ? ' ' : 'n';
	for (n = 0; n < row->n_lists; n++)
		numbers[n] = Int32GetDatum(row->lists[n]);
	if (row->n_lists > 0)
		values[i] = PointerGetDatum(construct_array(numbers, row->n_lists, INT4OID, 4, true, TYPALIGN_INT));
}

static char *
hex_text(const uint8 *bytes, int len)
{
	char	   *hex = palloc(2 * len + 1);
	int			i;

	for (i = 0; i < len; i++)
		sprintf(hex + 2 * i, "%02x", bytes[i]);
	return hex;
}

/*
 * Detail that is no JSON after all must not stop the drain: it goes in as a
 * string.  The input function takes nothing that an abort would have to give
 * back, so that its error may be caught without a subtransaction.
 */
static Datum
detail_datum(const char *detail)
{
	MemoryContext context = CurrentMemoryContext;
	StringInfoData quoted;
	volatile Datum result = (Datum) 0;

	PG_TRY();
	{
		result = DirectFunctionCall1(jsonb_in, CStringGetDatum(detail));
	}
	PG_CATCH();
	{
		if (ERRCODE_TO_CATEGORY(geterrcode()) != ERRCODE_DATA_EXCEPTION)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
	}
	PG_END_TRY();
	if (result != (Datum) 0)
		return result;
	initStringInfo(&quoted);
	appendStringInfoString(&quoted, "{\"text\": ");
	escape_json(&quoted, detail);
	appendStringInfoChar(&quoted, '}');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(quoted.data));
}

static void
set_who(const LgAuditRow *row, Datum *values, char *nulls)
{
	set_text(values, nulls, 8, row->who.login_role);
	set_text(values, nulls, 9, row->who.effective_role);
	set_text(values, nulls, 10, row->who.actor);
	set_text(values, nulls, 11, row->who.application_name);
	set_text(values, nulls, 12, row->who.client_addr);
	values[13] = Int32GetDatum(row->who.pid);
	nulls[13] = row->who.pid != 0 ? ' ' : 'n';
	set_text(values, nulls, 14, row->who.pid == 0 ? NULL :
			 psprintf("%llx.%x", (unsigned long long) row->who.session_start, row->who.pid));
	set_int8(values, nulls, 15, (int64) row->who.xid, row->who.xid == 0);
}

static void
set_row(const LgAuditRow *row, Datum *values, char *nulls)
{
	values[0] = UUIDPGetDatum(&row->id);
	values[1] = TimestampTzGetDatum(row->at);
	values[2] = UUIDPGetDatum((const pg_uuid_t *) lg_node_id());
	nulls[0] = nulls[1] = ' ';
	nulls[2] = row->has_seq ? ' ' : 'n';
	set_int8(values, nulls, 3, (int64) row->seq, !row->has_seq);
	set_text(values, nulls, 4, lg_event_kind_name(row->kind));
	set_text(values, nulls, 5, lg_outcome_name(row->outcome));
	set_text(values, nulls, 6, row->relation);
	set_lists(values, nulls, 7, row);
	set_who(row, values, nulls);
	set_text(values, nulls, 16, row->statement);
	set_int8(values, nulls, 17, row->query_id, row->query_id == 0);
	set_int8(values, nulls, 18, row->rows, row->rows < 0);
	set_int8(values, nulls, 19, row->reveals, row->reveals < 0);
	set_text(values, nulls, 20, row->has_ticket ? hex_text(row->ticket, 16) : NULL);
	set_text(values, nulls, 21, row->sqlstate ? unpack_sql_state(row->sqlstate) : NULL);
	nulls[22] = row->detail ? ' ' : 'n';
	if (row->detail)
		values[22] = detail_datum(row->detail);
}

/* ---- partitions ---- */

static void
month_of(TimestampTz at, char *name, size_t size)
{
	struct pg_tm tm;
	fsec_t		fsec;

	if (timestamp2tm(at, NULL, &tm, &fsec, NULL, NULL) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	snprintf(name, size, "audit_%04d%02d", tm.tm_year, tm.tm_mon);
}

static bool
partition_there(const char *name)
{
	return OidIsValid(get_relname_relid(name, get_namespace_oid(LG_SCHEMA, false)));
}

/*
 * The worker makes partitions ahead of time; where it could not, it is asked
 * now.  A drained event may also be older than any partition.
 */
static void
need_partition(TimestampTz at)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {TIMESTAMPTZOID};
	char		name[NAMEDATALEN];
	Datum		value = TimestampTzGetDatum(at);

	month_of(at, name, sizeof(name));
	if (partition_there(name))
		return;
	if (lg_in_worker())
		(void) run(&plan, "SELECT listguard._audit_partitions($1)", 1, types, &value, NULL);
	else
		(void) lg_worker_request(LG_WORK_PARTITIONS, InvalidOid, NULL, 10000);
	AcceptInvalidationMessages();
	if (!partition_there(name))
		ereport(ERROR,
				(errcode(ERRCODE_LG_AUDIT),
				 errmsg("audit cannot be written: there is no partition for this month"),
				 errhint("Look at the server log for what keeps listguard's worker from making it.")));
}

void
lg_audit_insert(const LgAuditRow *row)
{
	static SPIPlanPtr plan = NULL;
	Datum		values[N_AUDIT] = {0};
	char		nulls[N_AUDIT + 1] = {0};

	need_partition(row->at);
	set_row(row, values, nulls);
	(void) run(&plan,
			   "INSERT INTO listguard.audit (" AUDIT_COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, "
			   "$9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)",
			   N_AUDIT, column_types, values, nulls);
}

/* ---- begun and ended ---- */

static void
insert_open(const LgAuditRow *row, const LgSpoolItem *item)
{
	static SPIPlanPtr plan = NULL;
	Datum		values[N_OPEN] = {0};
	char		nulls[N_OPEN + 1] = {0};

	set_row(row, values, nulls);
	set_int8(values, nulls, N_AUDIT, (int64) item->head.boot, false);
	set_int8(values, nulls, N_AUDIT + 1, item->head.session_start, false);
	(void) run(&plan,
			   "INSERT INTO listguard.open_read (" AUDIT_COLUMNS ", statements, boot, session_start) VALUES "
			   "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, "
			   "$20, $21, $22, $23, 1, $24, $25)",
			   N_OPEN, column_types, values, nulls);
}

/*
 * Takes an open read over into the audit, with the number of its end; where
 * there is none, with the rows it had announced.  False if there is no such read.
 */
static bool
close_open(const LgAuditEnd *end)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {UUIDOID, TEXTOID, INT8OID, INT8OID, INT8OID};
	Datum		values[5];
	char		nulls[6] = "     ";

	values[0] = UUIDPGetDatum(&end->id);
	set_text(values, nulls, 1, lg_outcome_name(end->outcome));
	set_int8(values, nulls, 2, end->rows, end->rows < 0);
	set_int8(values, nulls, 3, end->reveals, end->reveals < 0);
	set_int8(values, nulls, 4, (int64) end->seq, end->seq == 0);
	return run(&plan,
			   "WITH o AS (DELETE FROM listguard.open_read WHERE id = $1 RETURNING *) "
			   "INSERT INTO listguard.audit (" AUDIT_COLUMNS ") "
			   "SELECT id, at, node, seq, kind, $2, relation, lists, login_role, effective_role, actor, "
			   "application_name, client_addr, pid, session_id, xid, statement, query_id, $3, $4, "
			   "ticket, sqlstate, coalesce(detail, '{}'::pg_catalog.jsonb) || "
			   "CASE WHEN $5 IS NULL THEN pg_catalog.jsonb_build_object('rows_at_most', rows) "
			   "ELSE pg_catalog.jsonb_build_object('end_seq', $5) END FROM o",
			   5, types, values, nulls) > 0;
}

void
lg_audit_alarm(const char *what, uint64 from_seq, uint64 to_seq)
{
	LgAuditRow	row;

	memset(&row, 0, sizeof(row));
	if (!pg_strong_random(row.id.data, UUID_LEN))
		elog(ERROR, "could not generate random values");
	row.id.data[6] = (row.id.data[6] & 0x0f) | 0x40;
	row.id.data[8] = (row.id.data[8] & 0x3f) | 0x80;
	row.at = GetCurrentTimestamp();
	row.kind = LG_EV_ALARM;
	row.outcome = LG_OUT_ALERT;
	row.rows = row.reveals = -1;
	row.detail = psprintf("{\"what\": \"%s\", \"from\": %llu, \"to\": %llu}", what,
						  (unsigned long long) from_seq, (unsigned long long) to_seq);
	lg_audit_insert(&row);
}

void
lg_audit_apply(const LgSpoolItem *item)
{
	LgAuditRow	row;
	LgAuditEnd	end;

	if (item->head.kind == LG_REC_EVENT && lg_record_decode(&row, item))
		lg_audit_insert(&row);
	else if (item->head.kind == LG_REC_BEGIN && lg_record_decode(&row, item))
	{
		need_partition(row.at);
		insert_open(&row, item);
	}
	else if (item->head.kind == LG_REC_END && lg_record_decode_end(&end, item))
	{
		if (!close_open(&end))
			lg_audit_alarm("end without begin", item->head.seq, item->head.seq);
	}
	else
		lg_audit_alarm("malformed record", item->head.seq, item->head.seq);
}

/* ---- progress ---- */

void
lg_progress_lock(LgSpoolPos *pos, uint64 *last_seq)
{
	static SPIPlanPtr make = NULL;
	static SPIPlanPtr lock = NULL;
	static const Oid types[] = {UUIDOID, INT8OID, INT8OID};
	LgSpoolPos	oldest = lg_spool_oldest_position();
	Datum		values[3];
	HeapTuple	tuple;
	TupleDesc	desc;
	bool		isnull;

	values[0] = UUIDPGetDatum((const pg_uuid_t *) lg_node_id());
	values[1] = Int64GetDatum((int64) LG_POS_SEGMENT(oldest));
	values[2] = Int64GetDatum((int64) LG_POS_OFFSET(oldest));
	(void) run(&make, "INSERT INTO listguard.drained VALUES ($1, $2, $3, 0) ON CONFLICT DO NOTHING",
			   3, types, values, NULL);
	if (run(&lock, "SELECT segment, byte_offset, seq FROM listguard.drained WHERE node = $1 FOR UPDATE",
			1, types, values, NULL) != 1)
		elog(ERROR, "no row for this node in listguard.drained");
	tuple = SPI_tuptable->vals[0];
	desc = SPI_tuptable->tupdesc;
	*pos = LG_POS_MAKE(DatumGetInt64(SPI_getbinval(tuple, desc, 1, &isnull)),
					   DatumGetInt64(SPI_getbinval(tuple, desc, 2, &isnull)));
	*last_seq = (uint64) DatumGetInt64(SPI_getbinval(tuple, desc, 3, &isnull));
}

void
lg_progress_set(LgSpoolPos pos, uint64 last_seq)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {UUIDOID, INT8OID, INT8OID, INT8OID};
	Datum		values[4];

	values[0] = UUIDPGetDatum((const pg_uuid_t *) lg_node_id());
	values[1] = Int64GetDatum((int64) LG_POS_SEGMENT(pos));
	values[2] = Int64GetDatum((int64) LG_POS_OFFSET(pos));
	values[3] = Int64GetDatum((int64) last_seq);
	(void) run(&plan,
			   "UPDATE listguard.drained SET segment = $2, byte_offset = $3, seq = $4 WHERE node = $1",
			   4, types, values, NULL);
}

/* ---- sessions that are gone ---- */

/* Up to where the spool lies in this database, as this transaction sees it. */
static LgSpoolPos
drained_position(void)
{
	LgSpoolPos	pos;
	uint64		seq;

	lg_progress_lock(&pos, &seq);
	return pos;
}

/*
 * A pid that another session has taken since keeps the read open until that
 * one goes as well.
 */
static int
reap_one(SPITupleTable *open, int64 row)
{
	HeapTuple	tuple = open->vals[row];
	bool		isnull;
	uint64		boot = (uint64) DatumGetInt64(SPI_getbinval(tuple, open->tupdesc, 3, &isnull));
	int32		pid = DatumGetInt32(SPI_getbinval(tuple, open->tupdesc, 2, &isnull));
	LgAuditEnd	end;

	if (boot == lg_spool_boot() && BackendPidGetProc(pid) != NULL)
		return 0;
	end.id = *DatumGetUUIDP(SPI_getbinval(tuple, open->tupdesc, 1, &isnull));
	end.outcome = LG_OUT_UNKNOWN;
	end.rows = end.reveals = -1;
	end.seq = 0;
	/* Its end may still lie in the spool: whoever is gone has written it before. */
	if (drained_position() < lg_spool_write_position())
		return 0;
	return close_open(&end) ? 1 : 0;
}

int
lg_audit_reap(void)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {UUIDOID};
	Datum		node = UUIDPGetDatum((const pg_uuid_t *) lg_node_id());
	SPITupleTable *open;
	int			reaped = 0;
	int			found;
	int			i;

	found = run(&plan, "SELECT id, pid, boot FROM listguard.open_read WHERE node = $1",
				1, types, &node, NULL);
	open = SPI_tuptable;
	for (i = 0; i < found; i++)
		reaped += reap_one(open, i);
	return reaped;
}

/* ---- the guard of the audit's tables ---- */

PG_FUNCTION_INFO_V1(listguard_audit_guard);
Datum
listguard_audit_guard(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("listguard.audit_guard is a trigger function")));
	lg_require_preload();
	if (!lg_is_internal())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("listguard.%s is written by listguard alone",
						RelationGetRelationName(trigger->tg_relation)),
				 errdetail("Events are neither changed nor deleted, by anybody.")));
	PG_RETURN_POINTER(NULL);
}
