/*-------------------------------------------------------------------------
 *
 * domain.c
 *		Domains of addresses: domain(), and which columns keep a token of them.
 *
 * A value with a domain token is opened once per domain and backend: what was
 * found is remembered under the token, up to a number of domains; then all is
 * forgotten and begun anew.  Only what was opened and authenticated
 * goes in.  A value whose key is destroyed is not answered from it.
 *
 * Private to the backend: no locks.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <sodium.h>

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "common/normal.h"
#include "key/keyring.h"
#include "policy/home.h"
#include "policy/registry.h"
#include "type/type.h"

#define MAX_DOMAINS	65536		/* remembered at once; then all are forgotten */

/* A domain by its token. */
typedef struct Known
{
	uint64		token;			/* hash key: a token is as good as a hash */
	text	   *domain;
	char		status;
} Known;

#define SH_PREFIX known
#define SH_ELEMENT_TYPE Known
#define SH_KEY_TYPE uint64
#define SH_KEY token
#define SH_HASH_KEY(tb, key) ((uint32) (key))
#define SH_EQUAL(tb, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

static known_hash *domains = NULL;
static MemoryContext memory = NULL; /* of the table and the texts */
static uint8 domains_epoch = 0; /* of the index key that made the tokens in it */

/*
 * lg_domain_kept
 *		Does the list's table keep domain tokens?
 *
 * The answer for one list is remembered: values come in runs.
 */
bool
lg_domain_kept(int32 list_no)
{
	static uint64 generation = 0;
	static int32 last = 0;
	static bool kept = false;
	const LgList *list;
	const LgProtected *prot;

	if (last == list_no && generation == lg_registry_generation)
		return kept;
	list = lg_list_by_no(list_no);
	prot = list != NULL && OidIsValid(list->relid) ? lg_protected_lookup(list->relid) : NULL;
	kept = prot != NULL && prot->domain_columns != NIL;
	last = list_no;
	generation = lg_registry_generation;
	return kept;
}

/* 42501 unless the current user holds "domain" on the value's list. */
static void
check_privilege(uint32 key_id)
{
	static uint64 generation = 0;
	static Oid	userid = InvalidOid;
	static int32 allowed = 0;
	int32		list_no = lg_key_list(key_id);

	if (list_no > 0 && allowed == list_no && userid == GetUserId() && generation == lg_registry_generation)
		return;
	lg_home_require();
	if (!lg_grant_on_list(GetUserId(), list_no, LG_PRIV_DOMAIN))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for the domains of a list"),
				 errhint("Ask for \"domain\" on the list, with listguard.grant_access().")));
	allowed = list_no;
	userid = GetUserId();
	generation = lg_registry_generation;
}

static uint64
token_number(const LgValueView *view)
{
	uint64		number;

	memcpy(&number, view->domain_token, sizeof(number));
	return number;
}

/* What is remembered for a value's token; NULL if nothing. */
static const text *
recall(const LgValueView *view)
{
	Known	   *found;

	if (domains == NULL || view->domain_token == NULL || domains_epoch != view->epoch)
		return NULL;
	found = known_lookup(domains, token_number(view));
	return found != NULL ? found->domain : NULL;
}

static void
remember(const LgValueView *view, const text *domain)
{
	MemoryContext old;
	Known	   *entry;
	text	   *copy;
	bool		found;

	if (domains == NULL || domains_epoch != view->epoch || domains->members >= MAX_DOMAINS)
	{
		domains = NULL;
		if (memory == NULL)
			memory = AllocSetContextCreate(TopMemoryContext, "listguard domains", ALLOCSET_DEFAULT_SIZES);
		MemoryContextReset(memory);
		domains = known_create(memory, 256, NULL);
		domains_epoch = view->epoch;
	}
	old = MemoryContextSwitchTo(memory);
	copy = palloc(VARSIZE(domain));
	memcpy(copy, domain, VARSIZE(domain));
	entry = known_insert(domains, token_number(view), &found);
	entry->domain = copy;
	MemoryContextSwitchTo(old);
}

/*
 * open_domain
 *		Open a value and find its domain; XX001 if it is no address.
 */
static text *
open_domain(const LgValueView *view)
{
	char		normal[LG_NORMAL_BOUND(LG_MAX_ADDRESS_BYTES)];
	size_t		normal_len;
	size_t		domain_off;
	size_t		err_pos;
	size_t		len;
	const char *why;
	char	   *address = lg_sealed_open(view, &len);
	text	   *domain;

	if (GetDatabaseEncoding() != PG_UTF8)
		address = pg_server_to_any(address, (int) len, PG_UTF8);
	if (lg_address_normal(normal, sizeof(normal), &normal_len, &domain_off,
						  address, strlen(address), &err_pos, &why) != LG_OK)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("sealed value is not an address")));
	domain = cstring_to_text_with_len(normal + domain_off, (int) (normal_len - domain_off));
	sodium_memzero(normal, normal_len);
	sodium_memzero(address, strlen(address));
	pfree(address);
	return domain;
}

PG_FUNCTION_INFO_V1(listguard_email_domain);
PG_FUNCTION_INFO_V1(listguard_set_domain);

/*
 * listguard_email_domain
 *		The domain of an address, as lower-case A-labels: what mail statistics
 *		group by.  Not a reveal, but a privilege of its own (42501 without).
 */
Datum
listguard_email_domain(PG_FUNCTION_ARGS)
{
	const text *known = NULL;
	bool		live;
	text	   *domain;
	LgValueView view;

	lg_require_preload();
	lg_sealed_view(&view, (struct varlena *) PG_GETARG_VARLENA_PP(0));
	check_privilege(view.key_id);
	live = view.domain_token != NULL && lg_key_state(view.key_id) == LG_KEY_LIVE;
	if (live)
		known = recall(&view);
	if (known != NULL)
	{
		domain = palloc(VARSIZE(known));
		memcpy(domain, known, VARSIZE(known));
		PG_RETURN_TEXT_P(domain);
	}
	domain = open_domain(&view);
	if (live)
		remember(&view, domain);
	PG_RETURN_TEXT_P(domain);
}

/*
 * listguard_set_domain
 *		For protect: the same value with its domain token, or without.
 */
Datum
listguard_set_domain(PG_FUNCTION_ARGS)
{
	Datum		value = PG_GETARG_DATUM(0);

	lg_require_preload();
	lg_sealed_check_internal();
	PG_RETURN_DATUM(lg_sealed_place(value, lg_key_list(lg_sealed_key_id(value)),
									PG_GETARG_BOOL(1) ? LG_DOMAIN_YES : LG_DOMAIN_NO));
}
