package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// bareServer is an HTTP server of this process.
type bareServer struct {
	url    string
	server *http.Server
	done   sync.WaitGroup
}

func (b *bareServer) close() {
	_ = b.server.Close()
	b.done.Wait()
}

// listen serves on loopback until close.
func listen(ctx context.Context, handler http.Handler) (*bareServer, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &bareServer{url: "http://" + l.Addr().String(), server: &http.Server{Handler: handler, ReadHeaderTimeout: time.Second}}
	b.done.Go(func() { _ = b.server.Serve(l) })
	return b, nil
}

// serveLimit is the least server that keeps what it accepts: it reads a body, appends a record durably, and answers. It
// ends with its standard input.
func serveLimit(ctx context.Context, folder string) error {
	j, err := openJournal(folder)
	if err != nil {
		return err
	}
	b, err := listen(ctx, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		record := make([]byte, recordBytes)
		if _, err := io.ReadFull(r.Body, record); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if err := j.append(record); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}))
	if err != nil {
		return errors.Join(err, j.close())
	}
	fmt.Fprintln(os.Stdout, b.url[len("http://"):], "none")
	_, _ = io.Copy(io.Discard, os.Stdin)
	b.close()
	return j.close()
}
