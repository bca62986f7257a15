package pack

import (
	"bytes"
	"fmt"
	"strings"

	"codeberg.org/go-pdf/fpdf"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
)

const (
	pageWidth, pageHeight = 297.0, 210.0 // A4 on its side, in millimetres
	margin                = 12.0
	lineHeight            = 3.9
	textSize              = 7.5
	// maxCell bounds the words in a cell of the PDF; the tables beside it have them whole.
	maxCell = 300
)

// page is a PDF under way.
type page struct {
	*fpdf.Fpdf
	width float64
}

// pdf is the report on paper.
func (p Pack) pdf() ([]byte, error) {
	doc := fpdf.New("L", "mm", "A4", "")
	doc.SetCatalogSort(true)
	// The same log and order give the same bytes, so the time is theirs: the library takes the zero time for now.
	made := p.Last
	if made.IsZero() {
		made = p.Order.To
	}
	doc.SetCreationDate(made)
	doc.SetModificationDate(made)
	doc.SetTitle(p.title(), true)
	doc.SetProducer("Curfew", true)
	doc.SetMargins(margin, margin, margin)
	doc.SetAutoPageBreak(true, margin+4)
	doc.AddUTF8FontFromBytes("go", "", goregular.TTF)
	doc.AddUTF8FontFromBytes("go", "B", gobold.TTF)
	doc.SetFooterFunc(func() {
		doc.SetY(-margin)
		doc.SetFont("go", "", textSize)
		doc.CellFormat(0, lineHeight, fmt.Sprintf("%s · page %d", p.title(), doc.PageNo()), "", 0, "R", false, 0, "")
	})
	w := page{doc, pageWidth - 2*margin}
	doc.AddPage()
	w.heading(p.title(), 16)
	w.facts(p.facts())
	w.heading("Summary", 12)
	w.facts(p.summary())
	for _, c := range p.charts() {
		w.chart(c)
	}
	for _, t := range p.tables() {
		w.table(t)
	}
	w.heading("How to verify this", 12)
	w.text("Everything above follows from log.jsonl, an export of the audit log that proves itself. On any machine, without a server:\n" + verification)
	var b bytes.Buffer
	err := doc.Output(&b)
	return b.Bytes(), err
}

func (w page) heading(text string, size float64) {
	w.Ln(lineHeight)
	w.SetFont("go", "B", size)
	w.MultiCell(0, size*0.5, printable(text), "", "L", false)
	w.Ln(1)
	w.SetFont("go", "", textSize)
}

func (w page) text(text string) {
	w.SetFont("go", "", textSize+1)
	w.MultiCell(0, lineHeight+0.6, printable(text), "", "L", false)
}

func (w page) facts(list []fact) {
	for _, f := range list {
		w.SetFont("go", "B", textSize+1)
		w.CellFormat(60, lineHeight+0.8, printable(f.Name), "", 0, "L", false, 0, "")
		w.SetFont("go", "", textSize+1)
		w.MultiCell(0, lineHeight+0.8, printable(f.Value), "", "L", false)
	}
}

// room begins a new page unless so much is left of this one.
func (w page) room(height float64) {
	if w.GetY()+height > pageHeight-margin-5 {
		w.AddPage()
	}
}

func (w page) chart(c Chart) {
	const height = 28.0
	w.room(height + 14)
	w.Ln(lineHeight)
	w.SetFont("go", "B", textSize+1)
	w.MultiCell(0, lineHeight+1, printable(c.Title), "", "L", false)
	w.SetFont("go", "", textSize-1)
	left, top := w.GetX(), w.GetY()+4
	slot := w.width / float64(max(1, len(c.Labels)))
	every := (len(c.Labels) + 11) / 12
	w.SetFillColor(43, 108, 176)
	for i, v := range c.Values {
		h := float64(v) / float64(c.most()) * height
		x := left + float64(i)*slot
		w.Rect(x+slot*0.1, top+height-h, slot*0.8, h, "F")
		if v > 0 && len(c.Values) <= 40 {
			w.Text(x+slot/2-1, top+height-h-0.8, fmt.Sprint(v))
		}
		if i%every == 0 {
			w.Text(x+slot*0.1, top+height+3.5, printable(c.Labels[i]))
		}
	}
	w.SetXY(left, top+height+5)
}

func (w page) table(t table) {
	w.heading(t.title, 12)
	if len(t.rows) == 0 {
		w.text(t.none)
		return
	}
	widths := w.widths(t)
	w.row(t.headings, widths, "B")
	for _, row := range t.rows {
		w.row(row, widths, "")
	}
}

// widths gives each column a share by the words in it.
func (w page) widths(t table) []float64 {
	weights := make([]float64, len(t.headings))
	total := 0.0
	for i := range weights {
		longest := len(t.headings[i])
		for _, row := range t.rows {
			longest = max(longest, min(len(row[i]), 48))
		}
		weights[i] = float64(max(longest, 10))
		total += weights[i]
	}
	for i := range weights {
		weights[i] *= w.width / total
	}
	return weights
}

func (w page) row(cells []string, widths []float64, style string) {
	w.SetFont("go", style, textSize-1)
	lines := 1
	split := make([][]string, len(cells))
	for i, cell := range cells {
		split[i] = w.SplitText(printable(shortened(cell)), widths[i]-1.5)
		lines = max(lines, len(split[i]))
	}
	height := float64(lines)*lineHeight*0.85 + 1
	w.room(height)
	x, y := w.GetX(), w.GetY()
	for i, part := range split {
		for k, line := range part {
			w.Text(x+0.7, y+float64(k+1)*lineHeight*0.85-0.6, line)
		}
		x += widths[i]
	}
	w.SetDrawColor(200, 205, 210)
	w.Line(margin, y+height, margin+w.width, y+height)
	w.SetXY(margin, y+height)
}

func shortened(cell string) string {
	if runes := []rune(cell); len(runes) > maxCell {
		return string(runes[:maxCell]) + "…"
	}
	return cell
}

// printable replaces what the font has no picture for: controls, and what is beyond the basic plane.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r < ' ' || r == 0x7f || r > 0xffff:
			return '\ufffd'
		}
		return r
	}, s)
}
