package main

import (
	"encoding/json"
	"net/http"
	"sync"

	"github.com/posternauth/postern/session"
)

// notes is the API: GET lists a person's notes, POST adds one. They end with the program.
type notes struct {
	user *session.Kind[User]

	mu   sync.Mutex
	kept map[string][]note // by subject
}

type note struct {
	Number int    `json:"number"`
	Text   string `json:"text"`
}

func (n *notes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s, _ := n.user.From(r.Context())
	if r.Method == http.MethodPost {
		n.add(w, r, s.Subject)
		return
	}
	n.mu.Lock()
	mine := append([]note{}, n.kept[s.Subject]...)
	n.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(mine) // a client that has gone needs no answer
}

func (n *notes) add(w http.ResponseWriter, r *http.Request, subject string) {
	var in note
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4096)).Decode(&in); err != nil || in.Text == "" || len(in.Text) > 800 {
		http.Error(w, "send a text of 1 to 800 bytes", http.StatusBadRequest)
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.kept == nil {
		n.kept = map[string][]note{}
	}
	mine := n.kept[subject]
	if len(mine) >= 100 {
		http.Error(w, "a hundred notes are enough", http.StatusConflict)
		return
	}
	n.kept[subject] = append(mine, note{len(mine) + 1, in.Text})
	w.WriteHeader(http.StatusCreated)
}
