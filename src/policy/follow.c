/*-------------------------------------------------------------------------
 *
 * follow.c
 *		The registry follows DDL, in the same command: new names, new sealed
 *		columns, new partitions.
 *
 * Whether the command may run at all was the guard's question (row/); here it
 * has run.  The registry is written as the extension's owner: the user of a
 * harmless command needs no right on it.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "policy/follow.h"
#include "policy/policy.h"

static Oid
relation_of(RangeVar *name)
{
	return name != NULL ? RangeVarGetRelid(name, NoLock, true) : InvalidOid;
}

/* A protected table has new columns or partitions, or has lost some. */
static void
catch_up(Oid relid)
{
	const LgProtected *protected = lg_protected_lookup(relid);
	Oid			types[] = {OIDOID};
	Datum		values[1];

	if (protected == NULL)
		return;
	values[0] = ObjectIdGetDatum(protected->relid);
	(void) lg_registry_execute("SELECT listguard._catch_up($1)", 1, types, values);
}

static void
column_renamed(RenameStmt *stmt)
{
	const LgProtected *protected = lg_registered_lookup(relation_of(stmt->relation));
	Oid			types[] = {TEXTOID, NAMEOID, NAMEOID};
	Datum		values[3];

	if (protected == NULL)
		return;
	values[0] = CStringGetTextDatum(protected->name);
	values[1] = DirectFunctionCall1(namein, CStringGetDatum(stmt->subname));
	values[2] = DirectFunctionCall1(namein, CStringGetDatum(stmt->newname));
	(void) lg_registry_execute("SELECT listguard._rename_column($1, $2, $3)", 3, types, values);
}

static void
renamed(RenameStmt *stmt)
{
	switch (stmt->renameType)
	{
		case OBJECT_COLUMN:
			column_renamed(stmt);
			break;
		case OBJECT_TABLE:
		case OBJECT_VIEW:		/* ALTER VIEW and ALTER INDEX take tables too */
		case OBJECT_INDEX:
		case OBJECT_SCHEMA:
		case OBJECT_ROLE:
			lg_registry_follow_names();
			break;
		default:
			break;
	}
}

/* Triggers were enabled: ours fire on replicas too, whatever was said. */
static void
keep_always(Oid relid)
{
	Oid			types[] = {OIDOID};
	Datum		values[1];

	if (!OidIsValid(relid))
		return;
	values[0] = ObjectIdGetDatum(relid);
	(void) lg_registry_execute("SELECT listguard._keep_always($1)", 1, types, values);
}

/* One of our functions (root, child), as the extension's owner. */
static void
call(const char *sql, Oid root, Oid child)
{
	Oid			types[] = {OIDOID, OIDOID};
	Datum		values[2];

	values[0] = ObjectIdGetDatum(root);
	values[1] = ObjectIdGetDatum(child);
	(void) lg_registry_execute(sql, 2, types, values);
}

/*
 * attached
 *		A table has a parent: it comes under the parent's protection.  One that
 *		is protected itself would be read through the parent past its policies.
 */
static void
attached(Oid parent, Oid child)
{
	const LgProtected *protected = lg_protected_lookup(parent);
	Oid			root = protected != NULL ? protected->relid : InvalidOid;

	protected = lg_protected_lookup(child);
	if (protected != NULL && protected->relid != root)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("protected table \"%s\" cannot become a part of another table", get_rel_name(child)),
				 errdetail("Who reads the parent would pass its policies by.")));
	if (OidIsValid(root))
		call("SELECT listguard._attached($1, $2)", root, child);
}

/* A table has no parent any more: it stays under protection. */
static void
detached(Oid parent, Oid child)
{
	const LgProtected *protected = lg_protected_lookup(parent);

	if (protected != NULL && lg_protected_lookup(child) == NULL)
		call("SELECT listguard._detached($1, $2)", protected->relid, child);
}

static void
altered(AlterTableStmt *stmt)
{
	Oid			relid = relation_of(stmt->relation);
	ListCell   *lc;

	foreach(lc, stmt->cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

		switch (cmd->subtype)
		{
			case AT_AddColumn:
			case AT_AlterColumnType:
			case AT_DropColumn:
				catch_up(relid);
				break;
			case AT_AttachPartition:
				attached(relid, relation_of(((PartitionCmd *) cmd->def)->name));
				break;
			case AT_AddInherit:
				attached(relation_of((RangeVar *) cmd->def), relid);
				break;
			case AT_DetachPartition:
			case AT_DetachPartitionFinalize:
				detached(relid, relation_of(((PartitionCmd *) cmd->def)->name));
				break;
			case AT_DropInherit:
				detached(relation_of((RangeVar *) cmd->def), relid);
				break;
			case AT_EnableTrig:
			case AT_EnableTrigAll:
			case AT_EnableTrigUser:
			case AT_EnableReplicaTrig:
				keep_always(relid);
				break;
			default:
				break;
		}
	}
}

/* Tables by PARTITION OF or INHERITS. */
static void
created(CreateStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->inhRelations)
		catch_up(relation_of(lfirst_node(RangeVar, lc)));
}

/*
 * lg_policy_precede
 *		A command that gives new names is about to run: what the registry's names
 *		stand for has to be known before.
 */
void
lg_policy_precede(Node *stmt)
{
	if ((!IsA(stmt, RenameStmt) && !IsA(stmt, AlterObjectSchemaStmt)) ||
		lg_is_internal() || creating_extension || !IsTransactionState() ||
		RecoveryInProgress() || XactReadOnly || !lg_extension_present())
		return;
	lg_bind_names();
}

/*
 * lg_policy_follow
 *		A utility command has run: does it concern the registry?
 */
void
lg_policy_follow(Node *stmt)
{
	if (lg_is_internal() || creating_extension || !IsTransactionState())
		return;
	switch (nodeTag(stmt))
	{
		case T_RenameStmt:
		case T_AlterObjectSchemaStmt:
		case T_AlterTableStmt:
		case T_CreateStmt:
		case T_CreateForeignTableStmt:
			break;
		default:
			return;
	}
	if (!lg_extension_present())
		return;
	CommandCounterIncrement();
	if (IsA(stmt, RenameStmt))
		renamed((RenameStmt *) stmt);
	else if (IsA(stmt, AlterObjectSchemaStmt))
		lg_registry_follow_names();
	else if (IsA(stmt, AlterTableStmt))
		altered((AlterTableStmt *) stmt);
	else
		created((CreateStmt *) stmt);	/* CREATE FOREIGN TABLE begins with one */
}
