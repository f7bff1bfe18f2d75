/*-------------------------------------------------------------------------
 *
 * verdict_test.c
 *		The verdict over a statement, case by case.
 *
 *-------------------------------------------------------------------------
 */
#include "common/verdict.h"
#include "tap.h"

#define ANY INT64_MAX

static const struct
{
	const char *name;
	LgCase		c;
	LgVerdict	verdict;
	int64_t		cap;
}			cases[] = {
	/* portal, total, reveals, threshold, window, ticket, ticketed, unlimited, alert */
	{"nothing read", {0, 0, 0, 1000, 10000, 0}, LG_PASS, 1000},
	{"at the threshold", {1000, 1000, 0, 1000, 10000, 0}, LG_PASS, 1000},
	{"one above the threshold", {1001, 1001, 0, 1000, 10000, 0}, LG_REFUSE_BULK, 1000},
	{"a portal adds up over its FETCHes", {1001, 1, 0, 1000, 10000, 0}, LG_REFUSE_BULK, 1000},
	{"nested statements add up", {1, 1001, 0, 1000, 10000, 0}, LG_REFUSE_BULK, 1000},
	{"reveals count on their own", {1, 1, 1001, 1000, 10000, 0}, LG_REFUSE_BULK, 1000},
	{"reveals at the threshold", {1, 1, 1000, 1000, 10000, 0}, LG_PASS, 1000},
	{"rows and reveals are not added", {600, 600, 600, 1000, 10000, 0}, LG_PASS, 1000},
	{"at the window", {50, 50, 0, 1000, 50, 0}, LG_PASS, 50},
	{"one above the window", {51, 51, 0, 1000, 50, 0}, LG_REFUSE_LIMIT, 50},
	{"reveals above the window", {1, 1, 51, 1000, 50, 0}, LG_REFUSE_LIMIT, 50},
	{"above both: the threshold is named", {2000, 2000, 0, 1000, 50, 0}, LG_REFUSE_BULK, 50},
	{"an overdrawn window", {1, 1, 0, 1000, -5, 0}, LG_REFUSE_LIMIT, 0},
	{"threshold 0", {1, 1, 0, 0, 10000, 0}, LG_REFUSE_BULK, 0},
	{"a portal's earlier FETCHes are not charged to the window again", {900, 50, 0, 1000, 50, 0}, LG_PASS, 50},
	{"a ticket lifts the threshold", {5000, 5000, 0, 1000, 10000, 5000, true}, LG_PASS, 5000},
	{"a ticket lifts the window", {60, 60, 0, 1000, 50, 5000, true}, LG_PASS, 5000},
	{"one above the ticket", {5001, 5001, 0, 1000, 10000, 5000, true}, LG_REFUSE_TICKET, 5000},
	{"reveals above the ticket", {1, 1, 5001, 1000, 10000, 5000, true}, LG_REFUSE_TICKET, 5000},
	{"a small ticket binds below the threshold", {11, 11, 0, 1000, 10000, 10, true}, LG_REFUSE_TICKET, 10},
	{"alert mode does not stretch a ticket", {11, 11, 0, 1000, 10000, 10, true, false, true}, LG_REFUSE_TICKET, 10},
	{"sealed to a holder of backup", {ANY, ANY, 0, 1000, 50, 0, false, true}, LG_PASS, ANY},
	{"but not what was opened on the way", {0, 0, 1001, 1000, 10000, 0, false, true}, LG_REFUSE_BULK, ANY},
	{"nor above the window", {0, 0, 51, 1000, 50, 0, false, true}, LG_REFUSE_LIMIT, ANY},
	{"alert lets a bulk read pass", {2000, 2000, 0, 1000, 10000, 0, false, false, true}, LG_PASS_ALERT, 1000},
	{"alert lets a limit pass", {51, 51, 0, 1000, 50, 0, false, false, true}, LG_PASS_ALERT, 50},
	{"alert says nothing below", {5, 5, 0, 1000, 50, 0, false, false, true}, LG_PASS, 50},
};

int
main(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		LgVerdict	got = lg_verdict(&cases[i].c);

		tap_ok(got == cases[i].verdict, "%s", cases[i].name);
		tap_ok(lg_verdict_cap(&cases[i].c) == cases[i].cap, "%s: the cap", cases[i].name);
	}
	return tap_done();
}
