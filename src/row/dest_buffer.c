/*-------------------------------------------------------------------------
 *
 * dest_buffer.c
 *		A receiver before the client's: holds rows back until the statement is
 *		known to stay under its limits, and says on which road they leave.
 *
 * Rows are held as they are, sealed values sealed: the first few in an array,
 * which is all that a look-up needs, more in a tuplestore.  Start-up of the real
 * receiver waits for the flush as well.  With a ticket, rows go
 * through one by one, each taken from the ticket first.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "miscadmin.h"
#include "row/exec.h"
#include "tcop/dest.h"
#include "utils/tuplestore.h"

#define LG_BUFFER_KB	65536
/* What the array holds at most. */
#define LG_FEW_ROWS		8
#define LG_FEW_BYTES	16384

typedef struct LgDest
{
	DestReceiver pub;
	DestReceiver *inner;
	LgExec	   *exec;
	bool		stream;
	int			operation;
	TupleDesc	desc;
	MemoryContext context;		/* of the array's rows */
	bool		started;
	int			n_few;
	Size		few_bytes;
	MinimalTuple few[LG_FEW_ROWS];
	Tuplestorestate *store;		/* NULL: all rows are in the array */
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
	self->started = true;
	if (self->stream)
		self->inner->rStartup(self->inner, operation, desc);
}

/* True if the row has found a place in the array. */
static bool
put_few(LgDest *self, TupleTableSlot *slot)
{
	MemoryContext old;
	MinimalTuple tuple;

	if (self->n_few == LG_FEW_ROWS || self->few_bytes > LG_FEW_BYTES)
		return false;
	old = MemoryContextSwitchTo(self->context);
	tuple = ExecCopySlotMinimalTuple(slot);
	MemoryContextSwitchTo(old);
	self->few[self->n_few++] = tuple;
	self->few_bytes += tuple->t_len;
	return true;
}

/* There are too many rows for the array: it goes first into a tuplestore. */
static void
begin_store(LgDest *self)
{
	MemoryContext old = MemoryContextSwitchTo(self->context);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(self->desc, &TTSOpsMinimalTuple);

	self->store = tuplestore_begin_heap(false, false, Max(work_mem, LG_BUFFER_KB));
	for (int i = 0; i < self->n_few; i++)
	{
		ExecStoreMinimalTuple(self->few[i], slot, true);
		tuplestore_puttupleslot(self->store, slot);
	}
	self->n_few = 0;
	ExecDropSingleTupleTableSlot(slot);
	MemoryContextSwitchTo(old);
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
	if (self->store == NULL)
	{
		if (put_few(self, slot))
			return true;
		begin_store(self);
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
	self->context = CurrentMemoryContext;
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

/* The next row held back, in slot; false after the last. */
static bool
next_row(LgDest *self, int *at, TupleTableSlot *slot)
{
	if (self->store != NULL)
		return tuplestore_gettupleslot(self->store, true, false, slot);
	if (*at == self->n_few)
		return false;
	ExecStoreMinimalTuple(self->few[(*at)++], slot, false);
	return true;
}

/* All is well: the real receiver gets what was held back. */
void
lg_dest_flush(DestReceiver *wrapped)
{
	LgDest	   *self = (LgDest *) wrapped;
	TupleTableSlot *slot;
	int			at = 0;

	if (self->started && !self->stream)
	{
		self->inner->rStartup(self->inner, self->operation, self->desc);
		slot = MakeSingleTupleTableSlot(self->desc, &TTSOpsMinimalTuple);
		while (next_row(self, &at, slot))
		{
			CHECK_FOR_INTERRUPTS();
			if (!pass_row(self, slot))
				break;
		}
		ExecDropSingleTupleTableSlot(slot);
		self->inner->rShutdown(self->inner);
		if (self->store != NULL)
			tuplestore_end(self->store);
		for (int i = 0; i < self->n_few; i++)
			pfree(self->few[i]);
	}
	pfree(self);
}
