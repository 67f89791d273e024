package redisstore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// A Server is what a Redis or Valkey server says of itself.
type Server struct {
	Addr     string // host:port as the client knows it; empty where the client does not know it
	Software string // such as "redis 7.0.15" or "valkey 8.1.3"
	Role     string // "master" or "slave", in Redis' own words
	Replicas int    // connected to it

	AppendOnly  bool   // there is an append-only file
	ConfigKnown bool   // CONFIG GET was permitted; without it AppendFsync and Save are empty and unknown
	AppendFsync string // "always", "everysec" or "no"
	Save        string // when snapshots are made, such as "3600 1 300 100"; empty: never

	MaxMemory int64  // bytes; 0: no limit but the machine's
	Eviction  string // maxmemory-policy
}

// Check reads the settings of the server, or of every master of a cluster, that decide whether acknowledged writes
// are kept. It needs the command INFO, and CONFIG GET where that is permitted. Call it once when the program starts,
// and log the result. The store works without it.
func (s *Store) Check(ctx context.Context) ([]Server, error) {
	var servers []Server
	var err error
	switch client := s.client.(type) {
	case *redis.ClusterClient:
		var mu sync.Mutex
		err = client.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
			found, err := ask(ctx, node, node.Options().Addr)
			mu.Lock()
			defer mu.Unlock()
			servers = append(servers, found)
			return err
		})
		slices.SortFunc(servers, func(a, b Server) int { return strings.Compare(a.Addr, b.Addr) })
	case *redis.Client:
		servers = make([]Server, 1)
		servers[0], err = ask(ctx, client, client.Options().Addr)
	default:
		servers = make([]Server, 1)
		servers[0], err = ask(ctx, client, "")
	}
	if err != nil {
		return nil, failed("asking the server about itself", err)
	}
	return servers, nil
}

func ask(ctx context.Context, client redis.Cmdable, addr string) (Server, error) {
	text, err := client.Info(ctx).Result()
	if err != nil {
		return Server{}, err
	}
	info := map[string]string{}
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok {
			info[name] = value
		}
	}
	found := Server{
		Addr: addr, Software: "redis " + info["redis_version"], Role: info["role"],
		AppendOnly: info["aof_enabled"] == "1", Eviction: info["maxmemory_policy"],
	}
	if v := info["valkey_version"]; v != "" {
		found.Software = "valkey " + v
	}
	found.Replicas, _ = strconv.Atoi(info["connected_slaves"])
	if found.MaxMemory, err = strconv.ParseInt(info["maxmemory"], 10, 64); err != nil || found.Role == "" {
		return Server{}, errors.New("INFO lacks the role or the memory limit")
	}
	for name, into := range map[string]*string{"appendfsync": &found.AppendFsync, "save": &found.Save} {
		values, err := client.ConfigGet(ctx, name).Result()
		var refusal redis.Error
		if errors.As(err, &refusal) { // managed servers do not let one read it
			found.AppendFsync, found.Save = "", ""
			return found, nil
		}
		if err != nil {
			return Server{}, err
		}
		*into = values[name]
	}
	found.ConfigKnown = true
	return found, nil
}

// Durability describes in one sentence which writes a crash of the server loses.
func (s Server) Durability() string {
	if s.Replicas > 0 {
		return s.alone() + "; replication is asynchronous, so a replica that takes over may lack the last writes whatever the settings"
	}
	return s.alone()
}

func (s Server) alone() string {
	switch {
	case s.AppendOnly && s.AppendFsync == "always":
		return "what was acknowledged survives a crash of the server and of its machine"
	case s.AppendOnly && s.AppendFsync == "everysec":
		return "a crash of the machine costs the writes of the last second or two: new sessions may be gone, ended ones alive again"
	case s.AppendOnly && s.AppendFsync == "no":
		return "a crash of the machine costs the writes of about the last half minute: new sessions may be gone, ended ones alive again"
	case s.AppendOnly:
		return "there is an append-only file, and the server does not show how often it reaches the disk: a crash may cost the last writes"
	case s.Save != "":
		return "a crash costs every write since the last snapshot: new sessions are gone, ended ones alive again"
	case !s.ConfigKnown:
		return "there is no append-only file, and the server does not show whether it makes snapshots: a crash costs at least every write since the last one"
	}
	return "a restart costs everything: all sessions are gone"
}

// Problems lists the settings that are wrong for sessions, each with its cure. An empty list is good. It does not
// judge which writes a crash may lose: see [Server.Durability].
func (s Server) Problems() []string {
	var found []string
	if s.Role != "master" {
		found = append(found, "this server is a replica: it refuses writes, and what it reads lags")
	}
	if s.Eviction != "noeviction" {
		found = append(found, fmt.Sprintf("maxmemory-policy is %s: when memory is short the server removes sessions and the marks that ended them; set noeviction", s.Eviction))
	}
	if !s.AppendOnly {
		found = append(found, "appendonly is off: "+s.alone()+"; set appendonly yes and appendfsync always")
	}
	return found
}

// String returns a line for a log.
func (s Server) String() string {
	line := s.Software + " (" + s.Role + ")"
	if s.Addr != "" {
		line += " at " + s.Addr
	}
	return line + ": " + s.Durability()
}
