package localpeer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// Moto is a private moto, which emulates services of AWS, on a loopback port. It keeps everything in memory, takes any
// credentials, and dies with this process. Its methods are safe for concurrent use.
type Moto struct{ server }

// StartMoto starts a server and returns when it answers. The context bounds the start, not the life of the server; the
// caller must Stop it.
func StartMoto(ctx context.Context) (*Moto, error) {
	program, err := exec.LookPath("moto_server")
	if err != nil {
		return nil, fmt.Errorf("moto is not installed: install it (pip install 'moto[server]'), so that moto_server is on the PATH: %w", err)
	}
	f, err := openFolder("", nil)
	if err != nil {
		return nil, err
	}
	m := &Moto{server{folder: f}}
	m.recipe = recipe{
		name:    "moto",
		command: func(port int) []string { return []string{program, "-H", "127.0.0.1", "-p", strconv.Itoa(port)} },
		// Python may be one that a version manager finds.
		environment: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + f.path},
		ready:       answersMoto, portTaken: "Address already in use", polite: syscall.SIGTERM, abrupt: syscall.SIGKILL,
	}
	if err := m.start(ctx); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return m, nil
}

func answersMoto(ctx context.Context, port int) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr(port)+"/moto-api/data.json", nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	if err := answer.Body.Close(); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("moto answers %s", answer.Status)
	}
	return nil
}

// CreateKey makes a symmetric key in its KMS, in the region eu-central-1, and returns the ARN.
func (m *Moto) CreateKey(ctx context.Context) (arn string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, m.URL()+"/", strings.NewReader(`{"Description":"curfew"}`))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "TrentService.CreateKey")
	// It takes any signature, and finds region and service in it.
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=testing/20260101/eu-central-1/kms/aws4_request, SignedHeaders=host, Signature=0")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	var made struct{ KeyMetadata struct{ Arn string } }
	err = errors.Join(json.NewDecoder(answer.Body).Decode(&made), answer.Body.Close())
	if err == nil && made.KeyMetadata.Arn == "" {
		err = fmt.Errorf("moto makes no key: %s", answer.Status)
	}
	return made.KeyMetadata.Arn, err
}

// URL is where it listens.
func (m *Moto) URL() string { return "http://" + m.Addr() }
