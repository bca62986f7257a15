/*
 * The life of one grant, as package engine leads it, on two nodes over one store and one target.
 *
 * README.md says what is checked, what is left out, and how this follows the code. Names in brackets are the functions
 * of internal/engine that a step stands for. A step is one transaction, one effect at the target or one read, together
 * with whatever its process does alone before it; a process may sleep or crash between any two.
 *
 * A switch named BUG_... breaks one rule. The switches exist so that the check is known to be able to fail.
 */

/* How many orders to grant one life has, at most three. The code has no such bound but activationLimit. */
#ifndef ATTEMPTS
#define ATTEMPTS 3
#endif

mtype:Stage = { SCHEDULED, ACTIVATING, ACTIVE, REVOKING, ENDED };
mtype:Due = { AT_ONCE, AT_LEASE_END, AT_DEADLINE, AT_LAST_ORDER, NEVER };
mtype:Order = { UNSENT, FLYING, APPLIED, REFUSED, OVER };

/* The row of the grant. */
mtype:Stage state = SCHEDULED;
mtype:Due due = AT_ONCE;       /* due_at: what it waits for */
byte attempt;                  /* orders given so far */
byte actBy;                    /* act_by: that of which order; 0 is the zero time */
bool planned;                  /* the plan is committed */
bool clockStarted;             /* the deadline is set */

/*
 * Compare-and-swap. Versions only grow, so all that a transaction learns from one is whether anybody has written since:
 * current[p] says that nobody has since process p did.
 */
#define ISSUER 2
#define NOBODY 3               /* goes on with nothing that it would have to compare */
bool current[3];

/*
 * Time has no number here, only what has come to pass. age[i] is how order i's ActBy lies: 0 ahead, 1 behind by no more
 * than lateMargin, 2 behind by more. Later orders have later ActBys. The lease of a claim that gives an order ends at
 * that order's ActBy.
 */
byte age[4];
bool leaseOver;                /* of a claim that gives no order */
bool deadlineOver;
bool limitOver;                /* activationLimit */

/* The target, what is under way to it, and whether its sender still waits for the answer. */
bool present;
mtype:Order sent[4] = UNSENT;
bool awaited[4];
bool cameTooLate;              /* what is present came when it no longer might */

/* While trouble lasts, nodes crash and sleep past their leases, calls fail, answers are lost, reads are blind. */
#ifdef LIVENESS
bool trouble = true;
#else
#define trouble true
#endif

/* For the property of liveness only. */
#ifdef LIVENESS
bool returned;
bool working[2];               /* a worker is between its claim and what comes of it */
#define note(what) what
#else
#define note(what) skip
#endif

#define noOrderOutstanding (actBy == 0 || age[actBy] == 2)
#define deadlinePassed (clockStarted && deadlineOver)

#if defined(BUG_LEASE_IGNORED)
#define leaseEnded true
#elif defined(BUG_LEASE_NEVER_ENDS)
#define leaseEnded false
#else
#define leaseEnded ((state == SCHEDULED && age[1] > 0) || (state == ACTIVATING && age[attempt] > 0) || \
	(state == REVOKING && leaseOver))
#endif
#define claimable (due == AT_ONCE || (due == AT_LEASE_END && leaseEnded) || (due == AT_DEADLINE && deadlinePassed) || \
	(due == AT_LAST_ORDER && noOrderOutstanding))

/* Whether process p may write while the grant is in stage s: the version, and the table of transitions. */
#ifdef BUG_CAS_SKIPPED
#define wins(p, s) (state == s)
#else
#define wins(p, s) (current[p] && state == s)
#endif

/* Every transaction that changes the row begins with this; p goes on with what it wrote. */
inline write(p) {
	assert(state != ENDED);        /* what has ended never changes */
	current[0] = (p == 0); current[1] = (p == 1); current[ISSUER] = (p == ISSUER)
}

inline startClock() {
	assert(!clockStarted);         /* a grant is activated once, and its deadline never moves */
	clockStarted = true
}

/* An order has its effect. */
inline arrive(i) {
	assert(planned);               /* nothing happens at the target before its plan is committed */
#ifndef NOTHING_EXCUSED
	cameTooLate = (age[i] == 2);
#endif
	assert(state != ENDED || cameTooLate);         /* nothing else comes after the end */
	present = true
}

inline takeAway() {
	assert(state == REVOKING || state == ENDED);  /* what is live is not taken from its principal */
	present = false; cameTooLate = false
}

#define underWay(i) (sent[i] == FLYING && age[i] < 2)

inline finish() {
	write(NOBODY);
	state = ENDED; due = NEVER; actBy = 0; deadlineOver = false; limitOver = false;
	/* Ended means: it is not there, and nothing under way can bring it back. */
	assert((!present || cameTooLate) && !underWay(1) && !underWay(2) && !underWay(3))
}

/* [change.beginRevoking] */
inline beginRevoking(p, next) {
	write(p);
	state = REVOKING; due = next; leaseOver = false; deadlineOver = false; limitOver = false
}

