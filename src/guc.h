/*-------------------------------------------------------------------------
 *
 * guc.h
 *		All settings.  guc.c says for each why it has its context.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_GUC_H
#define LG_GUC_H

#include "compat.h"

typedef enum LgOutputMode
{
	LG_OUTPUT_CLEAR,			/* what the grants allow */
	LG_OUTPUT_MUNGED,
	LG_OUTPUT_MASKED,
	LG_OUTPUT_SEALED
} LgOutputMode;

extern char *lg_actor;
extern int	lg_bulk_threshold;		/* rows */
extern bool lg_enforce_superuser;
extern int	lg_max_windows;			/* entries of the shared window table */
extern int	lg_output;				/* LgOutputMode */
extern bool lg_redact_logs;
extern char *lg_root_key_command;
extern char *lg_root_key_command_old;
extern char *lg_root_key_file;
extern char *lg_root_key_file_old;
extern int	lg_session_row_limit;	/* rows; 0 is no row at all */
extern int	lg_session_row_window;	/* seconds */
extern char *lg_spool_directory;	/* "" is inside the data directory */
extern int	lg_spool_keep;			/* seconds that drained segments stay */
extern int	lg_spool_max;			/* MB */
extern char *lg_ticket;

extern void lg_guc_define(void);

/*
 * The two settings that count only in the transaction that set them.  Return
 * NULL where unset, '' or set in another transaction; *stale tells the latter.
 */
extern const char *lg_ticket_setting(bool *stale);
extern const char *lg_actor_setting(void);

#endif							/* LG_GUC_H */
