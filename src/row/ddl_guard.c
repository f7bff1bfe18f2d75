/*-------------------------------------------------------------------------
 *
 * ddl_guard.c
 *		Definitions on protected tables: what stays the owner's, what needs
 *		listguard_admin, what is refused while a sealed column exists.
 *
 * The owner keeps what neither reads a sealed column nor calls code; the list
 * below names it, and everything else is an administrator's.  Dropping the
 * extension, its schema or types, or what its owner owns would take the
 * columns' types away with the data: refused.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/parsenodes.h"
#include "parser/parse_type.h"
#include "tcop/cmdtag.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "audit/audit.h"
#include "common/value.h"
#include "policy/registry.h"
#include "row/util.h"

static bool type_in_use(Oid typid);

/* Is what depends on a type a table, or a type of which a table has columns? */
static bool
dependent_in_use(Oid classid, Oid objid, Oid typid)
{
	char		relkind;

	if (classid == TypeRelationId)
		return type_in_use(objid);
	if (classid != RelationRelationId)
		return false;
	relkind = get_rel_relkind(objid);
	if (relkind == RELKIND_COMPOSITE_TYPE)
		return get_rel_type_id(objid) != typid && type_in_use(get_rel_type_id(objid));
	return relkind == RELKIND_RELATION || relkind == RELKIND_PARTITIONED_TABLE ||
		relkind == RELKIND_MATVIEW || relkind == RELKIND_FOREIGN_TABLE;
}

/* Has any table a column of this type, or of a type made of it? */
static bool
type_in_use(Oid typid)
{
	Relation	depend = table_open(DependRelationId, AccessShareLock);
	ScanKeyData key[2];
	SysScanDesc scan;
	HeapTuple	tup;
	bool		found = false;

	check_stack_depth();
	ScanKeyInit(&key[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(TypeRelationId));
	ScanKeyInit(&key[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(typid));
	scan = systable_beginscan(depend, DependReferenceIndexId, true, NULL, 2, key);
	while (!found && HeapTupleIsValid(tup = systable_getnext(scan)))
	{
		Form_pg_depend d = (Form_pg_depend) GETSTRUCT(tup);

		found = dependent_in_use(d->classid, d->objid, typid);
	}
	systable_endscan(scan);
	table_close(depend, AccessShareLock);
	return found;
}

static const int sealed_types[] = {LG_TYPE_EMAIL, LG_TYPE_LOOKUP, LG_TYPE_TEXT};

static bool
sealed_in_use(void)
{
	for (int i = 0; i < lengthof(sealed_types); i++)
	{
		Oid			typid = lg_type_oid(sealed_types[i]);

		if (OidIsValid(typid) && type_in_use(typid))
			return true;
	}
	return false;
}

static void
refuse_while_sealed(const char *what)
{
	if (sealed_in_use())
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot drop %s while a sealed column exists", what),
				 errhint("Drop the sealed columns, or the tables that have them, first.")));
}

/*
 * lg_drop_watch
 *		Before a command that may drop things: the types that must still be there
 *		afterwards.  A CASCADE reaches them on many ways (pgcrypto, a language, a
 *		function that has left the extension).
 */
bool
lg_drop_watch(Node *stmt, LgDropWatch *watch)
{
	if ((!IsA(stmt, DropStmt) && !IsA(stmt, DropOwnedStmt)) || !lg_extension_present() || !sealed_in_use())
		return false;
	for (int i = 0; i < lengthof(sealed_types); i++)
		watch->types[i] = lg_type_oid(sealed_types[i]);
	return true;
}

/* After it: 2BP01 if one of them has gone with its columns. */
void
lg_drop_check(const LgDropWatch *watch)
{
	for (int i = 0; i < lengthof(sealed_types); i++)
	{
		if (!SearchSysCacheExists1(TYPEOID, ObjectIdGetDatum(watch->types[i])))
			ereport(ERROR,
					(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
					 errmsg("cannot drop the types of listguard while a sealed column exists"),
					 errhint("Drop the sealed columns, or the tables that have them, first.")));
	}
}

static bool
is_sealed_type(Node *object)
{
	Oid			typid = LookupTypeNameOid(NULL, castNode(TypeName, object), true);

	return OidIsValid(typid) && lg_type_of(typid) != 0;
}

static void
check_drop(const DropStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->objects)
	{
		Node	   *object = lfirst(lc);

		if (stmt->removeType == OBJECT_EXTENSION && strcmp(strVal(object), "listguard") == 0)
			refuse_while_sealed("extension listguard");
		else if (stmt->removeType == OBJECT_SCHEMA && strcmp(strVal(object), LG_SCHEMA) == 0)
			refuse_while_sealed("schema listguard");
		else if (stmt->removeType == OBJECT_TYPE && is_sealed_type(object))
			refuse_while_sealed("a type of listguard");
	}
}

static void
check_drop_owned(const DropOwnedStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->roles)
	{
		if (get_rolespec_oid(lfirst_node(RoleSpec, lc), true) == lg_extension_owner())
			refuse_while_sealed("what the owner of extension listguard owns");
	}
}

