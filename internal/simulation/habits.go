package simulation

import "time"

// maxSkew is how far a target's clock may be behind the store's. connector.DefaultSkewLimit is what the engine bears, to
// the microsecond; a run stays just inside.
const maxSkew = 5*time.Second - time.Millisecond

// habits are what tends to go wrong in one run: so many of a hundred opportunities. Each run has its own, because
// accidents that always come together hide what one of them does alone.
type habits struct {
	// held: a task waits for others before it goes on. slow: it, or a call that is on its own, does so for a time that may
	// be longer than its lease.
	held, slow int
	// detached: a call goes on at the target without its caller. Of these, duplicated are carried out twice; silent is the
	// weight, against 80, of no answer ever and of a connection that breaks, hasty of an answer before it is carried out.
	detached, duplicated, silent, hasty int
	// targetFails: the target fails a call at one of its moments; invalid is a weight for never being able to do it.
	targetFails, invalid int
	// storeFails: a transaction is not carried out. answerLost: it is, and nobody says so. lateCommit: it will be.
	storeFails, answerLost, lateCommit int
	// crash, weather and clocks are weights of a node's death, of something being down for all, and of clocks jumping.
	crash, weather, clocks int
	// leaves is the weight of somebody leaving the directory, or coming back; reloads that of a configuration read again,
	// freezes that of an administrator's panic, and rotates that of new keys.
	leaves, reloads, freezes, rotates int
	// source is the weight of the source of identities telling something new, and absence that of somebody having another
	// review in their stead. behalf: a request is in another's name.
	source, absence, behalf int
	// signs is the weight of somebody signing in, of showing what they got for it, and of signing out.
	signs int
	// links is the weight of two accounts becoming one person's.
	links int
	// owner is the weight of the target's owner giving or taking something there, and strays of something of ours being
	// there that should not.
	owner, strays int
	// nodes is how many engines there are.
	nodes int
}

// drawHabits makes most runs simple, and a few of them terrible.
func drawHabits(c *choices) habits {
	level := func(levels ...int) int { return one(c, levels) }
	return habits{
		nodes: level(1, 2, 3),
		held:  level(0, 10, 30, 60), slow: level(0, 20, 60), detached: level(0, 10, 30, 70), duplicated: level(0, 20), silent: level(0, 10, 40),
		hasty: level(0, 0, 20), targetFails: level(0, 0, 0, 3, 10, 50), invalid: level(0, 1), storeFails: level(0, 0, 1, 4),
		answerLost: level(0, 0, 2, 6), lateCommit: level(0, 0, 0, 3), crash: level(0, 0, 2, 5), weather: level(0, 0, 3, 8), clocks: level(0, 0, 3), leaves: level(0, 1),
		reloads: level(0, 0, 1), freezes: level(0, 0, 0, 1, 3), rotates: level(0, 0, 1),
		owner: level(0, 0, 2, 6), strays: level(0, 0, 1, 3),
		source: level(0, 0, 2, 5), absence: level(0, 0, 2, 5), behalf: level(0, 20, 50), signs: level(0, 0, 2, 5), links: level(0, 0, 1, 3),
	}
}
