/*-------------------------------------------------------------------------
 *
 * io.c
 *		Input, output, type modifiers and casts of the sealed types, as SQL
 *		calls them.
 *
 * Binary format carries the bytes of the text form: what is hidden in text is
 * hidden in binary.  A type modifier is the number of a list; neither reading
 * nor printing one looks at a table, as both happen where none can be read.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <sodium.h>

#include "fmgr.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "key/keyring.h"
#include "policy/registry.h"
#include "type/type.h"
#include "worker/worker.h"

static Datum
input(FunctionCallInfo fcinfo, int type)
{
	char	   *text = PG_GETARG_CSTRING(0);

	PG_RETURN_POINTER(lg_sealed_input_soft(type, text, strlen(text), PG_GETARG_INT32(2), fcinfo->context));
}

static Datum
receive(FunctionCallInfo fcinfo, int type)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	int			len;
	char	   *text = pq_getmsgtext(buf, buf->len - buf->cursor, &len);
	struct varlena *value = lg_sealed_input(type, text, len, PG_GETARG_INT32(2));

	sodium_memzero(text, len);
	pfree(text);
	PG_RETURN_POINTER(value);
}

static Datum
from_text(FunctionCallInfo fcinfo, int type)
{
	text	   *in = PG_GETARG_TEXT_PP(0);

	PG_RETURN_POINTER(lg_sealed_input(type, VARDATA_ANY(in), VARSIZE_ANY_EXHDR(in), PG_GETARG_INT32(1)));
}

/*
 * With the numbers of lists open to anybody, one could seal guesses under a
 * list's key and compare ciphertexts: protect and the worker are answered only.
 */
void
lg_sealed_check_internal(void)
{
	if (!lg_is_internal() && !lg_in_worker())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("only listguard itself seals values under a list of its choice")));
}

/* For protect: a text under a given list. */
static Datum
seal(FunctionCallInfo fcinfo, int type)
{
	text	   *in = PG_GETARG_TEXT_PP(0);

	lg_require_preload();
	lg_sealed_check_internal();
	PG_RETURN_POINTER(lg_sealed_make(type, VARDATA_ANY(in), VARSIZE_ANY_EXHDR(in), PG_GETARG_INT32(1)));
}

#define SEALED_TYPE(name, type) \
PG_FUNCTION_INFO_V1(listguard_##name##_in); \
Datum listguard_##name##_in(PG_FUNCTION_ARGS) { return input(fcinfo, type); } \
PG_FUNCTION_INFO_V1(listguard_##name##_recv); \
Datum listguard_##name##_recv(PG_FUNCTION_ARGS) { return receive(fcinfo, type); } \
PG_FUNCTION_INFO_V1(listguard_##name##_from_text); \
Datum listguard_##name##_from_text(PG_FUNCTION_ARGS) { return from_text(fcinfo, type); } \
PG_FUNCTION_INFO_V1(listguard_seal_##name); \
Datum listguard_seal_##name(PG_FUNCTION_ARGS) { return seal(fcinfo, type); }

SEALED_TYPE(email, LG_TYPE_EMAIL)
SEALED_TYPE(lookup, LG_TYPE_LOOKUP)
SEALED_TYPE(text, LG_TYPE_TEXT)

PG_FUNCTION_INFO_V1(listguard_sealed_out);
PG_FUNCTION_INFO_V1(listguard_sealed_send);
PG_FUNCTION_INFO_V1(listguard_sealed_text);
PG_FUNCTION_INFO_V1(listguard_sealed_coerce);
PG_FUNCTION_INFO_V1(listguard_sealed_reseal);
PG_FUNCTION_INFO_V1(listguard_sealed_typmod_in);
PG_FUNCTION_INFO_V1(listguard_sealed_typmod_out);

Datum
listguard_sealed_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(lg_sealed_show((struct varlena *) PG_GETARG_VARLENA_PP(0)));
}

Datum
listguard_sealed_send(PG_FUNCTION_ARGS)
{
	char	   *text = lg_sealed_show((struct varlena *) PG_GETARG_VARLENA_PP(0));
	StringInfoData buf;

	pq_begintypsend(&buf);
	pq_sendtext(&buf, text, strlen(text));
	pfree(text);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

/* Explicit cast to text, varchar and char. */
Datum
listguard_sealed_text(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(lg_sealed_reveal((struct varlena *) PG_GETARG_VARLENA_PP(0))));
}

/*
 * Cast to the same type with a type modifier: the value moves to that list.
 * One that lies there is let pass without any question.
 */
Datum
listguard_sealed_coerce(PG_FUNCTION_ARGS)
{
	int32		list_no = PG_GETARG_INT32(1);

	lg_require_preload();
	if (list_no < 0 || lg_key_list(lg_sealed_key_id(PG_GETARG_DATUM(0))) == list_no)
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	lg_sealed_check_target(list_no);
	PG_RETURN_DATUM(lg_sealed_move(PG_GETARG_DATUM(0), list_no));
}

/* For protect: a value that is sealed already, under a given list. */
Datum
listguard_sealed_reseal(PG_FUNCTION_ARGS)
{
	lg_require_preload();
	lg_sealed_check_internal();
	PG_RETURN_DATUM(lg_sealed_move(PG_GETARG_DATUM(0), PG_GETARG_INT32(1)));
}

Datum
listguard_sealed_typmod_in(PG_FUNCTION_ARGS)
{
	int			n;
	int32	   *numbers = ArrayGetIntegerTypmods(PG_GETARG_ARRAYTYPE_P(0), &n);

	if (n != 1 || numbers[0] <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a sealed type's modifier is the number of one list")));
	PG_RETURN_INT32(numbers[0]);
}

Datum
listguard_sealed_typmod_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(psprintf("(%d)", PG_GETARG_INT32(0)));
}
