/*-------------------------------------------------------------------------
 *
 * registry.h
 *		What is protected, which lists there are, who may do what: the
 *		backend's cached view of the registry tables.
 *
 * Pointers returned are valid until the next call that may look at the
 * catalogs (they live in a context that is dropped when the registry changes).
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_REGISTRY_H
#define LG_REGISTRY_H

#include "listguard.h"
#include "nodes/pg_list.h"
#include "utils/relcache.h"

#define LG_MAX_SEALED_COLUMNS	16

/* Bumped in this backend whenever anything a cache may rest on has changed. */
extern uint64 lg_registry_generation;
extern void lg_registry_install(void);	/* callbacks; once per backend, idempotent */

/* Is the extension installed in this database? Cached. */
extern bool lg_extension_present(void);
extern Oid	lg_extension_owner(void);	/* role that owns the extension */
extern Oid	lg_relation_oid(const char *relname);	/* of a table in schema listguard, cached */

/* ---- protected relations ---- */
typedef struct LgProtected
{
	Oid			relid;			/* the relation given to protect (root of its tree) */
	char	   *name;			/* quoted schema.table */
	int32		list_no;		/* the table's own number */
	char	   *list_column;	/* NULL: the table is one list */
	int			n_sealed;
	char	   *sealed[LG_MAX_SEALED_COLUMNS];
	List	   *domain_columns; /* of char *; addresses there carry a domain token */
	List	   *open_columns;	/* of char *; may be read without charge */
	int64		bulk_threshold; /* rows; -1: as listguard.bulk_threshold says now */
	bool		alert_only;		/* mode 'alert' */
	bool		audit_rows;		/* audit 'row' */
	bool		preparing;		/* mode 'prepare': protect_online is under way, nothing is guarded yet */
} LgProtected;

/* relid itself or an inheritance ancestor is protected; else NULL.  O(1) once cached. */
extern const LgProtected *lg_protected_lookup(Oid relid);
/* The same, and also a relation that protect_online is preparing: for its lists. */
extern const LgProtected *lg_registered_lookup(Oid relid);
/* Type oids of the three sealed types in this database (InvalidOid without the extension). */
extern Oid	lg_type_oid(int lg_type);	/* LG_TYPE_* */
extern int	lg_type_of(Oid typid);	/* LG_TYPE_*, or 0; domains and arrays not looked through */

/* ---- lists ---- */
typedef struct LgList
{
	int32		list_no;
	Oid			relid;			/* protected relation; InvalidOid: '-' or unresolved */
	char	   *relation;		/* text; NULL for '-' */
	char	   *value;			/* NULL: whole table or '-' */
	uint32		key_id;			/* current sealing key */
} LgList;

extern const LgList *lg_list_by_no(int32 list_no);	/* NULL if unknown */
extern const LgList *lg_list_find(Oid relid, const char *value);	/* value NULL: whole table */
/*
 * As lg_list_find, but makes list and key where there is none: in the worker's
 * own transaction, or in this one where protect ran in this one.  LG004 if the
 * worker does not answer within 10 s.
 */
extern int32 lg_list_ensure(Oid relid, const char *value);
/* In the current transaction, no look-up, no worker: the rows. Returns list_no. */
extern int32 lg_list_create(const char *relation, const char *value);
/* Worker's: LG_WORK_NEW_LIST, and what a restore left to be bound; in a transaction of its own. */
extern void lg_list_create_in_worker(Oid relid, const char *value);
extern void lg_bind_names(void);
/* "schema.table/value" as view lists shows it, palloc'd; percent-encoded value, no '#id'. */
extern char *lg_list_name(const LgList *list);

/* ---- grants (grant.c) ---- */
#define LG_PRIV_VIEW	0x001
#define LG_PRIV_DOMAIN	0x002
#define LG_PRIV_REVEAL	0x004
#define LG_PRIV_MATCH	0x008
#define LG_PRIV_INSERT	0x010
#define LG_PRIV_UPDATE	0x020
#define LG_PRIV_DELETE	0x040
#define LG_PRIV_EXPORT	0x080
#define LG_PRIV_BACKUP	0x100

/*
 * Does the role (by membership with INHERIT, has_privs_of_role) hold all of
 * privs on this list?  A superuser holds BACKUP only, unless granted by name.
 */
extern bool lg_grant_on_list(Oid userid, int32 list_no, int privs);
/* ... on any list of the relation (relid as given to protect)? Union of what it holds there. */
extern int	lg_grants_on_relation(Oid userid, Oid relid);
extern int	lg_grants_on_whole(Oid userid, Oid relid);
/* Any list anywhere on which the role holds all of privs? */
extern bool lg_grant_anywhere(Oid userid, int privs);
/* Superuser, or BYPASSRLS role granted backup. */
extern bool lg_has_backup(Oid userid);
/* Superuser or member of listguard_admin. */
extern bool lg_is_admin(Oid userid);
extern bool lg_reveal_allowed(Oid userid, int32 list_no);	/* cached single-entry fast path */

/* ---- limits (limit.c) ---- */
typedef enum LgScope
{
	LG_SCOPE_SESSION,
	LG_SCOPE_ROLE,
	LG_SCOPE_ACTOR
} LgScope;

typedef struct LgLimit
{
	LgScope		scope;
	Oid			roleid;			/* role the limit is set on */
	Oid			relid;			/* InvalidOid: all protected relations together */
	int64		max_rows;
	int64		window_usec;
} LgLimit;

/* Limits in force for a role now (expired ones left out); list of LgLimit *, cached. */
extern List *lg_limits_for(Oid userid);

#endif							/* LG_REGISTRY_H */
