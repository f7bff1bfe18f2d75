/*-------------------------------------------------------------------------
 *
 * dest_buffer.c
 *		A receiver before the client's: holds rows back until the statement is
 *		known to stay under its limits, and says on which road they leave.
 *
 * Rows are held as they are, sealed values sealed, in a tuplestore.  Start-up of
 * the real receiver waits for the flush as well.  With a ticket, rows go
 * through one by one, each taken from the ticket first.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "miscadmin.h"
#include "row/exec.h"
#include "tcop/dest.h"
#include "utils/tuplestore.h"

#define LG_BUFFER_KB	65536

typedef struct LgDest
{
	DestReceiver pub;
	DestReceiver *inner;
	LgExec	   *exec;
	bool		stream;
	int			operation;
	TupleDesc	desc;
	Tuplestorestate *store;
} LgDest;

bool
lg_dest_is_client(DestReceiver *dest)
{
	switch (dest->mydest)
	{
		case DestRemote:
		case DestRemoteExecute:
		case DestRemoteSimple:
		case DestCopyOut:
			return true;
		default:
			return false;
	}
}

/*
 * Hand one row to the real receiver, on its road.  An error leaves the road as
 * it is: whoever runs the executor puts it back.
 */
static bool
pass_row(LgDest *self, TupleTableSlot *slot)
{
	LgRoad		old = lg_road_enter(self->inner);
	bool		more = self->inner->receiveSlot(slot, self->inner);

	lg_road_leave(old);
	return more;
}

static void
dest_startup(DestReceiver *pub, int operation, TupleDesc desc)
{
	LgDest	   *self = (LgDest *) pub;

	self->operation = operation;
	self->desc = desc;
	if (self->stream)
		self->inner->rStartup(self->inner, operation, desc);
	else
		self->store = tuplestore_begin_heap(false, false, Max(work_mem, LG_BUFFER_KB));
}

static bool
dest_receive(TupleTableSlot *slot, DestReceiver *pub)
{
	LgDest	   *self = (LgDest *) pub;
	LgExec	   *x = self->exec;

	lg_exec_count_result(x, slot);
	if (self->stream)
	{
		lg_exec_take(x);
		return pass_row(self, slot);
	}
	tuplestore_puttupleslot(self->store, slot);
	return true;
}

static void
dest_shutdown(DestReceiver *pub)
{
	LgDest	   *self = (LgDest *) pub;

	if (self->stream)
		self->inner->rShutdown(self->inner);
}

static void
dest_destroy(DestReceiver *pub)
{
	pfree(pub);
}

/* In the current context; gone at the flush. */
DestReceiver *
lg_dest_wrap(DestReceiver *inner, LgExec *x, bool stream)
{
	LgDest	   *self = palloc0(sizeof(LgDest));

	self->pub.receiveSlot = dest_receive;
	self->pub.rStartup = dest_startup;
	self->pub.rShutdown = dest_shutdown;
	self->pub.rDestroy = dest_destroy;
	self->pub.mydest = inner->mydest;
	self->inner = inner;
	self->exec = x;
	self->stream = stream;
	return &self->pub;
}

static bool
count_receive(TupleTableSlot *slot, DestReceiver *pub)
{
	LgDest	   *self = (LgDest *) pub;

	if (self->exec != NULL)
		lg_exec_count_result(self->exec, slot);
	else
		lg_statement_count_row(slot);
	return self->inner->receiveSlot(slot, self->inner);
}

static void
count_startup(DestReceiver *pub, int operation, TupleDesc desc)
{
	LgDest	   *self = (LgDest *) pub;

	self->inner->rStartup(self->inner, operation, desc);
}

static void
count_shutdown(DestReceiver *pub)
{
	LgDest	   *self = (LgDest *) pub;

	self->inner->rShutdown(self->inner);
}

/* Counts what is not counted elsewhere, and hands all on; x is NULL for CALL.  In the current context. */
DestReceiver *
lg_dest_counting(DestReceiver *inner, LgExec *x)
{
	LgDest	   *self = palloc0(sizeof(LgDest));

	self->pub.receiveSlot = count_receive;
	self->pub.rStartup = count_startup;
	self->pub.rShutdown = count_shutdown;
	self->pub.rDestroy = dest_destroy;
	self->pub.mydest = inner->mydest;
	self->inner = inner;
	self->exec = x;
	return &self->pub;
}

/* All is well: the real receiver gets what was held back. */
void
lg_dest_flush(DestReceiver *wrapped)
{
	LgDest	   *self = (LgDest *) wrapped;
	TupleTableSlot *slot;

	if (self->store != NULL)
	{
		self->inner->rStartup(self->inner, self->operation, self->desc);
		slot = MakeSingleTupleTableSlot(self->desc, &TTSOpsMinimalTuple);
		while (tuplestore_gettupleslot(self->store, true, false, slot))
		{
			CHECK_FOR_INTERRUPTS();
			if (!pass_row(self, slot))
				break;
		}
		ExecDropSingleTupleTableSlot(slot);
		self->inner->rShutdown(self->inner);
		tuplestore_end(self->store);
	}
	pfree(self);
}
