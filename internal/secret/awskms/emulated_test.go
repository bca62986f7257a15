package awskms

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// emulated is a strict emulation of what AWS's description of KMS (2014-11-01) says of Encrypt and Decrypt: it refuses
// what that does not allow, and checks signatures, which moto does not.
type emulated struct {
	testing.TB
	server *httptest.Server
	arn    string
	who    credentials
	aead   cipher.AEAD

	mu sync.Mutex
	// faults are what the next calls are answered with.
	faults []fault
	calls  []string
	// contexts are the encryption contexts of the calls that were allowed.
	contexts []map[string]string
}

type fault struct {
	status int
	kind   string
}

const emulatedRegion = "eu-central-1"

func newEmulated(t testing.TB) *emulated {
	t.Helper()
	key := make([]byte, 32)
	rand.Read(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		t.Fatal(err)
	}
	e := &emulated{
		TB: t, aead: aead, arn: "arn:aws:kms:" + emulatedRegion + ":111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
		who: credentials{accessKeyID: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"},
	}
	e.server = httptest.NewServer(e)
	t.Cleanup(e.server.Close)
	return e
}

// fail has the next calls answered with these.
func (e *emulated) fail(faults ...fault) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.faults = faults
}

func (e *emulated) refuse(w http.ResponseWriter, status int, kind string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": "com.amazonaws.kms#" + kind, "message": "no"})
}

// ServeHTTP implements http.Handler.
func (e *emulated) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	operation, found := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "TrentService.")
	e.calls = append(e.calls, operation)
	switch {
	case err != nil || r.Method != http.MethodPost || r.URL.RequestURI() != "/" || r.Header.Get("Content-Type") != "application/x-amz-json-1.1" || !found:
		e.Errorf("this is no call of KMS: %s %s, %v", r.Method, r.URL, r.Header)
		e.refuse(w, http.StatusBadRequest, "UnknownOperationException")
		return
	case len(e.faults) > 0:
		next := e.faults[0]
		e.faults = e.faults[1:]
		e.refuse(w, next.status, next.kind)
		return
	}
	if kind := e.checkSignature(r, body); kind != "" {
		e.refuse(w, http.StatusBadRequest, kind)
		return
	}
	e.answer(w, operation, body)
}

// checkSignature signs the request once more, with the credentials that are known here.
func (e *emulated) checkSignature(r *http.Request, body []byte) (kind string) {
	at, err := time.Parse(timeForm, r.Header.Get("X-Amz-Date"))
	if err != nil || time.Since(at).Abs() > 5*time.Minute {
		return "InvalidSignatureException"
	}
	if r.Header.Get("X-Amz-Security-Token") != e.who.sessionToken {
		return "UnrecognizedClientException"
	}
	again, err := http.NewRequestWithContext(r.Context(), r.Method, e.server.URL+"/", bytes.NewReader(body))
	if err != nil {
		e.Error(err)
	}
	for _, name := range []string{"Content-Type", "X-Amz-Target"} {
		again.Header.Set(name, r.Header.Get(name))
	}
	sign(again, body, e.who, emulatedRegion, "kms", at)
	if again.Header.Get("Authorization") != r.Header.Get("Authorization") {
		return "InvalidSignatureException"
	}
	return ""
}

func (e *emulated) answer(w http.ResponseWriter, operation string, body []byte) {
	var asked struct {
		KeyID             *string `json:"KeyId"`
		Plaintext         []byte
		CiphertextBlob    []byte
		EncryptionContext map[string]string
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&asked); err != nil || asked.KeyID == nil {
		e.Errorf("%s: %v: %s", operation, err, body)
		e.refuse(w, http.StatusBadRequest, "SerializationException")
		return
	}
	context, _ := json.Marshal(asked.EncryptionContext) // in the order of keys
	answer := map[string]any{"KeyId": e.arn, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}
	switch {
	case *asked.KeyID != e.arn && *asked.KeyID != "alias/curfew":
		e.refuse(w, http.StatusBadRequest, "NotFoundException")
		return
	case operation == "Encrypt" && len(asked.Plaintext) > 0 && len(asked.Plaintext) <= 4096 && asked.CiphertextBlob == nil:
		answer["CiphertextBlob"] = e.aead.Seal(nil, nil, asked.Plaintext, context)
	case operation == "Decrypt" && len(asked.CiphertextBlob) > 0 && len(asked.CiphertextBlob) <= 6144 && asked.Plaintext == nil:
		plain, err := e.aead.Open(nil, nil, asked.CiphertextBlob, context)
		if err != nil {
			e.refuse(w, http.StatusBadRequest, "InvalidCiphertextException")
			return
		}
		answer["Plaintext"] = plain
	default:
		e.Errorf("%s has not the form of the description: %s", operation, slices.Sorted(maps.Keys(answer)))
		e.refuse(w, http.StatusBadRequest, "ValidationException")
		return
	}
	e.contexts = append(e.contexts, asked.EncryptionContext)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_ = json.NewEncoder(w).Encode(answer)
}
