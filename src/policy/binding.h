/*-------------------------------------------------------------------------
 *
 * binding.h
 *		For the utility guard: renames of what the registry names.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_BINDING_H
#define LG_BINDING_H

#include "listguard.h"

/*
 * After ALTER … RENAME or SET SCHEMA, in the same transaction.  Relations as
 * lg_relation_name() gives them (quoted schema.table), roles as plain names.
 */
extern void lg_registry_rename(bool is_role, const char *old_name, const char *new_name);

/* quote_ident(schema).quote_ident(table), palloc'd; NULL if the relation is gone. */
extern char *lg_relation_name(Oid relid);

#endif							/* LG_BINDING_H */
