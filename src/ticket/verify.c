/*-------------------------------------------------------------------------
 *
 * verify.c
 *		Is this ticket good? In the order of the contract, failing closed.
 *
 * Size, shape, base64url, footer, approver's key, signature; only then JSON;
 * audience, subject, lists, columns, clock, quorum; then the event, then every
 * jti is burnt, and only then is the ticket in force.  Every reason ends in
 * lg_ticket_refuse(): the presenter learns nothing from which one it was.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "miscadmin.h"
#include "mb/pg_wchar.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "audit/audit.h"
#include "policy/home.h"
#include "policy/policy.h"
#include "ticket/store.h"

#define CLOCK_LEEWAY	(60 * USECS_PER_SEC)	/* of iat and nbf */

typedef struct Token
{
	LgTokenParts parts;
	LgClaims	claims;
	LgApprover	approver;
} Token;

/* The tokens of one presentation; claims are malloc's and freed by a callback. */
typedef struct Bundle
{
	int			n;
	Token	   *tokens;
	MemoryContextCallback callback;
	LgExportPolicy policy;		/* the strictest of all relations named */
} Bundle;

static void
free_claims(void *arg)
{
	Bundle	   *bundle = arg;

	for (int i = 0; i < bundle->n; i++)
		lg_claims_free(&bundle->tokens[i].claims);
}

static Bundle *
make_bundle(int n)
{
	Bundle	   *bundle = palloc0(sizeof(Bundle));

	bundle->tokens = palloc0(n * sizeof(Token));
	bundle->n = n;
	bundle->callback.func = free_claims;
	bundle->callback.arg = bundle;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &bundle->callback);
	return bundle;
}

/* Size, shape, footer, key, signature. */
static void
open_token(Token *token, const char *text)
{
	size_t		len = strlen(text);

	if (len > LG_TOKEN_MAX)
		lg_ticket_refuse(NULL, "too long");
	if (lg_token_split(&token->parts, text, len) != LG_OK)
		lg_ticket_refuse(NULL, "not a token of ours by its shape");
	if (!lg_approver_by_kid(&token->approver, token->parts.kid))
		lg_ticket_refuse(NULL, "no approver has this key");
	if (lg_token_verify(&token->parts, token->approver.key) != LG_OK)
		lg_ticket_refuse(NULL, "the signature is wrong");
}

/* Names are compared as bytes: what is not ASCII is only the same in UTF-8. */
static void
check_encoding(const LgTokenParts *parts)
{
	if (GetDatabaseEncoding() == PG_UTF8)
		return;
	for (size_t i = 0; i < parts->message_len; i++)
	{
		if (IS_HIGHBIT_SET(parts->body[i]))
			lg_ticket_refuse(NULL, "not ASCII, in a database that is not UTF8");
	}
}

static void
read_claims(Token *token)
{
	const char *why = NULL;

	check_encoding(&token->parts);
	if (lg_claims_parse(&token->claims, token->parts.body, token->parts.message_len, &why) != LG_OK)
		lg_ticket_refuse(NULL, why ? why : "the claims cannot be read");
	if (token->claims.to != NULL)
		lg_ticket_refuse(&token->claims, "made for a recipient's key, which rows in clear do not honour");
	if (token->claims.until != 0)
		lg_ticket_refuse(&token->claims, "made for a campaign");
}

/* Is one of the two the other, or a member of it? */
static bool
are_entangled(Oid a, Oid b)
{
	return a == b || is_member_of_role_nosuper(a, b) || is_member_of_role_nosuper(b, a);
}

static void
check_approver(const Token *token)
{
	const LgApprover *approver = &token->approver;
	Oid			roleid;

	if (!lg_approver_in_force(approver))
		lg_ticket_refuse(&token->claims, "the approver is revoked or no longer valid");
	if (strcmp(token->claims.iss, approver->name) != 0)
		lg_ticket_refuse(&token->claims, "iss is not the name of the key's approver");
	if (approver->role == NULL)
		return;
	roleid = get_role_oid(approver->role, true);
	if (!OidIsValid(roleid))
		lg_ticket_refuse(&token->claims, "the approver's role does not exist");
	if (are_entangled(GetSessionUserId(), roleid) || are_entangled(GetUserId(), roleid))
		lg_ticket_refuse(&token->claims, "the requester approved it");
}

