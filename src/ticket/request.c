/*-------------------------------------------------------------------------
 *
 * request.c
 *		What a ticket is asked for: audience, claims, stored requests.
 *
 * request_export writes down what the role wants to read, in the names that
 * the server will compare.  Nothing is granted by it: the approver decides
 * and signs outside.  Where the quorum is over 1 the request is stored, and
 * its digest keeps the approvers to one and the same text.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <sodium.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xlog.h"
#include "access/xlogrecovery.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "audit/audit.h"
#include "ticket/store.h"

#define Anum_request_id				2
#define Anum_request_requested_by	3

#define PURPOSE_CHARS	200
#define NODE_BYTES		16
#define CLAIMS_MAX		(LG_PAYLOAD_MAX - 256)	/* the signer adds the rest */

PG_FUNCTION_INFO_V1(listguard_ticket_audience);
PG_FUNCTION_INFO_V1(listguard_request_export);

/*
 * lg_ticket_audience
 *		"system identifier/database/timeline/node", palloc'd.
 *
 * A restored copy runs on another timeline, a copied data directory gets
 * another node: a ticket is good on neither.
 */
char *
lg_ticket_audience(void)
{
	char		node[NODE_BYTES * 2 + 1];
	TimeLineID	timeline;

	if (RecoveryInProgress())
		(void) GetXLogReplayRecPtr(&timeline);
	else
		timeline = GetWALInsertionTimeLine();
	sodium_bin2hex(node, sizeof(node), lg_node_id(), NODE_BYTES);
	return psprintf(UINT64_FORMAT "/%s/%u/%s", GetSystemIdentifier(),
					get_database_name(MyDatabaseId), timeline, node);
}

Datum
listguard_ticket_audience(PG_FUNCTION_ARGS)
{
	lg_require_preload();
	PG_RETURN_TEXT_P(cstring_to_text(lg_ticket_audience()));
}

/* ---- digest ---- */

static void
hash_field(crypto_generichash_state *state, const void *bytes, size_t len)
{
	uint8		prefix[8];

	for (int i = 0; i < 8; i++)
		prefix[i] = (uint8) ((uint64) len >> (8 * i));
	crypto_generichash_update(state, prefix, sizeof(prefix));
	crypto_generichash_update(state, bytes, len);
}

static void
hash_texts(crypto_generichash_state *state, char *const *texts, int n)
{
	uint8		count = (uint8) n;	/* at most LG_CLAIM_LISTS_MAX */

	hash_field(state, &count, 1);
	for (int i = 0; i < n; i++)
		hash_field(state, texts[i], strlen(texts[i]));
}

/*
 * lg_request_digest
 *		BLAKE2b-256 of an injective encoding of the request's id and all that it
 *		asks for: each field after its length in 8 bytes, LE.
 */
void
lg_request_digest(char hex[65], const uint8 id[LG_REQUEST_ID_BYTES], const LgClaims *claims)
{
	static const char label[] = "listguard-request-v1";
	crypto_generichash_state state;
	uint8		digest[32];
	char		max[32];

	crypto_generichash_init(&state, NULL, 0, sizeof(digest));
	hash_field(&state, label, strlen(label));
	hash_field(&state, id, LG_REQUEST_ID_BYTES);
	hash_field(&state, claims->aud, strlen(claims->aud));
	hash_field(&state, claims->sub, strlen(claims->sub));
	hash_texts(&state, claims->lists, claims->n_lists);
	hash_texts(&state, claims->cols, claims->n_cols);
	snprintf(max, sizeof(max), INT64_FORMAT, (int64) claims->max_rows);
	hash_field(&state, max, strlen(max));
	hash_field(&state, claims->purpose, strlen(claims->purpose));
	crypto_generichash_final(&state, digest, sizeof(digest));
	sodium_bin2hex(hex, 65, digest, sizeof(digest));
}

/*
 * lg_request_find
 *		See store.h.
 */
bool
lg_request_find(uint8 id[LG_REQUEST_ID_BYTES], const char *digest, const char *login)
{
	Oid			relid = lg_relation_oid("request");
	Oid			index = lg_relation_oid("request_pkey");
	bool		found = false;
	Relation	rel;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	if (!OidIsValid(relid))
		return false;
	rel = table_open(relid, AccessShareLock);
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(digest));
	scan = systable_beginscan(rel, index, OidIsValid(index), NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		uuid = heap_getattr(tuple, Anum_request_id, RelationGetDescr(rel), &isnull);
		Datum		by = heap_getattr(tuple, Anum_request_requested_by, RelationGetDescr(rel), &isnull);

		memcpy(id, DatumGetUUIDP(uuid)->data, LG_REQUEST_ID_BYTES);
		found = strcmp(TextDatumGetCString(by), login) == 0;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/* ---- request_export ---- */

static void
invalid(const char *message)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s", message)));
}

