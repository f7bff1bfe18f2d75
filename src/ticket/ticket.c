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
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/timestamp.h"

#include "audit/audit.h"
#include "errcodes.h"
#include "guc.h"
#include "ticket/store.h"

/* The statement's own text may carry tokens, for clients in autocommit. */
#define COMMENT_BEGIN	"/*listguard_ticket='"
#define COMMENT_END		"'*/"

#define EPOCH_SHIFT	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

PG_FUNCTION_INFO_V1(listguard_present_ticket);

/* All of these count only while lxid is the current transaction's. */
static LocalTransactionId current_lxid = InvalidLocalTransactionId;
static LgTicket *current = NULL;
static char *carried = NULL;	/* text of the setting that current was made from */
static LgTicket *commented = NULL;	/* brought by a statement's own text: counts in it alone */
static char *comment = NULL;	/* the tokens there */

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
	if (event == XACT_EVENT_PRE_PREPARE && current_lxid == LG_MY_LXID() &&
		(current != NULL || commented != NULL))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot prepare a transaction that used an export ticket")));
}

/* Verify tokens; from then on the transaction cannot be prepared. */
static LgTicket *
take_up(char **tokens, int n)
{
	static bool registered = false;

	if (!registered)
	{
		RegisterXactCallback(refuse_prepare, NULL);
		registered = true;
	}
	return lg_ticket_verify(tokens, n);
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
	commented = NULL;
	comment = NULL;
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

static LgTicket *
take_up_text(const char *text)
{
	char	   *tokens[LG_TICKET_TOKENS_MAX];
	int			n = split(tokens, pstrdup(text));

	return take_up(tokens, n);
}

/*
 * find_comment
 *		The tokens in the client's own text of the statement that is running,
 *		palloc'd, or NULL.
 *
 * No lexer: what only looks like the comment, in a literal say, is at worst a
 * ticket that its holder presents in an odd way.
 */
static char *
find_comment(void)
{
	const char *start = debug_query_string ? strstr(debug_query_string, COMMENT_BEGIN) : NULL;
	const char *end;

	if (start == NULL)
		return NULL;
	start += strlen(COMMENT_BEGIN);
	end = strstr(start, COMMENT_END);
	if (end == NULL || strstr(end, COMMENT_BEGIN) != NULL)
		lg_ticket_refuse(NULL, "the comment that carries it has no end, or is not the only one");
	return pnstrdup(start, end - start);
}

/* The ticket of the statement's own text, if it has one. */
static LgTicket *
from_comment(void)
{
	char	   *text = find_comment();

	if (text == NULL)
		return NULL;
	if (comment == NULL || strcmp(comment, text) != 0)
	{
		commented = take_up_text(text);
		comment = MemoryContextStrdup(TopTransactionContext, text);
	}
	pfree(text);
	return commented;
}

/* The ticket of the transaction: presented, or from the setting. */
static LgTicket *
from_transaction(void)
{
	bool		stale;
	const char *setting = lg_ticket_setting(&stale);

	if (setting != NULL && (carried == NULL || strcmp(carried, setting) != 0))
	{
		current = take_up_text(setting);
		carried = MemoryContextStrdup(TopTransactionContext, setting);
	}
	return current;
}

/*
 * refuse_hold
 *		A cursor WITH HOLD outlives the transaction that the ticket is bound to.
 *
 * Asked before anything is verified, so that the ticket is not used up by it.
 */
static void
refuse_hold(void)
{
	bool		stale;

	if (ActivePortal == NULL || (ActivePortal->cursorOptions & CURSOR_OPT_HOLD) == 0)
		return;
	if (current != NULL || lg_ticket_setting(&stale) != NULL ||
		(debug_query_string && strstr(debug_query_string, COMMENT_BEGIN) != NULL))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot use an export ticket for a cursor WITH HOLD")));
}

/*
 * lg_ticket_current
 *		See ticket.h.
 *
 * A setting changed within the transaction is another ticket: it is verified,
 * burnt, and takes the old one's place.  A statement with a ticket of its own
 * uses that one.
 */
LgTicket *
lg_ticket_current(void)
{
	LgTicket   *ticket;

	forget_old();
	refuse_hold();
	ticket = from_comment();
	if (ticket == NULL)
		ticket = from_transaction();
	if (ticket != NULL && ticket->login != GetSessionUserId())
		refuse(ticket->jti, "the session user changed under it");
	return ticket;
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
	current = take_up(tokens, n);
	PG_RETURN_VOID();
}