static void
check_parties(const Token *token)
{
	if (strcmp(token->claims.aud, lg_ticket_audience()) != 0)
		lg_ticket_refuse(&token->claims, "made for another database or node");
	if (strcmp(token->claims.sub, GetUserNameFromId(GetSessionUserId(), false)) != 0)
		lg_ticket_refuse(&token->claims, "made for another role");
}

/* The protected relation of that name, as given to protect, or NULL. */
static const LgProtected *
find_protected(const char *table)
{
	const LgProtected *prot = NULL;
	Oid			relid;

	if (!lg_extension_present())
		return NULL;
	(void) lg_registry_refresh();
	relid = lg_resolve_relation(table);
	if (OidIsValid(relid))
		prot = lg_protected_lookup(relid);
	if (prot == NULL || prot->relid != relid || strcmp(prot->name, table) != 0)
		return NULL;
	return prot;
}

/* "schema.table/" and a star: the number is the table's own. */
static bool
resolve_whole(LgTicketScope *scope, const LgListName *name)
{
	const LgProtected *prot = find_protected(name->table);

	if (prot == NULL || (uint32) prot->list_no != name->list_no)
		return false;
	scope->relid = prot->relid;
	scope->list_no = prot->list_no;
	scope->whole = true;
	return (lg_grants_on_relation(GetUserId(), scope->relid) & LG_PRIV_EXPORT) != 0;
}

/* The number decides, but a name beside it that is another list's is a fault. */
static bool
resolve_list(LgTicketScope *scope, const LgListName *name)
{
	const LgList *list = name->list_no <= PG_INT32_MAX ? lg_list_by_no((int32) name->list_no) : NULL;

	if (list == NULL || !OidIsValid(list->relid) || list->relation == NULL ||
		strcmp(list->relation, name->table) != 0 || name->has_value != (list->value != NULL))
		return false;
	if (name->has_value && strcmp(list->value, name->value) != 0)
		return false;
	scope->relid = list->relid;
	scope->list_no = list->list_no;
	scope->whole = false;
	return lg_grant_on_list(GetUserId(), scope->list_no, LG_PRIV_EXPORT);
}

/* Keep the strictest of the policies. */
static void
tighten(LgExportPolicy *all, const char *relation)
{
	LgExportPolicy one;

	lg_export_policy_read(&one, relation);
	all->quorum = Max(all->quorum, one.quorum);
	if (all->max_ttl == 0 || one.max_ttl < all->max_ttl)
		all->max_ttl = one.max_ttl;
	if (one.max_rows != 0 && (all->max_rows == 0 || one.max_rows < all->max_rows))
		all->max_rows = one.max_rows;
}

static LgTicketScope *
check_lists(const LgClaims *claims, LgExportPolicy *policy)
{
	LgTicketScope *scopes = palloc0(claims->n_lists * sizeof(LgTicketScope));

	for (int i = 0; i < claims->n_lists; i++)
	{
		LgListName	name;

		if (lg_list_name_parse(&name, claims->lists[i]) != LG_OK)
			lg_ticket_refuse(claims, "a list's name cannot be read");
		if (!(name.star ? resolve_whole(&scopes[i], &name) : resolve_list(&scopes[i], &name)))
			lg_ticket_refuse(claims, "a list is unknown here, or the role may not export it");
		tighten(policy, name.table);
	}
	if (policy->max_rows != 0 && claims->max_rows > policy->max_rows)
		lg_ticket_refuse(claims, "lg:max is over the export policy's");
	return scopes;
}

static bool
is_all_columns(const LgClaims *claims)
{
	return claims->n_cols == 1 && strcmp(claims->cols[0], "*") == 0;
}

