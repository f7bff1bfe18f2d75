/*-------------------------------------------------------------------------
 *
 * change.h
 *		For COPY, which counts the rows that it stores for the event of its
 *		INSERT instead of filling a transition table.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_CHANGE_H
#define LG_CHANGE_H

#include "listguard.h"
#include "executor/tuptable.h"
#include "utils/relcache.h"

typedef struct LgChange LgChange;

/* In the current memory context; they nest as statements do. */
extern LgChange *lg_change_begin(Relation rel);
extern void lg_change_row(LgChange *change, TupleTableSlot *slot);
extern void lg_change_end(LgChange *change);

#endif							/* LG_CHANGE_H */
