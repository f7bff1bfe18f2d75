/*-------------------------------------------------------------------------
 *
 * unbuilt.c
 *		Weak, fail-closed stand-ins for modules that are being written, so that
 *		the library links.  The real definitions override them; this file goes
 *		with the last of them.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "audit/audit.h"
#include "audit/record.h"
#include "audit/spool.h"
#include "hooks.h"
#include "key/keyring.h"
#include "policy/registry.h"
#include "row/guard.h"
#include "row/road.h"
#include "shmem.h"
#include "ticket/ticket.h"
#include "worker/worker.h"

#define WEAK __attribute__((weak))
#define UNBUILT() elog(ERROR, "listguard: %s is not there yet", __func__)

uint64 lg_registry_generation WEAK = 1;
WEAK void lg_registry_install(void) {}
WEAK bool lg_extension_present(void) { UNBUILT(); return false; }
WEAK Oid lg_extension_owner(void) { UNBUILT(); return InvalidOid; }
WEAK Oid lg_relation_oid(const char *relname) { UNBUILT(); return InvalidOid; }
WEAK const LgProtected *lg_protected_lookup(Oid relid) { UNBUILT(); return NULL; }
WEAK Oid lg_type_oid(int lg_type) { UNBUILT(); return InvalidOid; }
WEAK int lg_type_of(Oid typid) { UNBUILT(); return 0; }
WEAK const LgList *lg_list_by_no(int32 list_no) { UNBUILT(); return NULL; }
WEAK const LgList *lg_list_find(Oid relid, const char *value) { UNBUILT(); return NULL; }
WEAK int32 lg_list_ensure(Oid relid, const char *value) { UNBUILT(); return 0; }
WEAK int32 lg_list_create(const char *relation, const char *value) { UNBUILT(); return 0; }
WEAK void lg_list_create_in_worker(Oid relid, const char *value) { UNBUILT(); }
WEAK void lg_bind_in_worker(void) { UNBUILT(); }
WEAK char *lg_list_name(const LgList *list) { UNBUILT(); return NULL; }
WEAK bool lg_grant_on_list(Oid userid, int32 list_no, int privs) { UNBUILT(); return false; }
WEAK int lg_grants_on_relation(Oid userid, Oid relid) { UNBUILT(); return 0; }
WEAK bool lg_grant_anywhere(Oid userid, int privs) { UNBUILT(); return false; }
WEAK bool lg_has_backup(Oid userid) { UNBUILT(); return false; }
WEAK bool lg_is_admin(Oid userid) { UNBUILT(); return false; }
WEAK bool lg_reveal_allowed(Oid userid, int32 list_no) { UNBUILT(); return false; }
WEAK List *lg_limits_for(Oid userid) { UNBUILT(); return NIL; }
WEAK LgRoad lg_road_current(void) { return LG_ROAD_NONE; }
WEAK bool lg_session_is_dump(void) { return true; }
WEAK int lg_output_mode(void) { return 3; }
WEAK void lg_meter_reveal(int32 list_no) { UNBUILT(); }
WEAK Size lg_meter_shmem_size(void) { return 0; }
WEAK void lg_meter_shmem_init(void) {}
WEAK Size lg_burn_shmem_size(void) { return 0; }
WEAK void lg_burn_shmem_init(void) {}
WEAK Size lg_spool_shmem_size(void) { return 0; }
WEAK void lg_spool_shmem_init(void) {}
WEAK Size lg_worker_shmem_size(void) { return 0; }
WEAK void lg_worker_shmem_init(void) {}
WEAK Size lg_rootkey_shmem_size(void) { return 0; }
WEAK void lg_rootkey_shmem_init(void) {}
WEAK void lg_hooks_install(void) {}
WEAK void lg_worker_install(void) {}
WEAK bool lg_worker_request(LgWorkKind kind, Oid relid, const char *value, int timeout_ms) { return false; }
WEAK void lg_worker_wake(void) {}
WEAK bool lg_in_worker(void) { return false; }
WEAK void lg_worker_stand_down(Oid dboid) {}
WEAK LgTicket *lg_ticket_current(void) { return NULL; }
WEAK bool lg_ticket_covers(const LgTicket *ticket, Oid relid, int32 list_no) { return false; }
WEAK bool lg_ticket_touches(const LgTicket *ticket, Oid relid) { return false; }
WEAK int64 lg_ticket_left(LgTicket *ticket) { return 0; }
WEAK bool lg_ticket_take(LgTicket *ticket, int64 n) { return false; }
WEAK const uint8_t *lg_ticket_jti(const LgTicket *ticket) { return NULL; }
WEAK bool lg_burn(const uint8_t jti[16], int64 exp_usec) { return false; }
WEAK void lg_event_init(LgEvent *ev, LgEventKind kind, LgOutcome outcome) { memset(ev, 0, sizeof(*ev)); ev->kind = kind; ev->outcome = outcome; ev->rows = ev->reveals = -1; }
WEAK void lg_audit_event(const LgEvent *ev, LgSync sync, pg_uuid_t *id) {}
WEAK void lg_audit_refusal(const LgEvent *ev, pg_uuid_t *id) { if (id) memset(id, 0, sizeof(*id)); }
WEAK LgOpenRead *lg_audit_begin(const LgEvent *ev, LgSync sync, pg_uuid_t *id) { UNBUILT(); return NULL; }
WEAK void lg_audit_end(LgOpenRead *open, LgOutcome outcome, int64 rows, int64 reveals) {}
WEAK bool lg_audit_ready(void) { return true; }
WEAK const uint8 *lg_node_id(void) { static const uint8 none[16] = {0}; return none; }
WEAK void lg_audit_init_backend(void) {}
WEAK LgSpoolPos lg_spool_write_position(void) { return 0; }
WEAK LgSpoolPos lg_spool_oldest_position(void) { return 0; }
WEAK bool lg_spool_sync(LgSpoolPos pos) { return false; }
WEAK LgSpoolReader *lg_spool_open(LgSpoolPos pos) { UNBUILT(); return NULL; }
WEAK bool lg_spool_next(LgSpoolReader *reader, LgSpoolItem *item) { UNBUILT(); return false; }
WEAK void lg_spool_close(LgSpoolReader *reader) {}
WEAK void lg_spool_maintain(void) {}
WEAK void lg_spool_recycle(LgSpoolPos drained) {}
WEAK void lg_audit_apply(const LgSpoolItem *item) { UNBUILT(); }
WEAK void lg_audit_alarm(const char *what, uint64 from_seq, uint64 to_seq) { UNBUILT(); }
WEAK int lg_audit_reap(void) { UNBUILT(); return 0; }
WEAK void lg_progress_lock(LgSpoolPos *pos, uint64 *last_seq) { UNBUILT(); }
WEAK void lg_progress_set(LgSpoolPos pos, uint64 last_seq) { UNBUILT(); }
