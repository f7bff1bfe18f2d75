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

#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "policy/grant.h"
#include "policy/home.h"
#include "policy/policy.h"

/* Attribute numbers of listguard.access_grant, see 10_catalog.sql. */
#define Anum_role		1
#define Anum_relation	2
#define Anum_privileges 3
#define Anum_list_no	4

/* What a role holds on one list. */
typedef struct ListEntry
{
	struct
	{
		Oid			relid;		/* relation as given to protect */
		int32		list_no;
	}			key;
	int			privs;			/* LG_PRIV_*, those on the whole relation left out */
} ListEntry;

/* ... and on a relation. */
typedef struct RelationEntry
{
	Oid			relid;			/* hash key */
	int			whole;			/* on every list, those to come included */
	int			any;			/* on some list */
} RelationEntry;

typedef struct UserEntry
{
	Oid			userid;			/* hash key */
	HTAB	   *lists;			/* ListEntry; NULL: it holds nothing */
	HTAB	   *relations;		/* RelationEntry */
} UserEntry;

static struct
{
	uint64		generation;
	HTAB	   *users;
	Oid			last_user;		/* lg_reveal_allowed's answer to its last question */
	int32		last_list;
	bool		last_reveal;
	Oid			any_user;		/* lg_grants_on_relation's */
	Oid			any_relid;
	int			any_held;
}			cache;

/* Used while grants are read: rows of one relation follow each other. */
typedef struct Loading
{
	UserEntry  *user;
	char	   *relation;
	Oid			relid;
} Loading;

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

static Oid
relation_of(Loading *loading, char *name)
{
	if (loading->relation == NULL || strcmp(loading->relation, name) != 0)
	{
		loading->relation = name;
		loading->relid = lg_resolve_relation(name);
	}
	return loading->relid;
}

static void
load_grant(HeapTuple tuple, TupleDesc desc, void *arg)
{
	Loading    *loading = arg;
	Oid			relid = relation_of(loading, lg_registry_text(tuple, Anum_relation, desc));
	int32		list_no = (int32) lg_registry_int(tuple, Anum_list_no, desc, 0);
	int			privs = privileges_of(tuple, desc);
	RelationEntry *relation;
	ListEntry  *list;
	ListEntry	probe;
	bool		found;

	if (!OidIsValid(relid))
		return;
	relation = hash_search(loading->user->relations, &relid, HASH_ENTER, &found);
	if (!found)
		relation->whole = relation->any = 0;
	relation->any |= privs;
	if (list_no == 0)
	{
		relation->whole |= privs;
		return;
	}
	memset(&probe, 0, sizeof(probe));
	probe.key.relid = relid;
	probe.key.list_no = list_no;
	list = hash_search(loading->user->lists, &probe.key, HASH_ENTER, &found);
	list->privs = found ? list->privs | privs : privs;
}

