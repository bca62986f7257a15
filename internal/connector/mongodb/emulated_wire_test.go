package mongodb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// The opcodes of MongoDB's wire protocol that are spoken here.
const (
	opReply = 1
	opQuery = 2004 // the first greeting of a client, nothing else
	opMsg   = 2013
)

const (
	headerLength = 16
	maxMessage   = 48 << 20
)

// message is one message of the wire protocol.
type message struct {
	id, answers int32
	opcode      int32
	// raw is all of it.
	raw  []byte
	body bson.D
}

// name is the command's.
func (m message) name() string { return m.body[0].Key }

// field is a field of the command, or nil.
func (m message) field(key string) any { return lookup(m.body, key) }

func lookup(d bson.D, key string) any {
	for _, e := range d {
		if e.Key == key {
			return e.Value
		}
	}
	return nil
}

// db is the database that the command is about.
func (m message) db() string {
	s, _ := m.field("$db").(string)
	return s
}

func readMessage(r io.Reader) (m message, err error) {
	var header [headerLength]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return m, err
	}
	length := binary.LittleEndian.Uint32(header[:])
	if length < headerLength || length > maxMessage {
		return m, fmt.Errorf("a message of %d bytes", length)
	}
	m.raw = make([]byte, length)
	copy(m.raw, header[:])
	if _, err := io.ReadFull(r, m.raw[headerLength:]); err != nil {
		return m, err
	}
	m.id = int32(binary.LittleEndian.Uint32(header[4:]))
	m.answers = int32(binary.LittleEndian.Uint32(header[8:]))
	m.opcode = int32(binary.LittleEndian.Uint32(header[12:]))
	m.body, err = decodeBody(m.opcode, m.raw[headerLength:])
	return m, err
}

// decodeBody finds the document of a message; documents that come beside it are left to whom they are passed on to.
func decodeBody(opcode int32, b []byte) (d bson.D, err error) {
	switch opcode {
	case opQuery: // flags, name, numbers to skip and to return, document
		b = b[4:]
		for len(b) > 0 && b[0] != 0 {
			b = b[1:]
		}
		b = b[min(9, len(b)):]
	case opMsg:
		// A checksum, or a client that wants no answer, is nothing that is emulated.
		if len(b) < 5 || binary.LittleEndian.Uint32(b)&3 != 0 || b[4] != 0 {
			return nil, errors.New("a message in a form that is not emulated")
		}
		b = b[5:]
	default:
		return nil, fmt.Errorf("the opcode %d", opcode)
	}
	if len(b) < 5 || int(binary.LittleEndian.Uint32(b)) > len(b) {
		return nil, errors.New("a message without a document")
	}
	err = bson.Unmarshal(b[:binary.LittleEndian.Uint32(b)], &d)
	if err == nil && len(d) == 0 {
		err = errors.New("an empty command")
	}
	return d, err
}

// answer writes a document as the answer to a message.
func answer(w io.Writer, to message, d bson.D) error {
	b, err := bson.Marshal(d)
	if err != nil {
		return err
	}
	opcode, prefix := int32(opMsg), make([]byte, 5)
	if to.opcode == opQuery {
		opcode, prefix = opReply, make([]byte, 20)
		binary.LittleEndian.PutUint32(prefix[16:], 1)
	}
	return send(w, 0, to.id, opcode, append(prefix, b...))
}

// ask writes a document as a command.
func ask(w io.Writer, id int32, d bson.D) error {
	b, err := bson.Marshal(d)
	if err != nil {
		return err
	}
	return send(w, id, 0, opMsg, append(make([]byte, 5), b...))
}

func send(w io.Writer, id, answers, opcode int32, rest []byte) error {
	out := make([]byte, headerLength, headerLength+len(rest))
	for i, v := range []int32{int32(headerLength + len(rest)), id, answers, opcode} {
		binary.LittleEndian.PutUint32(out[4*i:], uint32(v))
	}
	_, err := w.Write(append(out, rest...))
	return err
}
