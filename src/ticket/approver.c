/*-------------------------------------------------------------------------
 *
 * approver.c
 *		Who may approve exports, and what each table's export policy says.
 *
 * Rows are read as the catalogs are, by a snapshot of this moment: a
 * revocation counts in transactions that began before it.  An approver is
 * never deleted and never re-instated: what was signed keeps its name.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/json.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "audit/audit.h"
#include "errcodes.h"
#include "ticket/store.h"

/* Attribute numbers, as sql/install/10_catalog.sql makes the tables. */
#define Anum_approver_name			1
#define Anum_approver_person		2
#define Anum_approver_public_key	3
#define Anum_approver_kid			4
#define Anum_approver_role			5
#define Anum_approver_valid_until	6
#define Anum_approver_revoked		8
#define Anum_policy_relation		1
#define Anum_policy_quorum			2
#define Anum_policy_max_ttl			3
#define Anum_policy_max_rows		4

#define DEFAULT_MAX_TTL		(15 * USECS_PER_MINUTE)
#define MAX_QUORUM			LG_TICKET_TOKENS_MAX
#define MAX_SPAN_DAYS		INT64CONST(36500)

PG_FUNCTION_INFO_V1(listguard_add_approver);
PG_FUNCTION_INFO_V1(listguard_revoke_approver);
PG_FUNCTION_INFO_V1(listguard_set_export_policy);

/* ---- reading ---- */

/*
 * find_row
 *		A copy of the row whose text column equals value, or NULL; *desc too.
 */
