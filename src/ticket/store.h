/*-------------------------------------------------------------------------
 *
 * store.h
 *		What the files of src/ticket know of one another.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_TICKET_STORE_H
#define LG_TICKET_STORE_H

#include "common/token.h"
#include "datatype/timestamp.h"
#include "listguard.h"
#include "policy/registry.h"
#include "ticket/ticket.h"

#define LG_TICKET_TOKENS_MAX	16	/* the largest quorum */
#define LG_REQUEST_ID_BYTES		16

/* One name of lg:list, resolved. */
typedef struct LgTicketScope
{
	Oid			relid;			/* as given to protect */
	int32		list_no;		/* the table's own number where whole */
	bool		whole;			/* all lists of the table */
} LgTicketScope;

/* A ticket in force; all of it in TopTransactionContext. */
struct LgTicket
{
	Oid			login;			/* session user it was verified for */
	uint8		jti[16];		/* of the first token */
	int64		exp;			/* unix microseconds, the earliest of all tokens */
	int64		max_rows;
	int64		used;			/* never goes back */
	int			n_scopes;
	LgTicketScope *scopes;
	int			n_cols;			/* 0: all columns */
	char	  **cols;
	int			n_kids;
	char		kids[LG_TICKET_TOKENS_MAX][LG_PASERK_PID_CHARS + 1];
	uint64		generation;		/* registry generation of the last look at the approvers */
};

/* A row of listguard.approver; strings in the current memory context. */
typedef struct LgApprover
{
	char	   *name;
	char	   *person;
	uint8		key[LG_ED25519_PUBLIC];
	char	   *role;			/* NULL: none */
	TimestampTz valid_until;
	bool		revoked;
} LgApprover;

/* A row of listguard.export_policy, or the defaults. */
typedef struct LgExportPolicy
{
	int32		quorum;
	int64		max_ttl;		/* microseconds */
	int64		max_rows;		/* 0: no maximum of its own */
} LgExportPolicy;

/* ticket.c: the wall clock in unix microseconds. */
extern int64 lg_ticket_now(void);
/* LG003 with the event's id, after a synced event with the reason.  claims: those of a verified token, or NULL. */
pg_noreturn extern void lg_ticket_refuse(const LgClaims *claims, const char *reason);

/* burn.c */
extern bool lg_burn_known(const uint8_t jti[16]);
extern const char *lg_burn_reason(void);

/* verify.c: check, record and burn; raises LG003.  The result lies in TopTransactionContext. */
extern LgTicket *lg_ticket_verify(char **tokens, int n_tokens);

/* approver.c */
extern bool lg_approver_by_kid(LgApprover *approver, const char *kid);
extern bool lg_approver_in_force(const LgApprover *approver);
extern void lg_export_policy_read(LgExportPolicy *policy, const char *relation);
/* As the extension's owner, past our own guards; returns rows processed. */
extern uint64 lg_ticket_execute(const char *sql, int n, Oid *types, Datum *values, const char *nulls);
extern void lg_ticket_change_event(int kind, const char *relation, const char *detail);

/* request.c */
extern char *lg_ticket_audience(void);
extern void lg_request_digest(char hex[65], const uint8 id[LG_REQUEST_ID_BYTES], const LgClaims *claims);
/* Id of the stored request with this digest, made by that role; false if there is none. */
extern bool lg_request_find(uint8 id[LG_REQUEST_ID_BYTES], const char *digest, const char *login);

#endif							/* LG_TICKET_STORE_H */
