/*-------------------------------------------------------------------------
 *
 * compat.h
 *		What moved between PostgreSQL 15 and 19.  The only place with
 *		PG_VERSION_NUM; each block names the change it answers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_COMPAT_H
#define LG_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM >= 200000
#error "listguard supports PostgreSQL 15 to 19"
#endif

/* 16 split variable-length macros out of postgres.h. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* 18 writes pg_noreturn before a declaration where pg_attribute_noreturn() stood behind it. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn	__attribute__((noreturn))
#endif

/* 17 replaced BackendId (1-based) by ProcNumber (0-based). */
#if PG_VERSION_NUM >= 170000
#include "storage/procnumber.h"
#define LG_MY_PROC_INDEX()	((int) MyProcNumber)
#define LG_NO_PROC_INDEX	INVALID_PROC_NUMBER
#else
#include "storage/backendid.h"
#define LG_MY_PROC_INDEX()	(MyProc->pgprocno)
#define LG_NO_PROC_INDEX	InvalidBackendId
#endif

/* 17 moved the local transaction id into vxid. */
#if PG_VERSION_NUM >= 170000
#define LG_MY_LXID()	(MyProc->vxid.lxid)
#else
#define LG_MY_LXID()	(MyProc->lxid)
#endif

/* 18 removed execute_once from ExecutorRun. */
#if PG_VERSION_NUM >= 180000
#define LG_EXECUTOR_RUN_ARGS	QueryDesc *queryDesc, ScanDirection direction, uint64 count
#define LG_EXECUTOR_RUN_PASS	queryDesc, direction, count
#define LG_RUN_WHOLE(desc)		desc, ForwardScanDirection, 0
#else
#define LG_EXECUTOR_RUN_ARGS	QueryDesc *queryDesc, ScanDirection direction, uint64 count, bool execute_once
#define LG_EXECUTOR_RUN_PASS	queryDesc, direction, count, execute_once
#define LG_RUN_WHOLE(desc)		desc, ForwardScanDirection, 0, true
#endif

/* 16 moved settings into a memory context of their own: "extra" is freed by guc_free. */
#if PG_VERSION_NUM >= 160000
#include "utils/guc.h"
#define LG_GUC_MALLOC(size)	guc_malloc(LOG, size)
#else
#define LG_GUC_MALLOC(size)	malloc(size)
#endif

/* 19 gave planner_hook the EXPLAIN state. */
#if PG_VERSION_NUM >= 190000
#define LG_PLANNER_ARGS	Query *parse, const char *query_string, int cursorOptions, ParamListInfo boundParams, ExplainState *es
#define LG_PLANNER_PASS	parse, query_string, cursorOptions, boundParams, es
#else
#define LG_PLANNER_ARGS	Query *parse, const char *query_string, int cursorOptions, ParamListInfo boundParams
#define LG_PLANNER_PASS	parse, query_string, cursorOptions, boundParams
#endif

/* 16 moved permissions out of RangeTblEntry into RTEPermissionInfo. */
#if PG_VERSION_NUM >= 160000
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "parser/parse_relation.h"
static inline AclMode
lg_rte_required_perms(PlannedStmt *stmt, RangeTblEntry *rte, Oid *check_as_user)
{
	RTEPermissionInfo *info;

	*check_as_user = InvalidOid;
	if (rte->perminfoindex == 0)
		return 0;
	info = getRTEPermissionInfo(stmt->permInfos, rte);
	*check_as_user = info->checkAsUser;
	return info->requiredPerms;
}
#else
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
static inline AclMode
lg_rte_required_perms(PlannedStmt *stmt, RangeTblEntry *rte, Oid *check_as_user)
{
	(void) stmt;
	*check_as_user = rte->checkAsUser;
	return rte->requiredPerms;
}
#endif

/* 16 lets an input function tell bad input without throwing; soft may be any node. */
#if PG_VERSION_NUM >= 160000
#include "nodes/miscnodes.h"
#define lg_errsave(soft, ...)	errsave(soft, __VA_ARGS__)
#else
#define lg_errsave(soft, ...)	do { (void) (soft); ereport(ERROR, __VA_ARGS__); } while (0)
#endif

/* 16 added right anti joins. */
#if PG_VERSION_NUM >= 160000
#define lg_is_right_anti(jointype)	((jointype) == JOIN_RIGHT_ANTI)
#else
#define lg_is_right_anti(jointype)	false
#endif

