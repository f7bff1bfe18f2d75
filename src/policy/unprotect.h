/*-------------------------------------------------------------------------
 *
 * unprotect.h
 *		Which relation is being turned back into plain text now.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_UNPROTECT_H
#define LG_UNPROTECT_H

#include "listguard.h"

/* The relation whose values unprotect() is opening in this session; InvalidOid: none. */
extern Oid	lg_unprotecting(void);

#endif							/* LG_UNPROTECT_H */