/* Elements of an array of text or name; no null in it, at most max of them. */
static int
take_texts(char **out, int max, Datum array, Oid type)
{
	bool		is_name = type == NAMEOID;
	Datum	   *elems;
	bool	   *nulls;
	int			n;

	deconstruct_array(DatumGetArrayTypeP(array), type, is_name ? NAMEDATALEN : -1, false,
					  is_name ? TYPALIGN_CHAR : TYPALIGN_INT, &elems, &nulls, &n);
	if (n < 1 || n > max)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("an export names between 1 and %d lists and columns each", max)));
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			invalid("an export's lists and columns must not be null");
		out[i] = is_name ? pstrdup(NameStr(*DatumGetName(elems[i]))) : TextDatumGetCString(elems[i]);
		for (int k = 0; k < i; k++)
		{
			if (strcmp(out[i], out[k]) == 0)
				invalid("an export names a list or column twice");
		}
	}
	return n;
}

/* One name of lg:list; value NULL is the whole table. */
static char *
format_list(const char *table, const char *value, bool star, int32 list_no)
{
	char		out[LG_NAME_MAX * 3 + 1];
	LgListName	name;

	memset(&name, 0, sizeof(name));
	strlcpy(name.table, table, sizeof(name.table));
	name.star = star;
	name.has_value = value != NULL;
	name.list_no = (uint32) list_no;
	if (value != NULL && strlcpy(name.value, value, sizeof(name.value)) >= sizeof(name.value))
		invalid("the list's value is too long for a ticket");
	if (lg_list_name_format(out, sizeof(out), &name) != LG_OK)
		invalid("the list's name is too long for a ticket");
	return pstrdup(out);
}

static void
no_export(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to export a list"),
			 errhint("Ask for listguard.grant_access() with \"export\" on it.")));
}

/* The list of a value; an unknown one is refused like a forbidden one: no oracle. */
static char *
name_list(Oid relid, const char *table, const char *value)
{
	const LgList *list = lg_list_find(relid, value);
	int32		list_no = list ? list->list_no : 0;

	if (list_no == 0 || !lg_grant_on_list(GetUserId(), list_no, LG_PRIV_EXPORT))
		no_export();
	return format_list(table, value, false, list_no);
}

static bool
asks_for_all(FunctionCallInfo fcinfo, char *const *values, int n)
{
	return PG_ARGISNULL(1) || (n == 1 && strcmp(values[0], "*") == 0);
}

/* lg:list: all lists where lists is null or a star, else those with the values given. */
static void
request_lists(LgClaims *claims, FunctionCallInfo fcinfo, const LgProtected *prot)
{
	char	   *values[LG_CLAIM_LISTS_MAX];
	char	   *table = pstrdup(prot->name);
	bool		has_column = prot->list_column != NULL;
	int32		table_no = prot->list_no;
	Oid			relid = prot->relid;
	int			n = PG_ARGISNULL(1) ? 0 : take_texts(values, LG_CLAIM_LISTS_MAX, PG_GETARG_DATUM(1), TEXTOID);

	if (asks_for_all(fcinfo, values, n))
	{
		if ((lg_grants_on_relation(GetUserId(), relid) & LG_PRIV_EXPORT) == 0)
			no_export();
		claims->n_lists = 1;
		claims->lists[0] = has_column ? format_list(table, NULL, true, table_no) : name_list(relid, table, NULL);
		return;
	}
	if (!has_column)
		invalid("the table is one list: lists must be null");
	for (int i = 0; i < n; i++)
		claims->lists[i] = name_list(relid, table, values[i]);
	claims->n_lists = n;
}

/*
 * request_columns
 *		lg:cols; null is all columns.
 *
 * A ticket that leaves out a sealed column covers nothing (ticket.c), so it is
 * refused here, where it can still be mended.
 */
static void
request_columns(LgClaims *claims, FunctionCallInfo fcinfo, const LgProtected *prot)
{
	claims->n_cols = 1;
	claims->cols[0] = "*";
	if (PG_ARGISNULL(2))
		return;
	claims->n_cols = take_texts(claims->cols, LG_CLAIM_COLS_MAX, PG_GETARG_DATUM(2), NAMEOID);
	if (claims->n_cols == 1 && strcmp(claims->cols[0], "*") == 0)
		return;
	for (int i = 0; i < prot->n_sealed; i++)
	{
		int			k = 0;

		while (k < claims->n_cols && strcmp(prot->sealed[i], claims->cols[k]) != 0)
			k++;
		if (k == claims->n_cols)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("the columns of an export must include every sealed column of the table"),
					 errhint("Add \"%s\", or give null for all columns.", prot->sealed[i])));
	}
	for (int i = 0; i < claims->n_cols; i++)
	{
		if (get_attnum(prot->relid, claims->cols[i]) <= 0)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("column \"%s\" of the table does not exist", claims->cols[i])));
	}
}

