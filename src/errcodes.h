/*-------------------------------------------------------------------------
 *
 * errcodes.h
 *		SQLSTATEs of class LG.  docs/reference.md has a paragraph on each.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_ERRCODES_H
#define LG_ERRCODES_H

#define ERRCODE_LG_BULK_READ		MAKE_SQLSTATE('L','G','0','0','1')	/* bulk read without a ticket */
#define ERRCODE_LG_LIMIT			MAKE_SQLSTATE('L','G','0','0','2')	/* row limit reached */
#define ERRCODE_LG_TICKET			MAKE_SQLSTATE('L','G','0','0','3')	/* ticket rejected, whatever the reason */
#define ERRCODE_LG_KEY				MAKE_SQLSTATE('L','G','0','0','4')	/* key unavailable */
#define ERRCODE_LG_AUDIT			MAKE_SQLSTATE('L','G','0','0','5')	/* audit cannot be written */
#define ERRCODE_LG_NO_GRANT			MAKE_SQLSTATE('L','G','0','0','6')	/* privileges, but no listguard grant */

#endif							/* LG_ERRCODES_H */