/* Subcommands of ALTER TABLE that stay the owner's. */
static bool
harmless_subcommand(const AlterTableCmd *cmd)
{
	switch (cmd->subtype)
	{
		case AT_AddColumn:
			/* A default or constraint may be an expression. */
			return castNode(ColumnDef, cmd->def)->constraints == NIL;
		case AT_SetNotNull:
		case AT_DropNotNull:
		case AT_SetStorage:
		case AT_SetCompression:
		case AT_SetOptions:
		case AT_ResetOptions:
		case AT_SetRelOptions:
		case AT_ResetRelOptions:
		case AT_ReplaceRelOptions:
		case AT_SetTableSpace:
		case AT_ClusterOn:
		case AT_DropCluster:
		case AT_ReplicaIdentity:
		case AT_SetLogged:
			return true;
		case AT_SetStatistics:
			return cmd->def != NULL && IsA(cmd->def, Integer) && intVal(cmd->def) <= 0;
		default:
			return false;
	}
}

static bool
harmless_alter(const AlterTableStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->cmds)
	{
		if (!harmless_subcommand(lfirst_node(AlterTableCmd, lc)))
			return false;
	}
	return true;
}

static bool
harmless_index(const IndexStmt *stmt)
{
	ListCell   *lc;

	if (stmt->whereClause != NULL || stmt->excludeOpNames != NIL)
		return false;
	foreach(lc, stmt->indexParams)
	{
		if (lfirst_node(IndexElem, lc)->expr != NULL)
			return false;
	}
	return true;
}

/* Is a column of this relation, by name, of a sealed type or made of one? */
static bool
column_is_sealed(Oid relid, const char *name)
{
	AttrNumber	attno = get_attnum(relid, name);

	return attno > 0 && lg_type_of(getBaseType(get_atttype(relid, attno))) != 0;
}

static bool
has_sealed_column(Oid relid)
{
	Relation	rel = relation_open(relid, AccessShareLock);
	bool		found = false;

	for (int i = 0; i < RelationGetNumberOfAttributes(rel) && !found; i++)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), i);

		found = !att->attisdropped && lg_type_of(getBaseType(att->atttypid)) != 0;
	}
	relation_close(rel, AccessShareLock);
	return found;
}

static bool
makes_value_lists(const CreateStatsStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->stat_types)
	{
		if (strcmp(strVal(lfirst(lc)), "mcv") == 0)
			return true;
	}
	return stmt->stat_types == NIL;
}

/*
 * check_statistics
 *		Nothing sealed, and nothing made of it, goes into the statistics: numbers
 *		of different values and dependencies only.
 */
static void
check_statistics(const CreateStatsStmt *stmt)
{
	Node	   *from = linitial(stmt->relations);
	Oid			relid = IsA(from, RangeVar) ? RangeVarGetRelid((RangeVar *) from, NoLock, true) : InvalidOid;
	ListCell   *lc;

	if (!OidIsValid(relid) || !has_sealed_column(relid))
		return;
	foreach(lc, stmt->exprs)
	{
		StatsElem  *elem = lfirst_node(StatsElem, lc);

		if (elem->expr != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("statistics on expressions are not supported on tables with sealed columns")));
		if (makes_value_lists(stmt) && column_is_sealed(relid, elem->name))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("most-common-value lists are not supported on sealed columns"),
					 errhint("Name the kinds: CREATE STATISTICS ... (ndistinct, dependencies).")));
	}
}

static bool
harmless_statistics(const CreateStatsStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->exprs)
	{
		if (lfirst_node(StatsElem, lc)->expr != NULL)
			return false;
	}
	return true;
}

/* The relation that a command defines something on, and whether its owner may. */
static RangeVar *
defined_relation(Node *stmt, bool *harmless)
{
	*harmless = false;
	switch (nodeTag(stmt))
	{
		case T_AlterTableStmt:
			*harmless = harmless_alter((AlterTableStmt *) stmt);
			return ((AlterTableStmt *) stmt)->relation;
		case T_IndexStmt:
			*harmless = harmless_index((IndexStmt *) stmt);
			return ((IndexStmt *) stmt)->relation;
		case T_CreateTrigStmt:
			return ((CreateTrigStmt *) stmt)->relation;
		case T_RuleStmt:
			return ((RuleStmt *) stmt)->relation;
		case T_CreatePolicyStmt:
			return ((CreatePolicyStmt *) stmt)->table;
		case T_AlterPolicyStmt:
			return ((AlterPolicyStmt *) stmt)->table;
		case T_RenameStmt:
			*harmless = ((RenameStmt *) stmt)->renameType == OBJECT_TABLE ||
				((RenameStmt *) stmt)->renameType == OBJECT_COLUMN ||
				((RenameStmt *) stmt)->renameType == OBJECT_TABCONSTRAINT;
			return ((RenameStmt *) stmt)->relation;
		case T_AlterObjectSchemaStmt:
			*harmless = true;
			return ((AlterObjectSchemaStmt *) stmt)->relation;
		case T_CreateStatsStmt:
			{
				Node	   *from = linitial(((CreateStatsStmt *) stmt)->relations);

				*harmless = harmless_statistics((CreateStatsStmt *) stmt);
				return IsA(from, RangeVar) ? (RangeVar *) from : NULL;
			}
		default:
			return NULL;
	}
}

