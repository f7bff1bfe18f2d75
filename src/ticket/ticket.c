/*-------------------------------------------------------------------------
 *
 * ticket.c
 *		The ticket in force in a transaction: carried, covering, counted.
 *
 * It is bound to the local transaction id: COMMIT and ROLLBACK inside a
 * procedure end it too.  It lies in TopTransactionContext and belongs to no
 * subtransaction, so that ROLLBACK TO gives no row back.
 *
 * Locking: none; burn.c has its own.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "audit/audit.h"
#include "errcodes.h"
#include "guc.h"
#include "ticket/store.h"

#define EPOCH_SHIFT	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

PG_FUNCTION_INFO_V1(listguard_present_ticket);

/* All of these count only while lxid is the current transaction's. */
static LocalTransactionId current_lxid = InvalidLocalTransactionId;
static LgTicket *current = NULL;
static char *carried = NULL;	/* text of the setting that current was made from */

int64
lg_ticket_now(void)
{
	return GetCurrentTimestamp() + EPOCH_SHIFT;
}

/*
 * refuse
 *		One message for all reasons; the reason is for the auditor.
 */
pg_noreturn static void
refuse(const uint8 *jti, const char *reason)
{
	LgEvent		ev;
	pg_uuid_t	id;
	StringInfoData detail;

	initStringInfo(&detail);
	appendStringInfoString(&detail, "{\"reason\": ");
	escape_json(&detail, reason);
	appendStringInfoChar(&detail, '}');

	lg_event_init(&ev, LG_EV_TICKET, LG_OUT_REFUSED);
	ev.ticket = jti;
	ev.sqlstate = ERRCODE_LG_TICKET;
	ev.detail = detail.data;
	memset(&id, 0, sizeof(id));
	lg_audit_refusal(&ev, &id);
	ereport(ERROR,
			(errcode(ERRCODE_LG_TICKET),
			 errmsg("export ticket rejected"),
			 errhint("Ask for a new one with listguard.request_export(); an auditor finds the reason in event %s.",
					 DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&id))))));
}

/* See store.h. */
void
lg_ticket_refuse(const LgClaims *claims, const char *reason)
{
	refuse(claims ? claims->jti : NULL, reason);
}

/*
 * refuse_prepare
 *		A prepared transaction would outlive the session that the ticket is
 *		bound to.
 */
static void
refuse_prepare(XactEvent event, void *arg)
{
	(void) arg;
	if (event == XACT_EVENT_PRE_PREPARE && current != NULL && current_lxid == LG_MY_LXID())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot prepare a transaction that used an export ticket")));
}

/* Put a verified ticket in force. */
static void
set_current(LgTicket *ticket)
{
	static bool registered = false;

	if (!registered)
	{
		RegisterXactCallback(refuse_prepare, NULL);
		registered = true;
	}
	current = ticket;
}

/* Forget what belongs to a transaction that is over (its memory is gone). */
static void
forget_old(void)
{
	if (current_lxid == LG_MY_LXID())
		return;
	current_lxid = LG_MY_LXID();
	current = NULL;
	carried = NULL;
}

/*
 * split
 *		Take a setting apart at single spaces, in a copy; number of tokens.
 *
 * One more than LG_TICKET_TOKENS_MAX stands for any larger number.
 */
static int
split(char **tokens, char *text)
{
	int			n = 0;

	for (;;)
	{
		char	   *space = strchr(text, ' ');

		if (n >= LG_TICKET_TOKENS_MAX)
			return LG_TICKET_TOKENS_MAX + 1;
		tokens[n++] = text;
		if (space == NULL)
			return n;
		*space = '\0';
		text = space + 1;
	}
}

static void
take_up_setting(const char *setting)
{
	char	   *tokens[LG_TICKET_TOKENS_MAX];
	int			n = split(tokens, pstrdup(setting));

	set_current(lg_ticket_verify(tokens, n));
	carried = MemoryContextStrdup(TopTransactionContext, setting);
}

/*
 * lg_ticket_current
 *		See ticket.h.
 *
 * A setting changed within the transaction is another ticket: it is verified,
 * burnt, and takes the old one's place.
 */