/* 19 keeps result relations as a set. */
#if PG_VERSION_NUM >= 190000
#define lg_is_result_relation(stmt, rti)	bms_is_member((int) (rti), (stmt)->resultRelationRelids)
#else
#define lg_is_result_relation(stmt, rti)	list_member_int((stmt)->resultRelations, (int) (rti))
#endif

/* 19 lets COPY TO read a partitioned table, as a SELECT from all of it. */
#define LG_COPY_TO_PARTITIONED	(PG_VERSION_NUM >= 190000)

/* 19 gave table_beginscan flags of the caller's. */
#if PG_VERSION_NUM >= 190000
#define lg_table_beginscan(rel, snapshot)	table_beginscan(rel, snapshot, 0, NULL, 0)
#else
#define lg_table_beginscan(rel, snapshot)	table_beginscan(rel, snapshot, 0, NULL)
#endif

/* 19 dropped the initial size of a shared hash table. */
#if PG_VERSION_NUM >= 190000
#define lg_shmem_init_hash(name, max_size, ctl, flags)	ShmemInitHash(name, max_size, ctl, flags)
#else
#define lg_shmem_init_hash(name, max_size, ctl, flags)	ShmemInitHash(name, max_size, max_size, ctl, flags)
#endif

/* 19 has one format of COPY where flags were. */
#if PG_VERSION_NUM >= 190000
#define lg_copy_is_binary(opts)	((opts).format == COPY_FORMAT_BINARY)
#else
#define lg_copy_is_binary(opts)	((opts).binary)
#endif

/*
 * 16 tells which indexes an update needs entries in; 19 gave table_tuple_update
 * options and ExecInsertIndexTuples flags, and table_beginscan_tidrange flags.
 */
#if PG_VERSION_NUM >= 160000
#define LgUpdateIndexes	TU_UpdateIndexes
#define lg_updates_indexes(u)	((u) != TU_None)
#define lg_updates_summaries(u)	((u) == TU_Summarizing)
#else
#define LgUpdateIndexes	bool
#define lg_updates_indexes(u)	(u)
#define lg_updates_summaries(u)	false
#endif
#if PG_VERSION_NUM >= 190000
#define lg_table_tuple_update(rel, tid, slot, cid, snapshot, wait, tmfd, lockmode, update_indexes) \
	table_tuple_update(rel, tid, slot, cid, 0, snapshot, InvalidSnapshot, wait, tmfd, lockmode, update_indexes)
#define lg_insert_new_index_tuples(rri, slot, estate)	ExecInsertIndexTuples(rri, estate, 0, slot, NIL, NULL)
#define lg_insert_index_tuples(rri, slot, estate, u) \
	ExecInsertIndexTuples(rri, estate, EIIT_IS_UPDATE | (lg_updates_summaries(u) ? EIIT_ONLY_SUMMARIZING : 0), slot, NIL, NULL)
#define lg_table_beginscan_tidrange(rel, snapshot, from, to)	table_beginscan_tidrange(rel, snapshot, from, to, 0)
#else
#define lg_table_tuple_update(rel, tid, slot, cid, snapshot, wait, tmfd, lockmode, update_indexes) \
	table_tuple_update(rel, tid, slot, cid, snapshot, InvalidSnapshot, wait, tmfd, lockmode, update_indexes)
#if PG_VERSION_NUM >= 160000
#define lg_insert_new_index_tuples(rri, slot, estate)	ExecInsertIndexTuples(rri, slot, estate, false, false, NULL, NIL, false)
#define lg_insert_index_tuples(rri, slot, estate, u) \
	ExecInsertIndexTuples(rri, slot, estate, true, false, NULL, NIL, lg_updates_summaries(u))
#else
#define lg_insert_new_index_tuples(rri, slot, estate)	ExecInsertIndexTuples(rri, slot, estate, false, false, NULL, NIL)
#define lg_insert_index_tuples(rri, slot, estate, u) \
	ExecInsertIndexTuples(rri, slot, estate, true, false, NULL, NIL)
#endif
#define lg_table_beginscan_tidrange(rel, snapshot, from, to)	table_beginscan_tidrange(rel, snapshot, from, to)
#endif

/* 19 has no strings but standard-conforming ones. */
#if PG_VERSION_NUM >= 190000
#define lg_standard_strings()	true
#else
#define lg_standard_strings()	standard_conforming_strings
#endif

#endif							/* LG_COMPAT_H */