static HeapTuple
find_row(const char *table, const char *index, AttrNumber attno, const char *value, TupleDesc *desc)
{
	Oid			relid = lg_relation_oid(table);
	Oid			index_oid = lg_relation_oid(index);
	Relation	rel;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	if (!OidIsValid(relid))
		return NULL;
	rel = table_open(relid, AccessShareLock);
	ScanKeyInit(&key, attno, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(value));
	scan = systable_beginscan(rel, index_oid, OidIsValid(index_oid), NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		tuple = heap_copytuple(tuple);
		*desc = CreateTupleDescCopy(RelationGetDescr(rel));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return tuple;
}

/* A text column, NULL if it is null. */
static char *
get_text(HeapTuple tuple, TupleDesc desc, AttrNumber attno)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, attno, desc, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

/*
 * lg_approver_by_kid
 *		The approver whose key has this id; false if there is none, or if the
 *		row's key cannot be read.
 */
bool
lg_approver_by_kid(LgApprover *approver, const char *kid)
{
	TupleDesc	desc;
	HeapTuple	tuple = find_row("approver", "approver_kid_key", Anum_approver_kid, kid, &desc);
	bool		isnull;
	char	   *key;
	Datum		role;

	memset(approver, 0, sizeof(*approver));
	if (!HeapTupleIsValid(tuple))
		return false;
	approver->name = get_text(tuple, desc, Anum_approver_name);
	approver->person = get_text(tuple, desc, Anum_approver_person);
	role = heap_getattr(tuple, Anum_approver_role, desc, &isnull);
	approver->role = isnull ? NULL : pstrdup(NameStr(*DatumGetName(role)));
	approver->valid_until = DatumGetTimestampTz(heap_getattr(tuple, Anum_approver_valid_until, desc, &isnull));
	(void) heap_getattr(tuple, Anum_approver_revoked, desc, &isnull);
	approver->revoked = !isnull;
	key = get_text(tuple, desc, Anum_approver_public_key);
	return lg_paserk_public_parse(approver->key, key, strlen(key)) == LG_OK;
}

bool
lg_approver_in_force(const LgApprover *approver)
{
	return !approver->revoked && approver->valid_until > GetCurrentTimestamp();
}

/* Months count 30 days, as in comparisons of intervals; too long ones are cut, not overflowed. */
static int64
interval_usec(const Interval *span)
{
	const int64 most = MAX_SPAN_DAYS * USECS_PER_DAY;
	int64		days = span->day + span->month * (int64) DAYS_PER_MONTH;
	int64		time = Max(Min(span->time, most), -most);

	return Max(Min(days, MAX_SPAN_DAYS), -MAX_SPAN_DAYS) * USECS_PER_DAY + time;
}

/*
 * lg_export_policy_read
 *		The policy of a relation, by its name in the registry.
 */
void
lg_export_policy_read(LgExportPolicy *policy, const char *relation)
{
	TupleDesc	desc;
	HeapTuple	tuple = find_row("export_policy", "export_policy_pkey", Anum_policy_relation, relation, &desc);
	bool		isnull;
	Datum		value;

	policy->quorum = 1;
	policy->max_ttl = DEFAULT_MAX_TTL;
	policy->max_rows = 0;
	if (!HeapTupleIsValid(tuple))
		return;
	policy->quorum = DatumGetInt32(heap_getattr(tuple, Anum_policy_quorum, desc, &isnull));
	value = heap_getattr(tuple, Anum_policy_max_ttl, desc, &isnull);
	policy->max_ttl = interval_usec(DatumGetIntervalP(value));
	value = heap_getattr(tuple, Anum_policy_max_rows, desc, &isnull);
	policy->max_rows = isnull ? 0 : DatumGetInt64(value);
}

/* ---- changing ---- */

/*
 * lg_ticket_execute
 *		Run one statement of ours; the caller's rights and search path have no
 *		part in it.
 */
uint64
lg_ticket_execute(const char *sql, int n, Oid *types, Datum *values, const char *nulls)
{
	Oid			save_user;
	int			save_context;
	uint64		processed;

	GetUserIdAndSecContext(&save_user, &save_context);
	SetUserIdAndSecContext(lg_extension_owner(),
						   save_context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	lg_internal_enter();
	if (SPI_connect() != SPI_OK_CONNECT ||
		SPI_execute_with_args(sql, n, types, values, nulls, false, 0) < 0)
		elog(ERROR, "could not change the listguard registry");
	processed = SPI_processed;
	SPI_finish();
	lg_internal_leave();
	SetUserIdAndSecContext(save_user, save_context);
	CommandCounterIncrement();
	return processed;
}

/* A synced event on a change of ours; kind is an LgEventKind. */
void
lg_ticket_change_event(int kind, const char *relation, const char *detail)
{
	LgEvent		ev;

	lg_event_init(&ev, (LgEventKind) kind, LG_OUT_OK);
	ev.relation = relation;
	ev.detail = detail;
	lg_audit_event(&ev, LG_SYNCED, NULL);
}

static void
require_admin(const char *function)
{
	lg_require_preload();
	if (!lg_is_admin(GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for function %s", function)));
}

static void
require_value(bool present, const char *what)
{
	if (!present)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", what)));
}

/* 1 to LG_NAME_MAX - 1 bytes, no control character: approvers read it on a terminal. */
static void
require_name(const char *text, const char *what)
{
	size_t		len = strlen(text);
	bool		good = len > 0 && len < LG_NAME_MAX;

	for (size_t i = 0; i < len; i++)
		good = good && (unsigned char) text[i] >= ' ' && text[i] != 0x7f;
	if (!good)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s of the approver is empty, too long or not printable", what)));
}

/* Id of a public key; 22023 if the text is not one. */
static void
key_id_of(char kid[LG_PASERK_PID_CHARS + 1], const char *text)
{
	uint8		key[LG_ED25519_PUBLIC];

	if (lg_paserk_public_parse(key, text, strlen(text)) != LG_OK ||
		lg_paserk_pid(kid, LG_PASERK_PID_CHARS + 1, key) != LG_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("not a public key of an approver"),
				 errhint("Give the text k4.public.… that lgctl keygen approver prints.")));
}

static void
approver_event(const char *what, const char *name)
{
	StringInfoData detail;

	initStringInfo(&detail);
	appendStringInfo(&detail, "{\"%s\": ", what);
	escape_json(&detail, name);
	appendStringInfoChar(&detail, '}');
	lg_ticket_change_event(LG_EV_APPROVER, NULL, detail.data);
}

/*
 * listguard_add_approver
 *		add_approver(name, person, public_key, valid_until, role).  22023 for a
 *		key or name that is none, 42704 for an unknown role, 23505 for a name or
 *		key that was ever used.
 */
Datum
listguard_add_approver(PG_FUNCTION_ARGS)
{
	Oid			types[] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID, NAMEOID, TIMESTAMPTZOID};
	Datum		values[6];
	char		nulls[] = "      ";
	char		kid[LG_PASERK_PID_CHARS + 1];
	char	   *name;

	require_admin("add_approver");
	for (int i = 0; i < 4; i++)
		require_value(!PG_ARGISNULL(i), "name, person, public_key and valid_until");
	name = TextDatumGetCString(PG_GETARG_DATUM(0));
	require_name(name, "name");
	require_name(TextDatumGetCString(PG_GETARG_DATUM(1)), "person");
	key_id_of(kid, TextDatumGetCString(PG_GETARG_DATUM(2)));
	if (PG_GETARG_TIMESTAMPTZ(3) <= GetCurrentTimestamp())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("valid_until must lie in the future")));
	if (!PG_ARGISNULL(4))
		(void) get_role_oid(NameStr(*PG_GETARG_NAME(4)), false);

	values[0] = PG_GETARG_DATUM(0);
	values[1] = PG_GETARG_DATUM(1);
	values[2] = PG_GETARG_DATUM(2);
	values[3] = CStringGetTextDatum(kid);
	values[4] = PG_ARGISNULL(4) ? (Datum) 0 : PG_GETARG_DATUM(4);
	nulls[4] = PG_ARGISNULL(4) ? 'n' : ' ';
	values[5] = PG_GETARG_DATUM(3);
	(void) lg_ticket_execute("INSERT INTO listguard.approver (name, person, public_key, kid, role, valid_until) "
							 "VALUES ($1, $2, $3, $4, $5, $6)", 6, types, values, nulls);
	approver_event("added", name);
	PG_RETURN_VOID();
}

