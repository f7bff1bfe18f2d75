/*-------------------------------------------------------------------------
 *
 * grant.h
 *		Names of privileges; internal to src/policy.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_GRANT_H
#define LG_GRANT_H

extern int	lg_privilege_bit(const char *name);

#endif							/* LG_GRANT_H */