/* That order i's answer came says nothing of the orders before it. [forgetOnlyOrder] */
inline answered(i) {
#ifdef BUG_EARLIER_ORDER_FORGOTTEN
	actBy = 0
#else
	actBy = (i == 1 -> 0 : i)
#endif
}

/* Nobody waits for order i's answer any more, whatever it is. */
inline leave(i) {
	if
	:: i > 0 ->
		awaited[i] = false;
		if
		:: sent[i] == APPLIED || sent[i] == REFUSED -> sent[i] = OVER
		:: else
		fi
	:: else
	fi;
	i = 0
}

/* [Connector.Grant] An order that comes too late does not leave the node. */
inline send(i) {
	if
	:: age[i] == 0 -> sent[i] = FLYING; awaited[i] = true
	:: else -> sent[i] = OVER
	fi
}

/* A worker puts down what it had in hand. */
inline rest() {
	leave(order);
	late = false; current[me] = false; note(working[me] = false)
}

/* [Engine.fail] */
inline fail(s) {
	if
	:: wins(me, s) ->
		write(NOBODY);
#ifdef BUG_TRIES_END
		due = (s == REVOKING -> NEVER : AT_ONCE)
#else
		due = AT_ONCE
#endif
	:: else
	fi
}

/* A node: one worker of Engine.Step. */
proctype Node(bit me) {
	byte order;                    /* the attempt that it carries out */
	bool late;                     /* no earlier order could take effect any more when the read began */

end_idle:
	if
	/* [Engine.claim, change.prepareClaimed] */
	:: atomic {
		claimable ->
		note(working[me] = true);
		if
		:: state == SCHEDULED && limitOver -> finish(); rest(); goto end_idle
		:: state == SCHEDULED && !limitOver -> write(me); due = AT_LEASE_END; age[1] = 0; goto activate
		:: state == ACTIVATING && !deadlinePassed && !limitOver && attempt < ATTEMPTS ->
			write(me);
			due = AT_LEASE_END; attempt++; actBy = attempt; order = attempt;
#ifdef BUG_DEADLINE_MOVED
			startClock();
#endif
			goto grant
		:: state == ACTIVATING && (deadlinePassed || limitOver || attempt == ATTEMPTS) ->
			beginRevoking(me, AT_LEASE_END); goto remove
		:: state == ACTIVE -> beginRevoking(me, AT_LEASE_END); goto remove
		:: state == REVOKING -> write(me); due = AT_LEASE_END; leaseOver = false; goto remove
		fi
	}
#ifdef LIVENESS
	/* One of the nodes may stay away for ever; the other one runs. */
	:: me == 1 -> goto stop
#endif
	fi;

activate:
	/* [Engine.activate, change.startClock] */
	if
	:: atomic {
		wins(me, SCHEDULED) -> write(me);
		state = ACTIVATING; planned = true; limitOver = false;
		startClock();
		attempt++; actBy = attempt; order = attempt
	}
	:: atomic { !wins(me, SCHEDULED) -> rest(); goto end_idle }
	:: atomic { wins(me, SCHEDULED) -> finish(); rest(); goto end_idle }   /* not eligible any more */
	:: atomic { trouble -> fail(SCHEDULED); rest(); goto end_idle }        /* facts or target cannot be read */
	:: atomic { trouble -> rest(); goto end_idle }                         /* crash */
#ifdef BUG_EFFECT_BEFORE_COMMIT
	:: sent[1] == UNSENT -> sent[1] = FLYING; goto activate
#endif
	fi;

grant:
	atomic { send(order) };
	/* [Engine.grant, Engine.giveUp, undo] */
	if
	:: atomic {
		sent[order] == APPLIED && wins(me, ACTIVATING) ->
		write(NOBODY);
		assert(present);
		state = ACTIVE; due = AT_DEADLINE; limitOver = false;
		answered(order);
		rest(); goto end_idle
	}
	:: atomic {
		sent[order] == APPLIED && !wins(me, ACTIVATING) ->
		/* The loser takes back what it did, unless the winner counts on it. [Engine.undoActivation] */
		if
#ifndef BUG_UNDO_WHAT_IS_LIVE
		:: state == ACTIVATING || state == ACTIVE -> rest(); goto end_idle
		:: else
#else
		:: true
#endif
		fi;
		takeAway();
		goto undone
	}
	:: atomic {
		sent[order] == REFUSED ->
		if
		:: wins(me, ACTIVATING) -> beginRevoking(NOBODY, AT_ONCE); answered(order)
		:: else
		fi;
		rest(); goto end_idle
	}
	:: atomic { sent[order] == OVER || trouble -> fail(ACTIVATING); rest(); goto end_idle }
	:: atomic { trouble -> rest(); goto end_idle }                         /* crash */
	fi;

undone:
	/* Nobody need wait for an order that was answered and undone. */
	if
	:: atomic {
		if
		:: state == REVOKING && attempt == order && due != AT_LEASE_END ->
			write(NOBODY); answered(order); due = AT_ONCE
		:: else
		fi;
		rest(); goto end_idle
	}
	:: atomic { trouble -> rest(); goto end_idle }                         /* crash */
	fi;

remove:
	/* [Engine.remove] Revoke, */
	if
	:: atomic { takeAway() }
	:: atomic { trouble -> fail(REVOKING); rest(); goto end_idle }
	:: atomic { trouble -> rest(); goto end_idle }
	fi;
#ifndef BUG_TIME_TAKEN_AFTER_THE_READ
	/* the time before the read, */
	late = noOrderOutstanding;
#endif
	/* Observe, */
	if
#ifdef BUG_END_WITHOUT_READ
	:: true
#endif
#ifdef BUG_BLIND_IS_GONE
	:: trouble
#endif
	:: !present
	:: atomic { present || trouble -> fail(REVOKING); rest(); goto end_idle }
	:: atomic { trouble -> rest(); goto end_idle }
	fi;
#ifdef BUG_TIME_TAKEN_AFTER_THE_READ
	late = noOrderOutstanding;
#endif
#ifdef BUG_ACT_BY_IGNORED
	late = true;
#endif
	/* and what comes of it. [change.removed] */
	if
	:: atomic { wins(me, REVOKING) && late -> finish(); rest(); goto end_idle }
	:: atomic { wins(me, REVOKING) && !late -> write(NOBODY); due = AT_LAST_ORDER; rest(); goto end_idle }
	:: atomic { !wins(me, REVOKING) -> rest(); goto end_idle }
	:: atomic { trouble -> rest(); goto end_idle }
	fi;
#ifdef LIVENESS
stop:
#endif
	skip
}

