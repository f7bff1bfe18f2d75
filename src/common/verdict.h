/*-------------------------------------------------------------------------
 *
 * verdict.h
 *		May this statement go on?  A pure function of numbers, without server
 *		headers, so that a table of cases can test it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_VERDICT_H
#define LG_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

typedef enum LgVerdict
{
	LG_PASS,
	LG_PASS_ALERT,				/* over, but the tables are in mode "alert" */
	LG_REFUSE_BULK,				/* LG001 */
	LG_REFUSE_LIMIT,			/* LG002 */
	LG_REFUSE_TICKET			/* the ticket has no rows left: LG003 */
} LgVerdict;

typedef struct LgCase
{
	int64_t		portal;			/* charge of this portal, all its FETCHes */
	int64_t		total;			/* charge of the top-level statement, nested ones included */
	int64_t		reveals;		/* reveals of the top-level statement */
	int64_t		threshold;		/* rows one statement may read */
	int64_t		window_left;	/* rows the tightest window had left at its start */
	int64_t		ticket_left;	/* rows the ticket had left at its start */
	bool		ticketed;		/* a ticket covers everything read */
	bool		unlimited;		/* sealed rows to a holder of backup, or an exempt superuser */
	bool		alert_only;		/* every table read is in mode "alert" */
} LgCase;

extern LgVerdict lg_verdict(const LgCase *c);
/* The largest charge that passes without a word; INT64_MAX: any. */
extern int64_t lg_verdict_cap(const LgCase *c);

#endif							/* LG_VERDICT_H */