static void
check_columns(const LgClaims *claims, const LgTicketScope *scopes)
{
	if (is_all_columns(claims))
		return;
	for (int i = 0; i < claims->n_cols; i++)
	{
		int			k = 0;

		while (k < claims->n_lists && get_attnum(scopes[k].relid, claims->cols[i]) <= 0)
			k++;
		if (k == claims->n_lists)
			lg_ticket_refuse(claims, "lg:cols names a column that none of the tables has");
	}
}

static void
check_clock(const LgClaims *claims, const LgExportPolicy *policy)
{
	const int64 now = lg_ticket_now();

	if (claims->exp <= now)
		lg_ticket_refuse(claims, "expired");
	if (claims->iat > now + CLOCK_LEEWAY || claims->nbf > now + CLOCK_LEEWAY)
		lg_ticket_refuse(claims, "not valid yet");
	if (claims->exp - claims->iat > policy->max_ttl)
		lg_ticket_refuse(claims, "valid for longer than the export policy allows");
}

/* lg:req, where there is one, is the digest of a stored request that says the same. */
static void
check_request(const LgClaims *claims)
{
	uint8		id[LG_REQUEST_ID_BYTES];
	char		digest[65];

	if (claims->req == NULL)
		return;
	if (!lg_request_find(id, claims->req, claims->sub))
		lg_ticket_refuse(claims, "lg:req is not a stored request of this role");
	lg_request_digest(digest, id, claims);
	if (strcmp(digest, claims->req) != 0)
		lg_ticket_refuse(claims, "it says something else than the stored request");
}

/* Distinct persons and jtis, one request, enough of them. */
static void
check_quorum(const Bundle *bundle)
{
	const LgClaims *first = &bundle->tokens[0].claims;

	if (bundle->n < bundle->policy.quorum)
		lg_ticket_refuse(first, "fewer approvers than the export policy asks for");
	if (bundle->policy.quorum > 1 && first->req == NULL)
		lg_ticket_refuse(first, "lg:req is missing where the quorum is over 1");
	for (int i = 1; i < bundle->n; i++)
	{
		const Token *token = &bundle->tokens[i];

		if (first->req == NULL || token->claims.req == NULL || strcmp(first->req, token->claims.req) != 0)
			lg_ticket_refuse(&token->claims, "the tokens are not over one request");
		for (int k = 0; k < i; k++)
		{
			if (strcmp(bundle->tokens[k].approver.person, token->approver.person) == 0)
				lg_ticket_refuse(&token->claims, "one person approved twice");
			if (memcmp(bundle->tokens[k].claims.jti, token->claims.jti, sizeof(first->jti)) == 0)
				lg_ticket_refuse(&token->claims, "two tokens have one jti");
		}
	}
}

static LgTicket *
make_ticket(const Bundle *bundle, const LgTicketScope *scopes)
{
	const LgClaims *claims = &bundle->tokens[0].claims;
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	LgTicket   *ticket = palloc0(sizeof(LgTicket));

	ticket->login = GetSessionUserId();
	memcpy(ticket->jti, claims->jti, sizeof(ticket->jti));
	ticket->max_rows = claims->max_rows;
	ticket->exp = claims->exp;
	ticket->n_scopes = claims->n_lists;
	ticket->scopes = palloc(claims->n_lists * sizeof(LgTicketScope));
	memcpy(ticket->scopes, scopes, claims->n_lists * sizeof(LgTicketScope));
	ticket->n_cols = is_all_columns(claims) ? 0 : claims->n_cols;
	ticket->cols = palloc0((claims->n_cols + 1) * sizeof(char *));
	for (int i = 0; i < ticket->n_cols; i++)
		ticket->cols[i] = pstrdup(claims->cols[i]);
	ticket->n_kids = bundle->n;
	for (int i = 0; i < bundle->n; i++)
	{
		ticket->exp = Min(ticket->exp, bundle->tokens[i].claims.exp);
		strlcpy(ticket->kids[i], bundle->tokens[i].parts.kid, sizeof(ticket->kids[i]));
	}
	MemoryContextSwitchTo(old);
	return ticket;
}

