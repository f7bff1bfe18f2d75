/*-------------------------------------------------------------------------
 *
 * copy_to.c
 *		COPY t TO of a protected table as COPY (SELECT ... FROM ONLY t) TO:
 *		the plain form reads the table without the executor.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "nodes/makefuncs.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "policy/registry.h"
#include "row/util.h"

/* The columns that COPY would send: those named, or all that are stored as given. */
static List *
target_list(CopyStmt *stmt, Relation rel)
{
	List	   *names = NIL;
	List	   *targets = NIL;
	ListCell   *lc;

	if (stmt->attlist != NIL)
		names = stmt->attlist;
	else
	{
		for (int i = 0; i < RelationGetNumberOfAttributes(rel); i++)
		{
			Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), i);

			if (!att->attisdropped && att->attgenerated == '\0')
				names = lappend(names, makeString(pstrdup(NameStr(att->attname))));
		}
	}
	foreach(lc, names)
	{
		ColumnRef  *column = makeNode(ColumnRef);
		ResTarget  *target = makeNode(ResTarget);

		column->fields = list_make1(copyObject(lfirst(lc)));
		column->location = -1;
		target->val = (Node *) column;
		target->location = -1;
		targets = lappend(targets, target);
	}
	return targets;
}

CopyStmt *
lg_copy_to_query(CopyStmt *stmt)
{
	CopyStmt   *copy = stmt;
	SelectStmt *select;
	Relation	rel;
	Oid			relid;

	if (stmt->is_from || stmt->relation == NULL)
		return stmt;
	relid = RangeVarGetRelid(stmt->relation, AccessShareLock, true);
	if (!OidIsValid(relid) || lg_protected_lookup(relid) == NULL)
		return stmt;
	rel = relation_open(relid, NoLock);
	if (rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE || LG_COPY_TO_PARTITIONED)
	{
		copy = copyObject(stmt);
		select = makeNode(SelectStmt);
		select->targetList = target_list(stmt, rel);
		select->fromClause = list_make1(makeRangeVar(get_namespace_name(RelationGetNamespace(rel)),
													 pstrdup(RelationGetRelationName(rel)), -1));
		((RangeVar *) linitial(select->fromClause))->inh =
			rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE;
		copy->relation = NULL;
		copy->attlist = NIL;
		copy->query = (Node *) select;
	}
	relation_close(rel, NoLock);
	return copy;
}
