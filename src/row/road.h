/*-------------------------------------------------------------------------
 *
 * road.h
 *		On which road is a sealed value leaving?  Asked by the output
 *		functions, answered by the guard that drives the receiver.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_ROAD_H
#define LG_ROAD_H

#include "listguard.h"

typedef enum LgRoad
{
	LG_ROAD_NONE,				/* error texts, EXPLAIN, format(), statistics: armour */
	LG_ROAD_CLIENT,				/* a row being sent to the client */
	LG_ROAD_COPY				/* a row being sent by COPY TO: never a mask */
} LgRoad;

extern LgRoad lg_road_current(void);

/* The session carries pg_dump's marks: its output is sealed whatever it asks for. */
extern bool lg_session_is_dump(void);
/* Output mode in force: listguard.output, or sealed for dumps and walsenders. */
extern int	lg_output_mode(void);

/*
 * One sealed value becomes plaintext inside a plan (explicit cast, move under
 * another key): counted on the reveal counter of the running statement, which
 * may raise LG001 or LG002.
 */
extern void lg_meter_reveal(int32 list_no);

#endif							/* LG_ROAD_H */
