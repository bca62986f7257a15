package sqlstore

import (
	"strconv"
	"strings"
)

// where collects the conditions of a query, each on one column. Columns and operators are constants of this package;
// values are parameters always.
type where struct {
	text strings.Builder
	args []any
}

// and adds a condition on a column.
func (w *where) and(column, operator string, value any) {
	w.args = append(w.args, value)
	w.andText(column + " " + operator + " " + w.param())
}

// andText adds a condition without a value.
func (w *where) andText(condition string) {
	if w.text.Len() == 0 {
		w.text.WriteString(" WHERE ")
	} else {
		w.text.WriteString(" AND ")
	}
	w.text.WriteString(condition)
}

// limit bounds the result; it comes last.
func (w *where) limit(n int) string {
	w.args = append(w.args, n)
	return limitTo(w.param())
}

// limitTo bounds a result by a parameter. Added to nothing, the parameter is no longer one for SQLite's planner, which
// otherwise looks at its value, and for that prepares the statement again each time that it runs.
func limitTo(param string) string { return " LIMIT " + param + " + 0" }

// param is the name of the last parameter.
func (w *where) param() string { return "$" + strconv.Itoa(len(w.args)) }

// String is the clause, empty without conditions.
func (w *where) String() string { return w.text.String() }