/* Triggers, policies and rules are dropped by name on a table. */
static RangeVar *
dropped_from(const DropStmt *stmt)
{
	List	   *name;

	if (stmt->removeType != OBJECT_TRIGGER && stmt->removeType != OBJECT_POLICY &&
		stmt->removeType != OBJECT_RULE)
		return NULL;
	name = castNode(List, linitial(stmt->objects));
	return makeRangeVarFromNameList(list_copy_head(name, list_length(name) - 1));
}

/* A protected table with a column of this domain, or of one made of it; NULL if there is none. */
static const LgProtected *
domain_in_protected(Oid typid)
{
	Relation	depend = table_open(DependRelationId, AccessShareLock);
	const LgProtected *prot = NULL;
	ScanKeyData key[2];
	SysScanDesc scan;
	HeapTuple	tup;

	check_stack_depth();
	ScanKeyInit(&key[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(TypeRelationId));
	ScanKeyInit(&key[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(typid));
	scan = systable_beginscan(depend, DependReferenceIndexId, true, NULL, 2, key);
	while (prot == NULL && HeapTupleIsValid(tup = systable_getnext(scan)))
	{
		Form_pg_depend d = (Form_pg_depend) GETSTRUCT(tup);

		if (d->classid == RelationRelationId && get_rel_relkind(d->objid) != 0)
			prot = lg_protected_lookup(d->objid);
		else if (d->classid == TypeRelationId && get_typtype(d->objid) == TYPTYPE_DOMAIN)
			prot = domain_in_protected(d->objid);
	}
	systable_endscan(scan);
	table_close(depend, AccessShareLock);
	return prot;
}

/* A domain's new constraint is run on all its columns, by no executor. */
static const LgProtected *
constrained_by(const AlterDomainStmt *stmt)
{
	Oid			typid;

	if (stmt->subtype != 'C' && stmt->subtype != 'V')
		return NULL;
	typid = LookupTypeNameOid(NULL, makeTypeNameFromNameList(stmt->typeName), true);
	return OidIsValid(typid) ? domain_in_protected(typid) : NULL;
}

/* No value needs a partition of the audit: whoever keeps the log may take old ones off. */
static bool
is_audit_partition(AlterExtensionContentsStmt *stmt)
{
	Oid			relid;

	if (stmt->objtype != OBJECT_TABLE)
		return false;
	relid = RangeVarGetRelid(makeRangeVarFromNameList(castNode(List, stmt->object)), NoLock, true);
	return OidIsValid(relid) && get_rel_relispartition(relid) &&
		get_partition_parent(relid, true) == lg_relation_oid("audit");
}

static void
check_extension_contents(AlterExtensionContentsStmt *stmt)
{
	if (stmt->action < 0 && strcmp(stmt->extname, "listguard") == 0 && !is_audit_partition(stmt))
		refuse_while_sealed("a part of extension listguard from it");
}

static void
on_record(Node *stmt, const LgProtected *prot)
{
	LgEvent		ev;

	lg_event_init(&ev, LG_EV_DDL, LG_OUT_OK);
	ev.relation = pstrdup(prot->name);
	ev.statement = GetCommandTagName(CreateCommandTag(stmt));
	lg_audit_event(&ev, LG_WRITTEN, NULL);
}

void
lg_ddl_check(Node *stmt)
{
	RangeVar   *name = NULL;
	bool		harmless = false;
	Oid			relid;
	const LgProtected *prot = NULL;

	if (IsA(stmt, DropStmt))
	{
		check_drop((DropStmt *) stmt);
		name = dropped_from((DropStmt *) stmt);
	}
	else if (IsA(stmt, DropOwnedStmt))
		check_drop_owned((DropOwnedStmt *) stmt);
	else if (IsA(stmt, AlterExtensionContentsStmt))
		check_extension_contents((AlterExtensionContentsStmt *) stmt);
	else if (IsA(stmt, AlterDomainStmt))
		prot = constrained_by((AlterDomainStmt *) stmt);
	else
		name = defined_relation(stmt, &harmless);
	if (IsA(stmt, CreateStatsStmt))
		check_statistics((CreateStatsStmt *) stmt);
	if (name != NULL)
	{
		relid = RangeVarGetRelid(name, NoLock, true);
		if (OidIsValid(relid))
			prot = lg_protected_lookup(relid);
	}
	if (prot == NULL)
		return;
	if (!harmless && !lg_is_admin(GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for %s on a protected table",
						GetCommandTagName(CreateCommandTag(stmt))),
				 errhint("It could read sealed columns or run code on them: it needs a member of listguard_admin.")));
	on_record(stmt, prot);
}
