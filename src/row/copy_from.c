/*-------------------------------------------------------------------------
 *
 * copy_from.c
 *		COPY FROM into a protected table under row security, which the server
 *		refuses: as INSERT ... SELECT over the server's own COPY reader.
 *
 * INSERT INTO t (c1, ...) SELECT (r).c1, ... FROM (SELECT listguard._copy_rows(NULL::t) AS r)
 * takes one row after the other, so that each meets the policies' WITH CHECK,
 * and an error carries its line.  The reader is a static that is set around
 * that statement only; called by anybody else, _copy_rows refuses.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_authid.h"
#include "commands/copy.h"
#include "commands/defrem.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "parser/parse_node.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"

#include "policy/registry.h"
#include "row/util.h"

typedef struct Reader
{
	CopyFromState state;
	Relation	rel;
} Reader;

static Reader *reader = NULL;

PG_FUNCTION_INFO_V1(listguard_copy_rows);

/* listguard._copy_rows(t) returns setof t: the rows of the COPY that runs now. */
Datum
listguard_copy_rows(PG_FUNCTION_ARGS)
{
	FuncCallContext *fctx;
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	TupleDesc	desc;
	Datum	   *values;
	bool	   *nulls;
	MemoryContext old;
	bool		more;

	lg_require_preload();
	if (reader == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no COPY is running")));
	if (SRF_IS_FIRSTCALL())
		SRF_FIRSTCALL_INIT();
	fctx = SRF_PERCALL_SETUP();
	desc = RelationGetDescr(reader->rel);
	values = palloc(sizeof(Datum) * desc->natts);
	nulls = palloc(sizeof(bool) * desc->natts);
	old = MemoryContextSwitchTo(rsinfo->econtext->ecxt_per_tuple_memory);
	more = NextCopyFrom(reader->state, rsinfo->econtext, values, nulls);
	MemoryContextSwitchTo(old);
	if (!more)
		SRF_RETURN_DONE(fctx);
	SRF_RETURN_NEXT(fctx, HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}

/* The first option that INSERT knows nothing of; NULL: none. */
static const char *
foreign_option(const CopyStmt *stmt)
{
	ListCell   *lc;
	const char *bad = stmt->whereClause != NULL ? "WHERE" : NULL;

	foreach(lc, stmt->options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);

		if (strcmp(option->defname, "freeze") == 0 && defGetBoolean(option))
			bad = "FREEZE";
		else if (strcmp(option->defname, "on_error") == 0 || strcmp(option->defname, "reject_limit") == 0)
			bad = "ON_ERROR";
	}
	return bad;
}

/*
 * Policies do not bind this user: the server's own COPY can do it, only slower,
 * as our trigger makes it go row by row.
 */
static bool
ours_without_policies(const CopyStmt *stmt, Relation rel)
{
	return foreign_option(stmt) == NULL && lg_copy_can_batch(rel, NULL);
}

/* Options that make no sense row by row under policies. */
static void
check_options(const CopyStmt *stmt)
{
	const char *bad = foreign_option(stmt);

	if (bad != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("COPY FROM with %s is not supported with row-level security", bad)));
}

/* As the server's own COPY: files and programs are for their roles only. */
static void
check_file(const CopyStmt *stmt)
{
	if (stmt->filename == NULL)
		return;
	if (!has_privs_of_role(GetUserId(), stmt->is_program ? ROLE_PG_EXECUTE_SERVER_PROGRAM
						   : ROLE_PG_READ_SERVER_FILES))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to COPY from a file or program"),
				 errhint("Anyone can COPY from stdin.")));
}

/*
 * The INSERT.  With the privilege on the whole table all stored columns are
 * named, defaults coming from the reader; else those of the command.
 */
static char *
insert_text(const CopyStmt *stmt, Relation rel)
{
	StringInfoData columns;
	StringInfoData fields;
	TupleDesc	desc = RelationGetDescr(rel);
	bool		whole = pg_class_aclcheck(RelationGetRelid(rel), GetUserId(), ACL_INSERT) == ACLCHECK_OK;
	List	   *attnums = CopyGetAttnums(desc, rel, stmt->attlist);
	char	   *table = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
												   RelationGetRelationName(rel));

	initStringInfo(&columns);
	initStringInfo(&fields);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		const char *name = quote_identifier(NameStr(att->attname));

		if (att->attisdropped || att->attgenerated != '\0' ||
			(!whole && !list_member_int(attnums, i + 1)))
			continue;
		appendStringInfo(&columns, "%s%s", columns.len ? ", " : "", name);
		appendStringInfo(&fields, "%s(r).%s", fields.len ? ", " : "", name);
	}
	return psprintf("INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s "
					"FROM (SELECT " LG_SCHEMA "._copy_rows(NULL::%s) AS r) AS q",
					table, columns.data, fields.data, table);
}

static uint64
run_insert(const char *text, CopyFromState state, Relation rel)
{
	ErrorContextCallback errcallback;
	ErrorContextCallback *save_stack = error_context_stack;
	Reader	   *save_reader = reader;
	Reader		mine = {state, rel};
	volatile uint64 processed = 0;

	SPI_connect();
	PG_TRY();
	{
		reader = &mine;
		errcallback.callback = CopyFromErrorCallback;
		errcallback.arg = state;
		errcallback.previous = error_context_stack;
		error_context_stack = &errcallback;
		if (SPI_execute(text, false, 0) != SPI_OK_INSERT)
			elog(ERROR, "could not run COPY FROM as INSERT");
		processed = SPI_processed;
	}
	PG_FINALLY();
	{
		error_context_stack = save_stack;
		reader = save_reader;
	}
	PG_END_TRY();
	SPI_finish();
	return processed;
}

bool
lg_copy_from(CopyStmt *stmt, const char *queryString, QueryCompletion *qc)
{
	ParseState *pstate;
	Relation	rel;
	Oid			relid;
	CopyFromState state;
	char	   *text;
	uint64		processed;

	if (!stmt->is_from)
		return false;
	rel = table_openrv(stmt->relation, RowExclusiveLock);
	relid = RelationGetRelid(rel);
	if (lg_protected_lookup(relid) == NULL ||
		(check_enable_rls(relid, InvalidOid, false) != RLS_ENABLED && !ours_without_policies(stmt, rel)))
	{
		table_close(rel, NoLock);
		return false;
	}
	check_file(stmt);
	check_options(stmt);
	if (pg_class_aclcheck(relid, GetUserId(), ACL_INSERT) != ACLCHECK_OK &&
		pg_attribute_aclcheck_all(relid, GetUserId(), ACL_INSERT, ACLMASK_ANY) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, RelationGetRelationName(rel));
	pstate = make_parsestate(NULL);
	pstate->p_sourcetext = queryString;
	text = insert_text(stmt, rel);
	state = BeginCopyFrom(pstate, rel, NULL, stmt->filename, stmt->is_program, NULL,
						  stmt->attlist, stmt->options);
	if (!lg_copy_can_batch(rel, state) || !lg_copy_batch(text, rel, state, &processed))
		processed = run_insert(text, state, rel);
	EndCopyFrom(state);
	free_parsestate(pstate);
	table_close(rel, NoLock);
	if (qc)
		SetQueryCompletion(qc, CMDTAG_COPY, processed);
	return true;
}
