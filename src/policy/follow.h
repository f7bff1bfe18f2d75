/*-------------------------------------------------------------------------
 *
 * follow.h
 *		For hooks.c: what the registry has to learn of a command.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_FOLLOW_H
#define LG_FOLLOW_H

#include "listguard.h"
#include "nodes/nodes.h"

/* Before a utility command, which may be a RENAME of what is not bound yet. */
extern void lg_policy_precede(Node *stmt);

/* After a utility command has run, whoever ran it; does nothing for most. */
extern void lg_policy_follow(Node *stmt);

#endif							/* LG_FOLLOW_H */
