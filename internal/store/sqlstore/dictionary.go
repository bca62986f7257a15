package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
)

// table is a table of the books as its database describes it.
type table struct {
	name    string
	columns []string
	// booleans are the columns that are no numbers to this database.
	booleans []string
	// order is by the primary key, the same in every database.
	order []string
	// refers are the tables whose rows its rows refer to.
	refers []string
}

// notBooks are the tables that a copy of the books leaves out, each with the reason. Every other table that the database
// has is copied, so that one which a migration adds is not forgotten.
var notBooks = map[string]string{
	"goose_db_version":        "says which migrations this database has seen",
	"grant_transitions":       "is filled by the migrations",
	"request_transitions":     "is filled by the migrations",
	"finding_transitions":     "is filled by the migrations",
	restoringTable:            "is about a restore into this database",
	"erasing":                 "has a row only within a statement",
	"sessions":                "would let in who has a token from before a restore",
	"ceremonies":              "would let somebody end what was begun before a restore",
	"recovery_codes":          "would make codes good again that were used since",
	"devices":                 "lets in who has a code from before a restore",
	"spent_tokens":            "is over within minutes",
	"configurations":          "would serve what was in force once, with tokens that a restore has not made void: the files say what is",
	"configuration_approvals": "is of a version that is not copied",
	backupTable:               "is about the backup itself",
	backupTables:              "is about the backup itself",
}

// querier is a database or a transaction in it.
type querier interface {
	QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error)
}

// dictionary is how a database is asked what it has.
type dictionary struct {
	// tables lists the names of all tables.
	tables string
	// columns lists the name of each column of $1, its type, and its place in the primary key, or 0.
	columns string
	// refers lists the tables that $1 has foreign keys to.
	refers string
	// byteOrder, behind a text, has it compared byte by byte, as every database can.
	byteOrder string
}

// bookTables lists the tables of the books, each behind those that it refers to.
func (d dictionary) bookTables(ctx context.Context, q querier) ([]table, error) {
	names, err := readAll(ctx, q, scanOne[string], d.tables)
	if err != nil {
		return nil, err
	}
	var tables []table
	for _, name := range names {
		if _, left := notBooks[name]; left {
			continue
		}
		t, err := d.describe(ctx, q, name)
		if err != nil {
			return nil, err
		}
		tables = append(tables, t)
	}
	return inOrder(tables)
}

// columnLine is a line of dictionary.columns.
type columnLine struct {
	name, kind string
	key        int
}

func (d dictionary) describe(ctx context.Context, q querier, name string) (t table, err error) {
	t.name = name
	columns, err := readAll(ctx, q, func(r row) (l columnLine, err error) {
		err = r.Scan(&l.name, &l.kind, &l.key)
		return l, err
	}, d.columns, name)
	if err != nil {
		return t, err
	}
	for _, l := range columns {
		t.columns = append(t.columns, l.name)
		if strings.EqualFold(l.kind, "boolean") {
			t.booleans = append(t.booleans, l.name)
		}
	}
	keyed := slices.DeleteFunc(columns, func(l columnLine) bool { return l.key == 0 })
	slices.SortFunc(keyed, func(a, b columnLine) int { return a.key - b.key })
	for _, l := range keyed {
		by := quoted(l.name)
		if strings.EqualFold(l.kind, "text") {
			by += d.byteOrder
		}
		t.order = append(t.order, by)
	}
	t.refers, err = readAll(ctx, q, scanOne[string], d.refers, name)
	return t, err
}

// inOrder puts each table behind those that it refers to.
func inOrder(tables []table) ([]table, error) {
	var ordered []table
	placed := map[string]bool{}
	for len(ordered) < len(tables) {
		before := len(ordered)
		for _, t := range tables {
			waits := slices.ContainsFunc(t.refers, func(other string) bool { return other != t.name && !placed[other] })
			if !placed[t.name] && !waits {
				placed[t.name] = true
				ordered = append(ordered, t)
			}
		}
		if len(ordered) == before {
			return nil, fmt.Errorf("tables refer to each other in a circle, or to tables that are not copied: only %d of %d can be put in order", before, len(tables))
		}
	}
	return ordered, nil
}

// readAll reads every row of a query on a whole database.
func readAll[T any](ctx context.Context, q querier, scan func(row) (T, error), text string, args ...any) (list []T, err error) {
	rows, err := q.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		item, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, item)
	}
	return list, rows.Err()
}

// quoted is the name of a table or a column, which may be a word of SQL.
func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func quotedAll(names []string) string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = quoted(name)
	}
	return strings.Join(list, ", ")
}

// sqliteDictionary asks SQLite.
func sqliteDictionary() dictionary {
	return dictionary{
		tables:  `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY name`,
		columns: `SELECT name, type, pk FROM pragma_table_info($1) ORDER BY cid`,
		refers:  `SELECT DISTINCT "table" FROM pragma_foreign_key_list($1)`,
	}
}

// postgresDictionary asks PostgreSQL for what is in the store's schema.
func postgresDictionary() dictionary {
	return dictionary{
		tables: `SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename`,
		columns: `SELECT a.attname, format_type(a.atttypid, NULL), coalesce(array_position(c.conkey, a.attnum), 0)
			FROM pg_attribute AS a LEFT JOIN pg_constraint AS c ON c.conrelid = a.attrelid AND c.contype = 'p'
			WHERE a.attrelid = $1::text::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
		refers: `SELECT DISTINCT t.relname FROM pg_constraint AS c JOIN pg_class AS t ON t.oid = c.confrelid
			WHERE c.conrelid = $1::text::regclass AND c.contype = 'f'`,
		byteOrder: ` COLLATE "C"`,
	}
}