static HTAB *
make_hash(const char *name, Size keysize, Size entrysize)
{
	HASHCTL		ctl;

	memset(&ctl, 0, sizeof(ctl));
	ctl.keysize = keysize;
	ctl.entrysize = entrysize;
	ctl.hcxt = lg_registry_memory();
	return hash_create(name, 16, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static void
refresh(void)
{
	uint64		generation = lg_registry_refresh();

	if (cache.generation == generation)
		return;
	memset(&cache, 0, sizeof(cache));
	cache.users = make_hash("listguard users", sizeof(Oid), sizeof(UserEntry));
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

static void
note_role(HeapTuple tuple, TupleDesc desc, void *arg)
{
	*(char **) arg = lg_registry_text(tuple, Anum_role, desc);
}

/* The first role after this one that anything was granted to; NULL: none. */
static char *
next_role(const char *role)
{
	char	   *next = NULL;
	ScanKeyData key;

	ScanKeyEntryInitialize(&key, 0, Anum_role, BTGreaterStrategyNumber, InvalidOid, C_COLLATION_OID,
						   F_TEXT_GT, CStringGetTextDatum(role));
	lg_registry_first("access_grant", "access_grant_key", 1, &key, note_role, &next);
	return next;
}

/* All that was granted to a role by name. */
static void
load_grants(UserEntry *user, const char *role)
{
	Loading		loading = {user, NULL, InvalidOid};
	ScanKeyData key;

	ScanKeyEntryInitialize(&key, 0, Anum_role, BTEqualStrategyNumber, InvalidOid, C_COLLATION_OID,
						   F_TEXTEQ, CStringGetTextDatum(role));
	lg_registry_scan("access_grant", "access_grant_key", 1, &key, load_grant, &loading);
}

static void
load_user(void *arg)
{
	UserEntry  *user = arg;
	bool		is_superuser = superuser_arg(user->userid);
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext, "listguard grants", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(work);

	user->relations = make_hash("listguard relations of a user", sizeof(Oid), sizeof(RelationEntry));
	user->lists = make_hash("listguard lists of a user", sizeof(((ListEntry *) 0)->key), sizeof(ListEntry));
	for (char *role = next_role(""); role != NULL; role = next_role(role))
	{
		Oid			roleid = lg_resolve_role(role);

		if (OidIsValid(roleid) && holds(user->userid, is_superuser, roleid))
			load_grants(user, role);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(work);
}

/*
 * grants_of
 *		What a user holds.  Rows of roles that it is no member of are passed over
 *		by the index: there may be very many.
 */
static const UserEntry *
grants_of(Oid userid)
{
	UserEntry  *entry;
	UserEntry	user;

	refresh();
	entry = hash_search(cache.users, &userid, HASH_FIND, NULL);
	if (entry != NULL)
		return entry;
	user.userid = userid;
	lg_registry_at_one_moment(load_user, &user);
	entry = hash_search(cache.users, &userid, HASH_ENTER, NULL);
	*entry = user;
	return entry;
}

static const RelationEntry *
on_relation(const UserEntry *user, Oid relid)
{
	static const RelationEntry nothing = {InvalidOid, 0, 0};
	const RelationEntry *relation = hash_search(user->relations, &relid, HASH_FIND, NULL);

	return relation != NULL ? relation : &nothing;
}

/*
 * lg_grant_on_list
 *		Does the role hold all of privs (LG_PRIV_*) on this list?
 */
bool
lg_grant_on_list(Oid userid, int32 list_no, int privs)
{
	const LgList *list = lg_list_by_no(list_no);
	const UserEntry *user;
	const ListEntry *entry;
	ListEntry	probe;
	int			held;

	if (list == NULL || !OidIsValid(list->relid))
		return false;
	memset(&probe, 0, sizeof(probe));
	probe.key.relid = list->relid;
	probe.key.list_no = list_no;
	user = grants_of(userid);
	held = on_relation(user, probe.key.relid)->whole;
	entry = hash_search(user->lists, &probe.key, HASH_FIND, NULL);
	if (entry != NULL)
		held |= entry->privs;
	if ((privs & ~held) == LG_PRIV_BACKUP && superuser_arg(userid))
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
	int			held;

	if (!lg_extension_present())
		return 0;
	if (cache.generation == lg_registry_generation && cache.any_user == userid &&
		cache.any_relid == relid && OidIsValid(relid))
		return cache.any_held;
	held = on_relation(grants_of(userid), relid)->any;
	if (superuser_arg(userid))
		held |= LG_PRIV_BACKUP;
	cache.any_user = userid;
	cache.any_relid = relid;
	cache.any_held = held;
	return held;
}

/*
 * lg_grants_on_whole
 *		What the role holds on the relation as a whole, lists to come included
 *		(relid as given to protect).
 */
int
lg_grants_on_whole(Oid userid, Oid relid)
{
	if (!lg_extension_present())
		return 0;
	return on_relation(grants_of(userid), relid)->whole;
}

/*
 * lg_grant_anywhere
 *		Is there a list anywhere on which the role holds all of privs?
 */
bool
lg_grant_anywhere(Oid userid, int privs)
{
	const UserEntry *user;
	HASH_SEQ_STATUS scan;
	RelationEntry *relation;
	ListEntry  *list;
	bool		found = false;

	if (!lg_extension_present())
		return false;
	user = grants_of(userid);
	hash_seq_init(&scan, user->relations);
	while ((relation = hash_seq_search(&scan)) != NULL)
		found = found || (relation->whole & privs) == privs;
	if (found)
		return true;
	hash_seq_init(&scan, user->lists);
	while ((list = hash_seq_search(&scan)) != NULL)
		found = found || ((list->privs | on_relation(user, list->key.relid)->whole) & privs) == privs;
	return found;
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

	/* A hot standby masks or seals: what is read there is on nobody's meter. */
	if (RecoveryInProgress())
		return false;
	if (cache.generation == lg_registry_generation && cache.last_list == list_no &&
		cache.last_user == userid && list_no != 0)
		return cache.last_reveal;
	allowed = !lg_home_copied() && lg_grant_on_list(userid, list_no, LG_PRIV_REVEAL);
	cache.last_user = userid;
	cache.last_list = list_no;
	cache.last_reveal = allowed;
	return allowed;
}
