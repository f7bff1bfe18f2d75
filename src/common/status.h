/*-------------------------------------------------------------------------
 *
 * status.h
 *		Result codes of src/common, the code shared by the server module, the
 *		offline tool and the fuzzers.
 *
 * Nothing under src/common includes a server header, allocates with palloc or
 * raises an error: functions return an LgStatus, and the caller in the server
 * turns it into an ereport, the caller in the tool into an exit code.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_STATUS_H
#define LG_STATUS_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

typedef enum LgStatus
{
	LG_OK = 0,
	LG_ERR_SYNTAX,				/* input is not of the required form */
	LG_ERR_UNASSIGNED,			/* a code point our Unicode version lacks */
	LG_ERR_ENCODING,			/* input is not well-formed UTF-8 */
	LG_ERR_MASKED,				/* input is a mask that we made ourselves */
	LG_ERR_TOO_LONG,			/* longer than the format allows */
	LG_ERR_VERSION,				/* unknown format version */
	LG_ERR_ALGORITHM,			/* unknown or unavailable algorithm */
	LG_ERR_AUTH,				/* authentication tag, signature or checksum is wrong */
	LG_ERR_KEY,					/* wrong or malformed key */
	LG_ERR_KEYSET,				/* value belongs to another keyset */
	LG_ERR_MEMORY,				/* out of memory */
	LG_ERR_SPACE,				/* output buffer too small */
	LG_ERR_IO,					/* reading or writing failed */
	LG_ERR_CLAIM				/* a token's claim is missing, unknown or ill-typed */
} LgStatus;

#endif							/* LG_STATUS_H */
