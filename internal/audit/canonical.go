package audit

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxNumber bounds the numbers that RFC 8785 writes digit by digit.
const maxNumber = 1 << 53

// canonical is RFC 8785. The form is known and small, so it is written straight: parsing what an encoder wrote, in order to
// sort it, took most of an entry's time. Text that is not UTF-8 is refused, since JSON would silently change it.
func canonical(l leaf) ([]byte, error) {
	o := object{buf: make([]byte, 0, 512)}
	o.open()
	o.number("at", l.At)
	o.texts("commitments", l.Commitments)
	o.texts("detail", l.Detail)
	o.optional("entitlement", l.Entitlement)
	o.optional("from", l.From)
	o.optional("grant", string(l.Grant))
	o.text("id", string(l.ID))
	o.text("kind", string(l.Kind))
	o.optional("request", string(l.Request))
	o.text("tenant", string(l.Tenant))
	o.optional("to", l.To)
	o.number("v", int64(l.Version))
	o.close()
	if o.err == nil && len(o.buf) > MaxLeaf {
		o.err = fmt.Errorf("%d bytes are more than %d", len(o.buf), MaxLeaf)
	}
	return o.buf, o.err
}

// object writes a JSON object. Its members come in the order of their names.
type object struct {
	buf []byte
	err error
}

func (o *object) open()  { o.buf = append(o.buf, '{') }
func (o *object) close() { o.buf = append(o.buf, '}') }

// name writes the name of the next member.
func (o *object) name(name string) {
	if o.buf[len(o.buf)-1] != '{' {
		o.buf = append(o.buf, ',')
	}
	o.string(name)
	o.buf = append(o.buf, ':')
}

func (o *object) number(name string, n int64) {
	if n > maxNumber || n < -maxNumber {
		o.err = fmt.Errorf("%s is %d, which JSON cannot hold exactly", name, n)
	}
	o.name(name)
	o.buf = strconv.AppendInt(o.buf, n, 10)
}

func (o *object) text(name, value string) {
	o.name(name)
	o.string(value)
}

// optional leaves an empty text out.
func (o *object) optional(name, value string) {
	if value != "" {
		o.text(name, value)
	}
}

// texts leaves an empty map out.
func (o *object) texts(name string, m map[string]string) {
	if len(m) == 0 {
		return
	}
	o.name(name)
	o.open()
	for _, k := range slices.SortedFunc(maps.Keys(m), compareUTF16) {
		o.text(k, m[k])
	}
	o.close()
}

// string escapes what must be, and nothing else.
func (o *object) string(s string) {
	if !utf8.ValidString(s) {
		o.err = fmt.Errorf("%q is not UTF-8", s)
	}
	const hex = "0123456789abcdef"
	o.buf = append(o.buf, '"')
	for i := range len(s) {
		c := s[i]
		switch short := strings.IndexByte("\b\t\n\f\r\"\\", c); {
		case short >= 0:
			o.buf = append(o.buf, '\\', `btnfr"\`[short])
		case c < ' ':
			o.buf = append(o.buf, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
		default:
			o.buf = append(o.buf, c)
		}
	}
	o.buf = append(o.buf, '"')
}

// compareUTF16 is the order of names in RFC 8785: that of their UTF-16 code units, which is another than that of their
// bytes beyond the basic plane.
func compareUTF16(a, b string) int {
	for a != "" && b != "" {
		ra, na := utf8.DecodeRuneInString(a)
		rb, nb := utf8.DecodeRuneInString(b)
		if ra != rb {
			return cmp.Or(cmp.Compare(firstUnit(ra), firstUnit(rb)), cmp.Compare(ra, rb))
		}
		a, b = a[na:], b[nb:]
	}
	return cmp.Compare(len(a), len(b))
}

func firstUnit(r rune) rune {
	if utf16.RuneLen(r) == 2 {
		high, _ := utf16.EncodeRune(r)
		return high
	}
	return r
}
