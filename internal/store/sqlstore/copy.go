package sqlstore

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"fmt"
	"hash"
	"slices"
	"strconv"
	"strings"
)

// Bounds of one INSERT of a copy: what is held in memory, and the parameters, of which SQLite looks for each by its name
// among those before it.
const (
	copyRows       = 500
	copyBytes      = 4 << 20
	copyParameters = 1_000
)

// Copied is told while a table is copied, how many rows of it there are so far, and once more when it is done.
type Copied func(table string, rows int64, done bool)

// contents is what a table has in it, in a form that does not depend on the database.
type contents struct {
	rows   int64
	sha256 []byte
}

// transfer copies tables from one database to another.
type transfer struct {
	from querier
	to   *sql.Tx
	told Copied
}

// table copies every row, in the order of the primary key: the newest event comes last, as a clock is set by it.
func (c transfer) table(ctx context.Context, source, target table) (contents, error) {
	if err := sameColumns(source, target); err != nil {
		return contents{}, err
	}
	insert := &insertion{to: c.to, table: target, columns: source.columns}
	n := int64(0)
	got, err := readTable(ctx, c.from, source, func(values []any) error {
		n++
		if n%(copyRows*20) == 0 {
			c.told(source.name, n, false)
		}
		return insert.add(ctx, values)
	})
	if err == nil {
		err = insert.flush(ctx)
	}
	if err != nil {
		return contents{}, fmt.Errorf("copying the table %s: %w", source.name, err)
	}
	c.told(source.name, n, true)
	return got, nil
}

// sameColumns refuses to guess.
func sameColumns(a, b table) error {
	if slices.Equal(slices.Sorted(slices.Values(a.columns)), slices.Sorted(slices.Values(b.columns))) {
		return nil
	}
	return fmt.Errorf("the table %s has the columns %v in one database and %v in the other", a.name, a.columns, b.columns)
}

// readTable reads every row in the order of the primary key and takes its hash.
func readTable(ctx context.Context, from querier, t table, each func(values []any) error) (contents, error) {
	rows, err := from.QueryContext(ctx, `SELECT `+quotedAll(t.columns)+` FROM `+quoted(t.name)+` ORDER BY `+strings.Join(t.order, ", "))
	if err != nil {
		return contents{}, err
	}
	defer func() { _ = rows.Close() }()
	// The columns are hashed by name, since their order may differ from database to database.
	order := make([]int, len(t.columns))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return strings.Compare(t.columns[i], t.columns[j]) })
	sum, n := sha256.New(), int64(0)
	for rows.Next() {
		values := make([]any, len(t.columns))
		into := make([]any, len(values))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return contents{}, err
		}
		for _, i := range order {
			if values[i], err = plain(values[i]); err != nil {
				return contents{}, fmt.Errorf("column %s: %w", t.columns[i], err)
			}
			hashValue(sum, values[i])
		}
		if err := each(values); err != nil {
			return contents{}, err
		}
		n++
	}
	return contents{rows: n, sha256: sum.Sum(nil)}, rows.Err()
}

// plain makes values alike that databases keep differently. Ours are integers, texts, bytes and NULL.
func plain(v any) (any, error) {
	switch v := v.(type) {
	case nil, int64, string:
		return v, nil
	case bool:
		if v {
			return int64(1), nil
		}
		return int64(0), nil
	case []byte:
		return append([]byte{}, v...), nil // empty is not NULL
	}
	return nil, fmt.Errorf("a value of type %T is not one that the books have", v)
}

// hashValue adds a value so that no two rows of values hash alike.
func hashValue(h hash.Hash, v any) {
	kind, b := byte(0), []byte(nil)
	switch v := v.(type) {
	case int64:
		kind, b = 1, binary.BigEndian.AppendUint64(nil, uint64(v)) //nolint:gosec // the same bits
	case string:
		kind, b = 2, []byte(v)
	case []byte:
		kind, b = 3, v
	}
	h.Write(binary.BigEndian.AppendUint64([]byte{kind}, uint64(len(b))))
	h.Write(b)
}

// insertion gathers rows and writes many with one statement.
type insertion struct {
	to      *sql.Tx
	table   table
	columns []string
	args    []any
	rows    int
	bytes   int
}

func (i *insertion) add(ctx context.Context, values []any) error {
	for n, v := range values {
		if slices.Contains(i.table.booleans, i.columns[n]) {
			v = v == int64(1)
		}
		i.args = append(i.args, v)
		switch v := v.(type) {
		case string:
			i.bytes += len(v)
		case []byte:
			i.bytes += len(v)
		}
	}
	i.rows++
	if i.rows < copyRows && i.bytes < copyBytes && len(i.args)+len(values) <= copyParameters {
		return nil
	}
	return i.flush(ctx)
}

func (i *insertion) flush(ctx context.Context) error {
	if i.rows == 0 {
		return nil
	}
	_, err := i.to.ExecContext(ctx, i.text(), i.args...)
	i.args, i.rows, i.bytes = i.args[:0], 0, 0
	return err
}

// text is INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4) …
func (i *insertion) text() string {
	var b strings.Builder
	b.WriteString("INSERT INTO " + quoted(i.table.name) + " (" + quotedAll(i.columns) + ") VALUES ")
	for n := range i.args {
		switch {
		case n > 0 && n%len(i.columns) == 0:
			b.WriteString("), (")
		case n > 0:
			b.WriteString(", ")
		default:
			b.WriteString("(")
		}
		b.WriteString("$" + strconv.Itoa(n+1))
	}
	b.WriteString(")")
	return b.String()
}
