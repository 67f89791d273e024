package redisstore_test

import (
	"context"
	"fmt"
	"log"

	"github.com/redis/go-redis/v9"

	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/redisstore"
)

func ExampleNew() {
	ctx := context.Background()
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379", ContextTimeoutEnabled: true})
	defer client.Close()
	st, err := redisstore.New(redisstore.Config{Client: client})
	if err != nil {
		log.Fatal(err)
	}
	key := store.Key{Part: "session:1", ID: "row"}
	if err := st.Write(ctx, store.Put(store.Item{Key: key, Value: []byte(`{"user":"ada"}`)})); err != nil {
		log.Fatal(err)
	}
	items, err := st.Get(ctx, key)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(items[0].Value))
}

func ExampleStore_Check() {
	ctx := context.Background()
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379", ContextTimeoutEnabled: true})
	defer client.Close()
	st, err := redisstore.New(redisstore.Config{Client: client})
	if err != nil {
		log.Fatal(err)
	}
	servers, err := st.Check(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, server := range servers {
		log.Print(server)
		for _, problem := range server.Problems() {
			log.Print("  ", problem)
		}
	}
}

func ExampleServer() {
	server := redisstore.Server{
		Addr: "10.0.0.5:6379", Software: "redis 7.0.15", Role: "master", Eviction: "allkeys-lru",
		ConfigKnown: true, AppendOnly: true, AppendFsync: "everysec",
	}
	fmt.Println(server)
	for _, problem := range server.Problems() {
		fmt.Println(problem)
	}
	// Output:
	// redis 7.0.15 (master) at 10.0.0.5:6379: a crash of the machine costs the writes of the last second or two: new sessions may be gone, ended ones alive again
	// maxmemory-policy is allkeys-lru: when memory is short the server removes sessions and the marks that ended them; set noeviction
}