LgTicket *
lg_ticket_current(void)
{
	bool		stale;
	const char *setting;

	forget_old();
	setting = lg_ticket_setting(&stale);
	if (setting != NULL && (carried == NULL || strcmp(carried, setting) != 0))
		take_up_setting(setting);
	if (current != NULL && current->login != GetSessionUserId())
		refuse(current->jti, "the session user changed under it");
	return current;
}

/* Does lg:cols name every sealed column of the relation? */
static bool
has_all_columns(const LgTicket *ticket, Oid relid)
{
	const LgProtected *prot;

	if (ticket->n_cols == 0)
		return true;
	prot = lg_protected_lookup(relid);
	if (prot == NULL)
		return false;
	for (int i = 0; i < prot->n_sealed; i++)
	{
		int			k = 0;

		while (k < ticket->n_cols && strcmp(prot->sealed[i], ticket->cols[k]) != 0)
			k++;
		if (k == ticket->n_cols)
			return false;
	}
	return true;
}

/*
 * lg_ticket_covers
 *		Does the ticket open this list to the current user?
 *
 * A ticket that leaves out a sealed column of the relation covers nothing of
 * it: whether that column is read is not asked here.  The current user needs
 * "export" at this moment, whoever presented the ticket.
 */
bool
lg_ticket_covers(const LgTicket *ticket, Oid relid, int32 list_no)
{
	if (ticket == NULL || list_no == 0)
		return false;
	for (int i = 0; i < ticket->n_scopes; i++)
	{
		const LgTicketScope *scope = &ticket->scopes[i];

		if (scope->relid == relid && (scope->whole || scope->list_no == list_no))
			return has_all_columns(ticket, relid) &&
				lg_grant_on_list(GetUserId(), list_no, LG_PRIV_EXPORT);
	}
	return false;
}

bool
lg_ticket_touches(const LgTicket *ticket, Oid relid)
{
	for (int i = 0; ticket != NULL && i < ticket->n_scopes; i++)
	{
		if (ticket->scopes[i].relid == relid)
			return true;
	}
	return false;
}

/* The approvers are looked at again only when the registry has changed. */
static void
recheck_approvers(LgTicket *ticket)
{
	uint64		generation = lg_registry_generation;

	if (ticket->generation == generation)
		return;
	for (int i = 0; i < ticket->n_kids; i++)
	{
		LgApprover	approver;

		if (!lg_approver_by_kid(&approver, ticket->kids[i]) || !lg_approver_in_force(&approver))
			refuse(ticket->jti, "the approver was revoked while it was in force");
	}
	ticket->generation = generation;
}

int64
lg_ticket_left(LgTicket *ticket)
{
	if (ticket->exp <= lg_ticket_now())
		refuse(ticket->jti, "it expired while it was in force");
	if (ticket->login != GetSessionUserId())
		refuse(ticket->jti, "the session user changed under it");
	recheck_approvers(ticket);
	return ticket->max_rows - ticket->used;
}

bool
lg_ticket_take(LgTicket *ticket, int64 n)
{
	if (n < 0 || n > ticket->max_rows - ticket->used)
		return false;
	ticket->used += n;
	return true;
}

const uint8_t *
lg_ticket_jti(const LgTicket *ticket)
{
	return ticket->jti;
}

/*
 * listguard_present_ticket
 *		present_ticket(VARIADIC text[]): the tokens count for the rest of this
 *		transaction, in place of any other.  LG003.
 */
Datum
listguard_present_ticket(PG_FUNCTION_ARGS)
{
	char	   *tokens[LG_TICKET_TOKENS_MAX];
	Datum	   *elems;
	bool	   *nulls;
	int			n;

	lg_require_preload();
	forget_old();
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, -1, false, TYPALIGN_INT, &elems, &nulls, &n);
	for (int i = 0; i < n && i < LG_TICKET_TOKENS_MAX; i++)
	{
		if (nulls[i])
			lg_ticket_refuse(NULL, "a token is null");
		tokens[i] = TextDatumGetCString(elems[i]);
	}
	set_current(lg_ticket_verify(tokens, n));
	PG_RETURN_VOID();
}