/* Who approved what; a purpose that could hold an address is left out. */
static char *
event_detail(const Bundle *bundle)
{
	const LgClaims *claims = &bundle->tokens[0].claims;
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfo(&out, "{\"max\": " INT64_FORMAT ", \"approvers\": [", claims->max_rows);
	for (int i = 0; i < bundle->n; i++)
	{
		if (i > 0)
			appendStringInfoString(&out, ", ");
		escape_json(&out, bundle->tokens[i].approver.name);
	}
	appendStringInfoChar(&out, ']');
	if (strchr(claims->purpose, '@') == NULL)
	{
		appendStringInfoString(&out, ", \"purpose\": ");
		escape_json(&out, claims->purpose);
	}
	appendStringInfoChar(&out, '}');
	return out.data;
}

static void
record_acceptance(const Bundle *bundle, const LgTicket *ticket)
{
	LgListName	name;
	LgEvent		ev;

	lg_event_init(&ev, LG_EV_TICKET, LG_OUT_OK);
	if (lg_list_name_parse(&name, bundle->tokens[0].claims.lists[0]) == LG_OK)
		ev.relation = name.table;
	ev.n_lists = Min(ticket->n_scopes, LG_EVENT_LISTS_MAX);
	for (int i = 0; i < ev.n_lists; i++)
		ev.lists[i] = ticket->scopes[i].list_no;
	ev.ticket = ticket->jti;
	ev.detail = event_detail(bundle);
	lg_audit_event(&ev, LG_SYNCED, NULL);
}

/*
 * burn_all
 *		Record, then burn.  A ticket that is known to be used gets no "ok" event;
 *		the loser of a race gets one, and a refusal after it.
 */
static void
burn_all(const Bundle *bundle, const LgTicket *ticket)
{
	for (int i = 0; i < bundle->n; i++)
	{
		const LgClaims *claims = &bundle->tokens[i].claims;

		if (lg_burn_known(claims->jti))
			lg_ticket_refuse(claims, lg_burn_reason());
	}
	record_acceptance(bundle, ticket);
	for (int i = 0; i < bundle->n; i++)
	{
		const LgClaims *claims = &bundle->tokens[i].claims;

		if (!lg_burn(claims->jti, claims->exp))
			lg_ticket_refuse(claims, lg_burn_reason());
	}
}

static LgTicket *
verify_bundle(Bundle *bundle, char **texts)
{
	uint64		generation = lg_registry_generation;
	LgTicketScope *scopes = NULL;
	LgTicket   *ticket;

	for (int i = 0; i < bundle->n; i++)
	{
		Token	   *token = &bundle->tokens[i];

		open_token(token, texts[i]);
		read_claims(token);
		check_approver(token);
		check_parties(token);
		scopes = check_lists(&token->claims, &bundle->policy);
		check_columns(&token->claims, scopes);
		check_clock(&token->claims, &bundle->policy);
		check_request(&token->claims);
	}
	check_quorum(bundle);
	ticket = make_ticket(bundle, scopes);
	ticket->generation = generation;
	burn_all(bundle, ticket);
	return ticket;
}

/* A copy that nobody has adopted takes no ticket: 55000, and its own hint. */
static void
refuse_in_copy(void)
{
	LgEvent		ev;

	if (!lg_home_copied())
		return;
	lg_event_init(&ev, LG_EV_TICKET, LG_OUT_REFUSED);
	ev.sqlstate = ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
	ev.detail = "{\"reason\": \"the database is a copy\"}";
	lg_audit_refusal(&ev, NULL);
	lg_home_require();
}

/*
 * lg_ticket_verify
 *		The ticket of these tokens, verified, on record and burnt.
 *
 * LG003; LG005 if its use cannot be put on record.
 */
LgTicket *
lg_ticket_verify(char **tokens, int n_tokens)
{
	MemoryContext work;
	MemoryContext old;
	LgTicket   *ticket;

	lg_require_preload();
	refuse_in_copy();
	if (n_tokens < 1 || n_tokens > LG_TICKET_TOKENS_MAX)
		lg_ticket_refuse(NULL, "no token, or too many");
	work = AllocSetContextCreate(CurrentMemoryContext, "listguard ticket", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(work);
	ticket = verify_bundle(make_bundle(n_tokens), tokens);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(work);
	return ticket;
}