/* The principal fetches the credential with another key: a new order while the grant is active. */
proctype Issuer() {
	byte order;

end_idle:
	/* [Engine.reissue] */
	atomic {
		state == ACTIVE && !deadlinePassed && noOrderOutstanding && attempt < ATTEMPTS ->
		write(ISSUER);
		attempt++; actBy = attempt; order = attempt
	}
	atomic { send(order) };
	/* [Engine.issue, Engine.undoLate] */
	if
	:: atomic {
		sent[order] == APPLIED ->
		if
		:: wins(ISSUER, ACTIVE) -> write(NOBODY); actBy = 0
		:: else ->
			if
			:: state == REVOKING || state == ENDED -> takeAway()
			:: else
			fi
		fi
	}
	:: sent[order] == OVER || sent[order] == REFUSED || trouble            /* an error, no answer in time, or crash */
	fi;
	atomic { leave(order); current[ISSUER] = false; goto end_idle }
}

/* The principal gives it back at any moment, or never. [Engine.Return] */
proctype Principal() {
	if
	:: atomic { state == SCHEDULED -> finish() }
	:: atomic { state == ACTIVATING || state == ACTIVE -> beginRevoking(NOBODY, AT_ONCE); note(returned = true) }
	:: true
	fi
}

/* Order i between the node that sent it and the target. It may have its effect in parts, or more than once. */
#ifdef TARGET_TRUSTS_THE_ORDER
#define accepted(i) true
#else
#define accepted(i) (age[i] < 2)   /* the target's clock is within lateMargin of the store's */
#endif

proctype Wire(byte i) {
end_carry:
	do
	:: atomic { trouble && sent[i] == FLYING && accepted(i) && !present -> arrive(i) }
	:: atomic { sent[i] == FLYING && accepted(i) -> arrive(i); sent[i] = (awaited[i] -> APPLIED : OVER); break }
	:: atomic { sent[i] == FLYING && awaited[i] -> sent[i] = REFUSED; break }
	:: atomic { sent[i] == FLYING -> sent[i] = OVER; break }
	od
}

proctype Clock() {
end_tick:
	do
	:: atomic { age[1] < 2 && (attempt > 0 || (state == SCHEDULED && due == AT_LEASE_END)) -> age[1]++ }
	:: atomic { age[2] < age[1] && attempt > 1 -> age[2]++ }
	:: atomic { age[3] < age[2] && attempt > 2 -> age[3]++ }
	:: atomic { !deadlineOver && (state == ACTIVATING || state == ACTIVE) -> deadlineOver = true }
	:: atomic { !limitOver && (state == SCHEDULED || state == ACTIVATING) -> limitOver = true }
	od
}

/* A lease outlasts the work that is done under it, unless its node is in trouble. */
proctype Lease() {
end_tick:
	do
#ifdef LIVENESS
	:: atomic {
		state == REVOKING && due == AT_LEASE_END && !leaseOver && (trouble || (!working[0] && !working[1])) ->
		leaseOver = true
	}
#else
	:: atomic { state == REVOKING && due == AT_LEASE_END && !leaseOver -> leaseOver = true }
#endif
	od
}

#ifdef LIVENESS
proctype Calm() { trouble = false }

/* What is over ends: past its deadline, given back, or being taken away for whatever reason. */
ltl overEnds { [] ((deadlinePassed || returned || state == REVOKING) -> <> (state == ENDED)) }
#endif

init {
	atomic {
		run Node(0); run Node(1); run Issuer(); run Principal();
		run Wire(1); run Wire(2);
#if ATTEMPTS > 2
		run Wire(3);
#endif
		run Clock(); run Lease();
#ifdef LIVENESS
		run Calm()
#endif
	}
}
