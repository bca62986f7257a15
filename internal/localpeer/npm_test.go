package localpeer

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"strings"
	"testing"
)

func archiveOf(t *testing.T, headers ...tar.Header) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	a := tar.NewWriter(z)
	for _, h := range headers {
		h.Typeflag = tar.TypeReg
		if err := a.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Write(bytes.Repeat([]byte("x"), int(h.Size))); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

func TestUnpackStaysInside(t *testing.T) {
	for _, name := range []string{"package/../../escaped", "package/a/../../../escaped", "/escaped", "../escaped", "other/escaped"} {
		outer := t.TempDir()
		if err := os.Mkdir(outer+"/in", 0o700); err != nil {
			t.Fatal(err)
		}
		root, err := os.OpenRoot(outer + "/in")
		if err != nil {
			t.Fatal(err)
		}
		if err := unpack(root, archiveOf(t, tar.Header{Name: name, Size: 3})); err != nil {
			t.Logf("%s: refused: %v", name, err)
		}
		if _, err := os.Stat(outer + "/escaped"); err == nil {
			t.Errorf("%s was written outside", name)
		}
		if err := root.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestUnpackKeepsWhatIsExecutable(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	err = unpack(root, archiveOf(t, tar.Header{Name: "package/bin/run", Size: 2, Mode: 0o755}, tar.Header{Name: "package/share/text", Size: 1, Mode: 0o600}))
	if err != nil {
		t.Fatal(err)
	}
	if err := openToAll(root); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{"bin": 0o755, "bin/run": 0o755, "share/text": 0o644} {
		info, err := root.Stat(name)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", name, info.Mode().Perm(), err, want)
		}
	}
}

func TestLinkRefusesToLeadOutside(t *testing.T) {
	for list, wantErr := range map[string]string{
		`[{"source":"lib/a.so.1","target":"lib/a.so"}]`:       "",
		`[{"source":"../../etc/passwd","target":"lib/b.so"}]`: "leads outside",
		`[{"source":"lib/a.so.1","target":"/lib/c.so"}]`:      "leads outside",
		`{`: "list.json",
	} {
		root, err := os.OpenRoot(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if err := root.Mkdir("lib", 0o700); err != nil {
			t.Fatal(err)
		}
		if err := root.WriteFile("list.json", []byte(list), 0o600); err != nil {
			t.Fatal(err)
		}
		err = link(root, "list.json")
		if wantErr == "" {
			if to, linkErr := root.Readlink("lib/a.so"); err != nil || linkErr != nil || to != "a.so.1" {
				t.Errorf("%s: %q, %v, %v", list, to, err, linkErr)
			}
		} else if err == nil || !strings.Contains(err.Error(), wantErr) {
			t.Errorf("%s: %v, want %q", list, err, wantErr)
		}
		_ = root.Close()
	}
}
