package audit_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/posternauth/postern/audit"
	"github.com/posternauth/postern/session"
)

func Example() {
	folder, err := os.MkdirTemp("", "audit")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)

	path := filepath.Join(folder, "audit.jsonl")
	key, err := audit.ParseKey("0102030405060708091011121314151617181920212223242526272829303132") // from a secret
	if err != nil {
		fmt.Println(err)
		return
	}
	file, err := audit.NewFile(audit.FileConfig{Path: path, Key: key, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	log, err := audit.NewLog(audit.LogConfig{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	sink := audit.All(file, log)
	// sessions, err := session.New(session.Config{OnEvent: sink.Event, …})
	sink.Event(context.Background(), session.Event{Name: "sign-in", Time: time.Now(), UserID: "42"})
	head := file.Head()
	if err := sink.Close(); err != nil {
		fmt.Println(err)
		return
	}

	report, err := audit.Verify(audit.VerifyConfig{Files: []string{path}, Key: key, Head: head.Hash})
	fmt.Println(report.Records, report.HeadChecked, err)

	text, _ := os.ReadFile(path)
	forged := bytes.Replace(text, []byte(`"user":"42"`), []byte(`"user":"43"`), 1)
	_ = os.WriteFile(path, forged, 0o600)
	_, err = audit.Verify(audit.VerifyConfig{Files: []string{path}, Key: key})
	fmt.Println(err != nil)
	// Output:
	// 2 true <nil>
	// true
}
