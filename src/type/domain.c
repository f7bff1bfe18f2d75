/*-------------------------------------------------------------------------
 *
 * domain.c
 *		Domains of addresses: domain(), and which columns keep a token of them.
 *
 * A value with a domain token is opened once per domain and backend: what was
 * found is remembered under the token, in a table of fixed size where a new
 * domain takes the place of another.  Only what was opened and authenticated
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

#define SLOTS	4096			/* a power of two; 16 bytes each, and the domain */

/* The text of a domain by its token. */
typedef struct Slot
{
	uint8		token[LG_DOMAIN_TOKEN_BYTES];
	text	   *domain;			/* NULL: empty */
} Slot;

static Slot *slots = NULL;
static uint8 slots_epoch = 0;	/* of the index key that made the tokens in it */

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

/* The place of a value's domain; NULL if the value has no token. */
static Slot *
slot_for(const LgValueView *view)
{
	const uint8 *t = view->domain_token;

	if (t == NULL)
		return NULL;
	if (slots == NULL)
		slots = MemoryContextAllocZero(TopMemoryContext, SLOTS * sizeof(Slot));
	if (slots_epoch != view->epoch)
	{
		for (int i = 0; i < SLOTS; i++)
		{
			if (slots[i].domain != NULL)
				pfree(slots[i].domain);
			slots[i].domain = NULL;
		}
		slots_epoch = view->epoch;
	}
	return &slots[((t[0] << 8) | t[1]) & (SLOTS - 1)];
}

static void
remember(Slot *slot, const LgValueView *view, const text *domain)
{
	text	   *copy = MemoryContextAlloc(TopMemoryContext, VARSIZE(domain));

	memcpy(copy, domain, VARSIZE(domain));
	if (slot->domain != NULL)
		pfree(slot->domain);
	slot->domain = copy;
	memcpy(slot->token, view->domain_token, LG_DOMAIN_TOKEN_BYTES);
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
	Slot	   *slot;
	text	   *domain;
	LgValueView view;

	lg_require_preload();
	lg_sealed_view(&view, (struct varlena *) PG_GETARG_VARLENA_PP(0));
	check_privilege(view.key_id);
	slot = lg_key_state(view.key_id) == LG_KEY_LIVE ? slot_for(&view) : NULL;
	if (slot != NULL && slot->domain != NULL &&
		memcmp(slot->token, view.domain_token, LG_DOMAIN_TOKEN_BYTES) == 0)
	{
		domain = palloc(VARSIZE(slot->domain));
		memcpy(domain, slot->domain, VARSIZE(slot->domain));
		PG_RETURN_TEXT_P(domain);
	}
	domain = open_domain(&view);
	if (slot != NULL)
		remember(slot, &view, domain);
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
