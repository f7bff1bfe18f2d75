/*-------------------------------------------------------------------------
 *
 * grant.c
 *		Who may do what with which list.
 *
 * What a role holds, memberships with INHERIT included, is worked out once per
 * role and generation of the registry.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "policy/grant.h"
#include "policy/policy.h"

/* Attribute numbers of listguard.access_grant, see 10_catalog.sql. */
#define Anum_role		1
#define Anum_relation	2
#define Anum_privileges 3
#define Anum_list_no	4

/* One row whose names resolve. */
typedef struct Grant
{
	Oid			roleid;
	Oid			relid;
	int32		list_no;		/* 0: every list of the relation */
	int			privs;			/* LG_PRIV_* */
} Grant;

typedef struct UserEntry
{
	Oid			userid;			/* hash key */
	List	   *grants;			/* of Grant *, those that the role holds */
} UserEntry;

static struct
{
	uint64		generation;
	List	   *all;			/* of Grant * */
	HTAB	   *users;
	Oid			last_user;		/* lg_reveal_allowed's answer to its last question */
	int32		last_list;
	bool		last_reveal;
}			cache;

static const struct
{
	const char *name;
	int			bit;
}			privilege_names[] =
{
	{"view", LG_PRIV_VIEW},
	{"domain", LG_PRIV_DOMAIN},
	{"reveal", LG_PRIV_REVEAL},
	{"match", LG_PRIV_MATCH},
	{"insert", LG_PRIV_INSERT},
	{"update", LG_PRIV_UPDATE},
	{"delete", LG_PRIV_DELETE},
	{"export", LG_PRIV_EXPORT},
	{"backup", LG_PRIV_BACKUP},
};

/*
 * lg_privilege_bit
 *		LG_PRIV_* of a name as grant_access takes it; 0 if there is no such.
 */
int
lg_privilege_bit(const char *name)
{
	for (int i = 0; i < lengthof(privilege_names); i++)
		if (strcmp(privilege_names[i].name, name) == 0)
			return privilege_names[i].bit;
	return 0;
}

static int
privileges_of(HeapTuple tuple, TupleDesc desc)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, Anum_privileges, desc, &isnull);
	Datum	   *elems;
	bool	   *nulls;
	int			n;
	int			privs = 0;

	deconstruct_array(DatumGetArrayTypePCopy(value), TEXTOID, -1, false, TYPALIGN_INT, &elems, &nulls, &n);
	for (int i = 0; i < n; i++)
		if (!nulls[i])
			privs |= lg_privilege_bit(TextDatumGetCString(elems[i]));
	return privs;
}

static void
load_grant(HeapTuple tuple, TupleDesc desc, void *arg)
{
	MemoryContext old;
	Grant		grant;

	(void) arg;
	memset(&grant, 0, sizeof(grant));
	grant.roleid = lg_resolve_role(lg_registry_text(tuple, Anum_role, desc));
	grant.relid = lg_resolve_relation(lg_registry_text(tuple, Anum_relation, desc));
	grant.list_no = (int32) lg_registry_int(tuple, Anum_list_no, desc, 0);
	grant.privs = privileges_of(tuple, desc);
	if (!OidIsValid(grant.roleid) || !OidIsValid(grant.relid))
		return;
	old = MemoryContextSwitchTo(lg_registry_memory());
	cache.all = lappend(cache.all, memcpy(palloc(sizeof(grant)), &grant, sizeof(grant)));
	MemoryContextSwitchTo(old);
}

