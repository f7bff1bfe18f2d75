/*-------------------------------------------------------------------------
 *
 * binding.h
 *		Names and oids; see binding.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_BINDING_H
#define LG_BINDING_H

#include "listguard.h"

/* After a RENAME or SET SCHEMA, in the same transaction. */
extern void lg_registry_follow_names(void);

/* quote_ident(schema).quote_ident(table), palloc'd; NULL if the relation is gone. */
extern char *lg_relation_name(Oid relid);

#endif							/* LG_BINDING_H */