/*
 * listguard_revoke_approver
 *		revoke_approver(name): tickets of that approver count no more, those in
 *		force included.  42704 if there is none in force by that name.
 */
Datum
listguard_revoke_approver(PG_FUNCTION_ARGS)
{
	Oid			types[] = {TEXTOID};
	Datum		values[1];

	require_admin("revoke_approver");
	values[0] = PG_GETARG_DATUM(0);
	if (lg_ticket_execute("UPDATE listguard.approver SET revoked = pg_catalog.clock_timestamp() "
						  "WHERE name OPERATOR(pg_catalog.=) $1 AND revoked IS NULL",
						  1, types, values, NULL) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("no approver of that name is in force")));
	approver_event("revoked", TextDatumGetCString(values[0]));
	PG_RETURN_VOID();
}

/* Ranges of set_export_policy's arguments; 22023, 0A000. */
static void
check_policy(int32 quorum, const Interval *max_ttl, bool has_max, int64 max_rows, const Interval *max_window)
{
	if (quorum < 1 || quorum > MAX_QUORUM)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("quorum must be between 1 and %d", MAX_QUORUM)));
	if (interval_usec(max_ttl) <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_ttl must be positive")));
	if (has_max && max_rows < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_rows must be positive")));
	if (interval_usec(max_window) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("exports over a window of time are not supported")));
}

static char *
policy_detail(int32 quorum, int64 max_ttl, bool has_max, int64 max_rows)
{
	if (!has_max)
		return psprintf("{\"quorum\": %d, \"max_ttl\": " INT64_FORMAT "}", quorum, max_ttl / USECS_PER_SEC);
	return psprintf("{\"quorum\": %d, \"max_ttl\": " INT64_FORMAT ", \"max_rows\": " INT64_FORMAT "}",
					quorum, max_ttl / USECS_PER_SEC, max_rows);
}

/*
 * listguard_set_export_policy
 *		set_export_policy(relation, quorum, max_ttl, max_rows, max_window).
 */
Datum
listguard_set_export_policy(PG_FUNCTION_ARGS)
{
	Oid			types[] = {TEXTOID, INT4OID, INTERVALOID, INT8OID, INTERVALOID};
	Datum		values[5];
	char		nulls[] = "     ";
	bool		has_max = !PG_ARGISNULL(3);
	int64		max_rows = has_max ? PG_GETARG_INT64(3) : 0;
	const LgProtected *prot;
	char	   *name;

	require_admin("set_export_policy");
	require_value(!PG_ARGISNULL(0) && !PG_ARGISNULL(1) && !PG_ARGISNULL(2) && !PG_ARGISNULL(4),
				  "relation, quorum, max_ttl and max_window");
	check_policy(PG_GETARG_INT32(1), PG_GETARG_INTERVAL_P(2), has_max, max_rows, PG_GETARG_INTERVAL_P(4));
	prot = lg_protected_lookup(PG_GETARG_OID(0));
	if (prot == NULL || prot->relid != PG_GETARG_OID(0))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the relation is not protected"),
				 errhint("Give the table that was given to listguard.protect().")));
	name = pstrdup(prot->name);

	values[0] = CStringGetTextDatum(name);
	for (int i = 1; i < 5; i++)
		values[i] = PG_GETARG_DATUM(i);
	nulls[3] = has_max ? ' ' : 'n';
	(void) lg_ticket_execute("INSERT INTO listguard.export_policy (relation, quorum, max_ttl, max_rows, max_window) "
							 "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (relation) DO UPDATE SET "
							 "quorum = excluded.quorum, max_ttl = excluded.max_ttl, "
							 "max_rows = excluded.max_rows, max_window = excluded.max_window",
							 5, types, values, nulls);
	lg_ticket_change_event(LG_EV_SETTING, name,
						   policy_detail(PG_GETARG_INT32(1), interval_usec(PG_GETARG_INTERVAL_P(2)), has_max, max_rows));
	PG_RETURN_VOID();
}