static void
refresh(void)
{
	uint64		generation = lg_registry_refresh();
	HASHCTL		ctl;

	if (cache.generation == generation)
		return;
	memset(&cache, 0, sizeof(cache));
	memset(&ctl, 0, sizeof(ctl));
	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(UserEntry);
	ctl.hcxt = lg_registry_memory();
	cache.users = hash_create("listguard users", 16, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	lg_registry_scan("access_grant", NULL, 0, NULL, load_grant, NULL);
	cache.generation = generation;
}

/*
 * holds
 *		Has the user what was granted to the role?
 *
 * Core answers yes for a superuser whatever the role: a superuser holds only
 * what was granted to it by name.
 */
static bool
holds(Oid userid, bool is_superuser, Oid roleid)
{
	if (is_superuser)
		return userid == roleid;
	return has_privs_of_role(userid, roleid);
}

static List *
grants_of(Oid userid)
{
	UserEntry  *entry;
	List	   *grants = NIL;
	bool		is_superuser;
	ListCell   *lc;
	MemoryContext old;

	refresh();
	entry = hash_search(cache.users, &userid, HASH_FIND, NULL);
	if (entry != NULL)
		return entry->grants;
	is_superuser = superuser_arg(userid);
	old = MemoryContextSwitchTo(lg_registry_memory());
	foreach(lc, cache.all)
		if (holds(userid, is_superuser, ((Grant *) lfirst(lc))->roleid))
			grants = lappend(grants, lfirst(lc));
	MemoryContextSwitchTo(old);
	entry = hash_search(cache.users, &userid, HASH_ENTER, NULL);
	entry->grants = grants;
	return grants;
}

/*
 * lg_grant_on_list
 *		Does the role hold all of privs (LG_PRIV_*) on this list?
 */
bool
lg_grant_on_list(Oid userid, int32 list_no, int privs)
{
	const LgList *list = lg_list_by_no(list_no);
	Oid			relid;
	int			held = 0;
	ListCell   *lc;

	if (list == NULL || !OidIsValid(list->relid))
		return false;
	relid = list->relid;
	foreach(lc, grants_of(userid))
	{
		Grant	   *grant = lfirst(lc);

		if (grant->relid == relid && (grant->list_no == 0 || grant->list_no == list_no))
			held |= grant->privs;
	}
	if (superuser_arg(userid))
		held |= LG_PRIV_BACKUP;
	return (held & privs) == privs;
}

/*
 * lg_grants_on_relation
 *		Union of what the role holds on lists of the relation (relid as given to
 *		protect).
 */
int
lg_grants_on_relation(Oid userid, Oid relid)
{
	int			held = 0;
	ListCell   *lc;

	if (!lg_extension_present())
		return 0;
	foreach(lc, grants_of(userid))
	{
		Grant	   *grant = lfirst(lc);

		if (grant->relid == relid)
			held |= grant->privs;
	}
	return superuser_arg(userid) ? held | LG_PRIV_BACKUP : held;
}

/*
 * lg_grants_on_whole
 *		What the role holds on the relation as a whole, lists to come included
 *		(relid as given to protect).
 */
int
lg_grants_on_whole(Oid userid, Oid relid)
{
	int			held = 0;
	ListCell   *lc;

	if (!lg_extension_present())
		return 0;
	foreach(lc, grants_of(userid))
	{
		Grant	   *grant = lfirst(lc);

		if (grant->relid == relid && grant->list_no == 0)
			held |= grant->privs;
	}
	return held;
}

/*
 * lg_grant_anywhere
 *		Is there a list anywhere on which the role holds all of privs?
 */
bool
lg_grant_anywhere(Oid userid, int privs)
{
	List	   *grants;
	ListCell   *lc;

	if (!lg_extension_present())
		return false;
	grants = grants_of(userid);
	foreach(lc, grants)
	{
		Grant	   *one = lfirst(lc);
		int			held = 0;
		ListCell   *other;

		foreach(other, grants)
		{
			Grant	   *grant = lfirst(other);

			if (grant->relid == one->relid && (grant->list_no == 0 || grant->list_no == one->list_no))
				held |= grant->privs;
		}
		if ((held & privs) == privs)
			return true;
	}
	return false;
}

static bool
bypasses_rls(Oid userid)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(userid));
	bool		bypasses;

	if (!HeapTupleIsValid(tuple))
		return false;
	bypasses = ((Form_pg_authid) GETSTRUCT(tuple))->rolbypassrls;
	ReleaseSysCache(tuple);
	return bypasses;
}

/*
 * lg_has_backup
 *		May the role take the whole database as it is stored?  Asked for every
 *		armour, so the last answer is kept for one generation of the registry.
 */
bool
lg_has_backup(Oid userid)
{
	static uint64 generation = 0;
	static Oid	last_user = InvalidOid;
	static bool last_answer = false;
	uint64		before = lg_registry_generation;
	bool		answer;

	if (generation == before && last_user == userid)
		return last_answer;
	answer = superuser_arg(userid) ||
		(bypasses_rls(userid) && lg_grant_anywhere(userid, LG_PRIV_BACKUP));
	/* Without the extension nothing would tell us of a change. */
	if (lg_extension_present() && before == lg_registry_generation)
	{
		generation = before;
		last_user = userid;
		last_answer = answer;
	}
	return answer;
}

/*
 * lg_is_admin
 *		Superuser or member of listguard_admin.
 */
bool
lg_is_admin(Oid userid)
{
	Oid			admin;

	if (superuser_arg(userid))
		return true;
	admin = get_role_oid("listguard_admin", true);
	return OidIsValid(admin) && has_privs_of_role(userid, admin);
}

/*
 * lg_reveal_allowed
 *		May the role see plaintext of this list?  Asked for every value.
 */
bool
lg_reveal_allowed(Oid userid, int32 list_no)
{
	bool		allowed;

	if (cache.generation == lg_registry_generation && cache.last_list == list_no &&
		cache.last_user == userid && list_no != 0)
		return cache.last_reveal;
	allowed = lg_grant_on_list(userid, list_no, LG_PRIV_REVEAL);
	cache.last_user = userid;
	cache.last_list = list_no;
	cache.last_reveal = allowed;
	return allowed;
}
