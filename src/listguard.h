/*-------------------------------------------------------------------------
 *
 * listguard.h
 *		What every part of the server module needs to know of the whole.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LISTGUARD_H
#define LISTGUARD_H

#include "compat.h"

#define LG_SCHEMA			"listguard"
#define LG_DEFAULT_LIST		"-"
/* Columns, constraints and indexes of a protect_online under way begin with this. */
#define LG_SHADOW_PREFIX	"listguard_shadow_"

/* listguard.c: set by _PG_init in the postmaster only. */
extern bool lg_preloaded;

/*
 * Raise 55000 unless the library came by shared_preload_libraries: loaded any
 * other way no hook guards anything, so nothing may open or seal a value.
 */
extern void lg_require_preload(void);

/*
 * True while listguard's own code runs DDL or reads registry and user tables
 * (protect, the worker, audit triggers): guards let it pass.  Reset at abort.
 */
extern bool lg_is_internal(void);
extern void lg_internal_enter(void);
extern void lg_internal_enter_owner(void);
extern void lg_internal_leave(void);
extern bool lg_utility_is_internal(void);
extern bool lg_exec_is_internal(void);

#endif							/* LISTGUARD_H */
