/*-------------------------------------------------------------------------
 *
 * policy.h
 *		What the files of src/policy share; registry.h is for the others.
 *
 * All caches live in one memory context that lg_registry_refresh() empties
 * when the registry has changed.  Only entry points call it: code that is
 * filling a cache must not lose it half-way.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_POLICY_H
#define LG_POLICY_H

#include "compat.h"

#include "access/htup_details.h"
#include "access/skey.h"

#include "policy/binding.h"
#include "policy/registry.h"

/* registry.c: the number of the generation that the caches now hold. */
extern uint64 lg_registry_refresh(void);
extern uint64 lg_registry_loaded(void);	/* the same, without emptying anything */
extern MemoryContext lg_registry_memory(void);

/* registry.c: every row of a registry table, by an index of it or (NULL) all. */
typedef void (*LgRowVisitor) (HeapTuple tuple, TupleDesc desc, void *arg);
extern void lg_registry_scan(const char *table, const char *index, int nkeys, ScanKey keys,
							 LgRowVisitor visit, void *arg);
extern void lg_registry_first(const char *table, const char *index, int nkeys, ScanKey keys,
							  LgRowVisitor visit, void *arg);
extern void lg_registry_at_one_moment(void (*body) (void *arg), void *arg);
extern char *lg_registry_text(HeapTuple tuple, int attnum, TupleDesc desc);
extern int64 lg_registry_int(HeapTuple tuple, int attnum, TupleDesc desc, int64 if_null);

/* binding.c: what a registry row's name means now; InvalidOid: nothing. */
extern Oid	lg_resolve_relation(const char *name);
extern Oid	lg_resolve_role(const char *name);

/* binding.c: run one statement of ours as the extension's owner, by SPI. */
extern uint64 lg_registry_execute(const char *sql, int nargs, Oid *types, Datum *values);

/* list.c: a random number that no list of this database has or had. */
extern int32 lg_list_unused_number(void);

#endif							/* LG_POLICY_H */
