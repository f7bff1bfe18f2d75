/*-------------------------------------------------------------------------
 *
 * rootkey.h
 *		Where a root key comes from; internal to src/key.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_ROOTKEY_H
#define LG_ROOTKEY_H

#include "common/value.h"

typedef enum LgRootFound
{
	LG_ROOT_UNSET,				/* neither file nor command is set: for the old root that is all right */
	LG_ROOT_READ,
	LG_ROOT_FAILED				/* after a LOG message that says why */
} LgRootFound;

/*
 * Read the current or the old root key by its two settings.  out is zeros
 * unless LG_ROOT_READ.  Takes LG_ROOT_COMMAND_SECONDS at most.
 */
extern LgRootFound lg_rootsource_read(uint8_t out[LG_KEY_BYTES], const char *file, const char *command, bool old);

/*
 * Copies the root named (NULL: the current one) to out; false if it is not
 * loaded.  Neither waits nor raises.  The caller wipes out.
 */
extern bool lg_rootkey_find(uint8_t out[LG_KEY_BYTES], const uint8_t *root_id);

typedef enum LgRootPlace
{
	LG_ROOT_ABSENT,
	LG_ROOT_CURRENT,
	LG_ROOT_OLD
} LgRootPlace;

extern LgRootPlace lg_rootkey_place(const uint8_t root_id[LG_ROOT_ID_BYTES]);

#define LG_ROOT_COMMAND_SECONDS	30

#endif							/* LG_ROOTKEY_H */
