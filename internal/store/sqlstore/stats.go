package sqlstore

// Stats counts what a store has done since it was opened.
type Stats struct {
	// Transactions is how many calls of Update were settled by a commit, those that answered with an error of their
	// own included.
	Transactions int64
	// Commits is how many commits they took.
	Commits int64
	// Replays is how many times a transaction ran again: on SQLite alone, because a commit that it shared failed; on
	// PostgreSQL because another one was at the same rows.
	Replays int64
	// BallastUp is true while a store on SQLite has given its ballast up, because its disk is full.
	BallastUp bool
}
