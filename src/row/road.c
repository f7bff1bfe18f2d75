/*-------------------------------------------------------------------------
 *
 * road.c
 *		On which road is a sealed value leaving, and in which form?
 *
 * The road is set around the real receiver's receiveSlot and nothing else; the
 * one road without an executor is a portal that sends stored rows (RETURNING,
 * held cursors, FETCH).
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/tableam.h"
#include "access/xact.h"
#include "replication/walsender.h"
#include "tcop/dest.h"
#include "tcop/pquery.h"
#include "utils/guc.h"
#include "utils/portal.h"

#include "guc.h"
#include "row/exec.h"
#include "row/road.h"

static LgRoad road = LG_ROAD_NONE;

/* For lg_road_leave() once whatever may raise an error is over. */
LgRoad
lg_road_save(void)
{
	return road;
}

LgRoad
lg_road_enter(DestReceiver *dest)
{
	LgRoad		old = road;

	road = dest->mydest == DestCopyOut ? LG_ROAD_COPY : LG_ROAD_CLIENT;
	return old;
}

void
lg_road_leave(LgRoad old)
{
	road = old;
}

/* Does a portal send rows that it has stored, no executor running? */
static bool
sending_stored_rows(void)
{
	return lg_exec_level() == 0 &&
		(lg_utility_level() == 0 || (lg_utility_level() == 1 && lg_utility_is_fetch())) &&
		ActivePortal != NULL && ActivePortal->status == PORTAL_ACTIVE &&
		ActivePortal->holdStore != NULL;
}

LgRoad
lg_road_current(void)
{
	if (road != LG_ROAD_NONE)
		return road;
	return sending_stored_rows() ? LG_ROAD_CLIENT : LG_ROAD_NONE;
}

bool
lg_session_is_dump(void)
{
	/* Asked for every value: the marks begin alike, and few other names so. */
	if (application_name != NULL && application_name[0] == 'p' && application_name[1] == 'g' &&
		(strcmp(application_name, "pg_dump") == 0 || strcmp(application_name, "pg_dumpall") == 0))
		return true;
	return !synchronize_seqscans && IsolationUsesXactSnapshot() && XactReadOnly;
}

int
lg_output_mode(void)
{
	if (am_walsender || lg_session_is_dump())
		return LG_OUTPUT_SEALED;
	return lg_output;
}

void
lg_meter_reveal(int32 list_no)
{
	if (lg_is_internal())
		return;
	lg_statement_reveal(list_no);
}