/* Rows and purpose; an address has no business in a purpose: it goes on record. */
static void
request_terms(LgClaims *claims, FunctionCallInfo fcinfo, const LgExportPolicy *policy)
{
	int			chars;

	if (PG_ARGISNULL(3) || PG_ARGISNULL(4))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("max_rows and purpose must not be null")));
	claims->max_rows = PG_GETARG_INT64(3);
	if (claims->max_rows < 1 || (policy->max_rows != 0 && claims->max_rows > policy->max_rows))
		invalid("max_rows is not positive, or more than the export policy allows");
	claims->purpose = TextDatumGetCString(PG_GETARG_DATUM(4));
	chars = pg_mbstrlen(claims->purpose);
	if (chars < 1 || chars > PURPOSE_CHARS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("purpose must be 1 to %d characters long", PURPOSE_CHARS)));
	if (strchr(claims->purpose, '@') != NULL)
		invalid("purpose must not contain an address");
}

static void
append_texts(StringInfo out, const char *name, char *const *texts, int n)
{
	appendStringInfo(out, ", \"%s\": [", name);
	for (int i = 0; i < n; i++)
	{
		if (i > 0)
			appendStringInfoString(out, ", ");
		escape_json(out, texts[i]);
	}
	appendStringInfoChar(out, ']');
}

static char *
claims_json(const LgClaims *claims)
{
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfoString(&out, "{\"aud\": ");
	escape_json(&out, claims->aud);
	appendStringInfoString(&out, ", \"sub\": ");
	escape_json(&out, claims->sub);
	append_texts(&out, "lg:list", claims->lists, claims->n_lists);
	append_texts(&out, "lg:cols", claims->cols, claims->n_cols);
	appendStringInfo(&out, ", \"lg:max\": " INT64_FORMAT ", \"lg:purpose\": ", (int64) claims->max_rows);
	escape_json(&out, claims->purpose);
	if (claims->req != NULL)
	{
		appendStringInfoString(&out, ", \"lg:req\": ");
		escape_json(&out, claims->req);
	}
	appendStringInfoChar(&out, '}');
	if (out.len > CLAIMS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the request is too long for a ticket"),
				 errhint("Name fewer lists or columns, or all of them.")));
	return out.data;
}

/* Store the request in this transaction; lg:req is its digest. */
static void
store_request(LgClaims *claims)
{
	Oid			types[] = {TEXTOID, UUIDOID, TEXTOID, TEXTOID};
	Datum		values[4];
	pg_uuid_t	id;
	char		digest[65];

	randombytes_buf(id.data, sizeof(id.data));
	lg_request_digest(digest, id.data, claims);
	claims->req = pstrdup(digest);
	values[0] = CStringGetTextDatum(digest);
	values[1] = UUIDPGetDatum(&id);
	values[2] = CStringGetTextDatum(claims->sub);
	values[3] = CStringGetTextDatum(claims_json(claims));
	(void) lg_ticket_execute("INSERT INTO listguard.request (digest, id, requested_by, claims) "
							 "VALUES ($1, $2, $3, $4::pg_catalog.jsonb)", 4, types, values, NULL);
}

static const LgProtected *
requested_relation(FunctionCallInfo fcinfo)
{
	const LgProtected *prot = PG_ARGISNULL(0) ? NULL : lg_protected_lookup(PG_GETARG_OID(0));

	if (prot == NULL || prot->relid != PG_GETARG_OID(0))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the relation is not protected"),
				 errhint("Give the table that was given to listguard.protect().")));
	return prot;
}

/*
 * listguard_request_export
 *		request_export(relation, lists, columns, max_rows, purpose, recipient,
 *		run_until): aud, sub and the lg: claims, for the signer.
 *
 * 42501 without export, 22023 for what no ticket could say, 0A000 for sealed
 * exports and campaigns.
 */
Datum
listguard_request_export(PG_FUNCTION_ARGS)
{
	LgClaims	claims;
	LgExportPolicy policy;
	char	   *relation;
	char	   *json;

	lg_require_preload();
	if (!PG_ARGISNULL(5) || !PG_ARGISNULL(6))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("exports for a recipient's key or over a window of time are not supported")));
	memset(&claims, 0, sizeof(claims));
	claims.aud = lg_ticket_audience();
	claims.sub = GetUserNameFromId(GetSessionUserId(), false);
	relation = pstrdup(requested_relation(fcinfo)->name);
	lg_export_policy_read(&policy, relation);
	request_terms(&claims, fcinfo, &policy);
	request_lists(&claims, fcinfo, requested_relation(fcinfo));
	request_columns(&claims, fcinfo, requested_relation(fcinfo));
	if (policy.quorum > 1)
		store_request(&claims);
	json = claims_json(&claims);
	lg_ticket_change_event(LG_EV_EXPORT, relation, json);
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(json)));
}
