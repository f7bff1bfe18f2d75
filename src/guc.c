/*-------------------------------------------------------------------------
 *
 * guc.c
 *		All settings of listguard, in alphabetical order.
 *
 * What could weaken the protection is PGC_POSTMASTER or PGC_SIGHUP: it comes
 * from the configuration file or the command line, not from SET, ALTER ROLE,
 * ALTER DATABASE or a start-up packet.  (ALTER SYSTEM is refused for the
 * prefix by the utility guard.)  Three settings belong to any role: output
 * can only show less than the grants allow, actor is recorded as asserted,
 * and a ticket is worth what its signature is worth.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <limits.h>

#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/guc.h"

#include "guc.h"

char	   *lg_actor = NULL;
int			lg_bulk_threshold = 1000;
bool		lg_enforce_superuser = true;
int			lg_max_windows = 4096;
int			lg_output = LG_OUTPUT_CLEAR;
bool		lg_redact_logs = true;
char	   *lg_root_key_command = NULL;
char	   *lg_root_key_command_old = NULL;
char	   *lg_root_key_file = NULL;
char	   *lg_root_key_file_old = NULL;
int			lg_session_row_limit = 10000;
int			lg_session_row_window = 3600;
char	   *lg_spool_directory = NULL;
int			lg_spool_keep = 86400;
int			lg_spool_max = 4096;
char	   *lg_ticket = NULL;

/*
 * Local transaction in which a per-transaction setting got its value.  Kept as
 * the setting's "extra", so that a ROLLBACK TO that brings an older value back
 * brings its transaction back with it.
 */
typedef struct LgStamp
{
	LocalTransactionId lxid;
} LgStamp;

static LocalTransactionId ticket_lxid = InvalidLocalTransactionId;
static LocalTransactionId actor_lxid = InvalidLocalTransactionId;

static const struct config_enum_entry output_options[] = {
	{"clear", LG_OUTPUT_CLEAR, false},
	{"munged", LG_OUTPUT_MUNGED, false},
	{"masked", LG_OUTPUT_MASKED, false},
	{"sealed", LG_OUTPUT_SEALED, false},
	{NULL, 0, false}
};

static bool
check_stamped(char **newval, void **extra, GucSource source)
{
	LgStamp    *stamp;

	if (*newval == NULL || **newval == '\0')
		return true;
	if (source != PGC_S_SESSION && source != PGC_S_TEST)
	{
		GUC_check_errcode(ERRCODE_INSUFFICIENT_PRIVILEGE);
		GUC_check_errmsg("this setting cannot come from a configuration source");
		GUC_check_errhint("Set it in the transaction that needs it, with set_config(..., true) or SET LOCAL.");
		return false;
	}
	stamp = (LgStamp *) LG_GUC_MALLOC(sizeof(LgStamp));
	if (stamp == NULL)
		return false;
	stamp->lxid = MyProc ? LG_MY_LXID() : InvalidLocalTransactionId;
	*extra = stamp;
	return true;
}

static void
assign_ticket(const char *newval, void *extra)
{
	(void) newval;
	ticket_lxid = extra ? ((LgStamp *) extra)->lxid : InvalidLocalTransactionId;
}

static void
assign_actor(const char *newval, void *extra)
{
	(void) newval;
	actor_lxid = extra ? ((LgStamp *) extra)->lxid : InvalidLocalTransactionId;
}

static const char *
show_ticket(void)
{
	return "";
}

static void
define_limits(void)
{
	DefineCustomIntVariable("listguard.bulk_threshold",
							"Rows that one statement may read from a list without an export ticket.",
							"protect() and set_threshold() override it per table and role.",
							&lg_bulk_threshold, 1000, 0, INT_MAX,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("listguard.enforce_superuser",
							 "Hold superusers to thresholds and limits as well.",
							 NULL,
							 &lg_enforce_superuser, true,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("listguard.max_windows",
							"Roles, actors and relations whose limits are followed at one time.",
							NULL,
							&lg_max_windows, 4096, 64, 1 << 20,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("listguard.session_row_limit",
							"List rows that one session may read in one window.",
							NULL,
							&lg_session_row_limit, 10000, 0, INT_MAX,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("listguard.session_row_window",
							"Length of the sliding window of session_row_limit.",
							NULL,
							&lg_session_row_window, 3600, 1, INT_MAX / 2,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
}

static void
define_session(void)
{
	DefineCustomStringVariable("listguard.actor",
							   "Person on whose behalf the application acts, as it asserts.",
							   "Counts only in the transaction that sets it.",
							   &lg_actor, "",
							   PGC_USERSET, GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE,
							   check_stamped, assign_actor, NULL);
	DefineCustomEnumVariable("listguard.output",
							 "Form in which sealed values are sent: clear, munged, masked or sealed.",
							 "It shows less than the grants allow, never more.",
							 &lg_output, LG_OUTPUT_CLEAR, output_options,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("listguard.ticket",
							   "Export tickets for this transaction, separated by one space.",
							   "Counts only in the transaction that sets it; never shown.",
							   &lg_ticket, "",
							   PGC_USERSET,
							   GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE | GUC_NO_RESET_ALL,
							   check_stamped, assign_ticket, show_ticket);
}

static void
define_root_keys(void)
{
	DefineCustomStringVariable("listguard.root_key_command",
							   "Command that prints the root key as 64 hex digits.",
							   NULL,
							   &lg_root_key_command, "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
	DefineCustomStringVariable("listguard.root_key_command_old",
							   "Command that prints the former root key, during a rotation.",
							   NULL,
							   &lg_root_key_command_old, "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
	DefineCustomStringVariable("listguard.root_key_file",
							   "File that holds the root key as 64 hex digits.",
							   NULL,
							   &lg_root_key_file, "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
	DefineCustomStringVariable("listguard.root_key_file_old",
							   "File that holds the former root key, during a rotation.",
							   NULL,
							   &lg_root_key_file_old, "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
}

static void
define_storage(void)
{
	DefineCustomBoolVariable("listguard.redact_logs",
							 "Keep literals and addresses out of the server log.",
							 NULL,
							 &lg_redact_logs, true,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("listguard.spool_directory",
							   "Directory of the audit spool; empty for one inside the data directory.",
							   NULL,
							   &lg_spool_directory, "",
							   PGC_POSTMASTER, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
	DefineCustomIntVariable("listguard.spool_keep",
							"How long drained spool segments are kept.",
							NULL,
							&lg_spool_keep, 86400, 0, INT_MAX / 2,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("listguard.spool_max",
							"Size of the spool at which protected reads are refused.",
							NULL,
							&lg_spool_max, 4096, 64, INT_MAX / 2,
							PGC_SIGHUP, GUC_UNIT_MB, NULL, NULL, NULL);
}

void
lg_guc_define(void)
{
	define_limits();
	define_session();
	define_root_keys();
	define_storage();
	MarkGUCPrefixReserved("listguard");
}

const char *
lg_ticket_setting(bool *stale)
{
	*stale = false;
	if (lg_ticket == NULL || lg_ticket[0] == '\0')
		return NULL;
	if (ticket_lxid == InvalidLocalTransactionId || ticket_lxid != LG_MY_LXID())
	{
		*stale = true;
		return NULL;
	}
	return lg_ticket;
}

const char *
lg_actor_setting(void)
{
	if (lg_actor == NULL || lg_actor[0] == '\0')
		return NULL;
	if (actor_lxid == InvalidLocalTransactionId || actor_lxid != LG_MY_LXID())
		return NULL;
	return lg_actor;
}
