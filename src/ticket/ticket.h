/*-------------------------------------------------------------------------
 *
 * ticket.h
 *		Export tickets in the server: carried, verified, burnt, used.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_TICKET_H
#define LG_TICKET_H

#include "listguard.h"
#include "common/token.h"

typedef struct LgTicket LgTicket;

/*
 * The ticket in force in this transaction: presented by present_ticket, or
 * carried by listguard.ticket and then verified and burnt on this first call.
 * NULL if none is carried; LG003 (after a synced event with the reason) if it
 * is refused.  Lives until the transaction ends.  now: wall clock.
 */
extern LgTicket *lg_ticket_current(void);
/* Names this list (or its whole table) and all sealed columns read? lists decide by number. */
extern bool lg_ticket_covers(const LgTicket *ticket, Oid relid, int32 list_no);
/* Any list of the relation at all? (relid as given to protect) */
extern bool lg_ticket_touches(const LgTicket *ticket, Oid relid);
/* Rows left under lg:max; re-checks exp and revocation (LG003). */
extern int64 lg_ticket_left(LgTicket *ticket);
/* Take n rows; false, taking nothing, if fewer are left. */
extern bool lg_ticket_take(LgTicket *ticket, int64 n);
extern const uint8_t *lg_ticket_jti(const LgTicket *ticket);	/* 16 bytes */

/*
 * burn.c: mark jti as used on this node, durably (fdatasync) before it
 * returns; false if it was used before.  exp in unix microseconds.
 */
extern bool lg_burn(const uint8_t jti[16], int64 exp_usec);

#endif							/* LG_TICKET_H */
