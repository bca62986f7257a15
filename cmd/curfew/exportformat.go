package main

import (
	"bufio"
	"errors"
	"io"

	"github.com/curfewhq/curfew/internal/audit"
)

// The forms of an export. The first proves itself.
const (
	formatJSONL = "jsonl"
	formatOCSF  = "ocsf"
	formatCSV   = "csv"
)

func exportFormats() []string { return []string{formatJSONL, formatOCSF, formatCSV} }

// writeExport reads and verifies an export, and writes it in a form.
func writeExport(in io.Reader, out io.Writer, format string) (report audit.ExportReport, err error) {
	if format == formatJSONL {
		return audit.VerifyExport(io.TeeReader(in, out), nil, nil, nil)
	}
	records, err := newRecordWriter(out, format)
	if err != nil {
		return report, err
	}
	report, err = audit.VerifyExport(in, nil, nil, records.Write)
	return report, errors.Join(err, records.Close())
}

// recordWriter writes records in a form.
type recordWriter interface {
	Write(audit.Record) error
	// Close writes what is left.
	Close() error
}

func newRecordWriter(out io.Writer, format string) (recordWriter, error) {
	if format == formatCSV {
		return audit.NewCSV(out)
	}
	return ocsfWriter{bufio.NewWriter(out)}, nil
}

// ocsfWriter writes an event of OCSF a line.
type ocsfWriter struct{ lines *bufio.Writer }

func (w ocsfWriter) Write(r audit.Record) error {
	text, err := audit.OCSF(r)
	if err != nil {
		return err
	}
	_, err = w.lines.Write(append(text, '\n'))
	return err
}

func (w ocsfWriter) Close() error { return w.lines.Flush() }
