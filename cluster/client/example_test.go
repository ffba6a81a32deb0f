package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/lockstepdb/lockstep/cluster/client"
)

func Example() {
	c, err := client.New(client.Config{Addresses: []string{"127.0.0.1:9081", "127.0.0.1:9082", "127.0.0.1:9083"}})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()

	if _, err := c.Put(ctx, []byte("greeting"), []byte("hello")); err != nil {
		log.Fatal(err)
	}
	item, err := c.Get(ctx, []byte("greeting"))
	if err != nil {
		log.Fatal(err)
	}
	if item.Found {
		fmt.Printf("%s (revision %d)\n", item.Value, item.ModRevision)
	}
}

// A counter that many clients raise: read, write on condition that nobody else wrote, and start again if somebody did.
func ExampleIfRevision() {
	c, err := client.New(client.Config{Addresses: []string{"127.0.0.1:9081"}})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	ctx, key := context.Background(), []byte("counter")
	for {
		item, err := c.Get(ctx, key)
		if err != nil {
			log.Fatal(err)
		}
		var n int
		condition := client.IfAbsent()
		if item.Found {
			condition = client.IfRevision(item.ModRevision)
			if _, err := fmt.Sscan(string(item.Value), &n); err != nil {
				log.Fatal(err)
			}
		}
		_, err = c.Put(ctx, key, fmt.Append(nil, n+1), condition)
		if errors.Is(err, client.ErrCondition) {
			continue
		}
		if err != nil {
			log.Fatal(err)
		}
		return
	}
}

// The three ways in which a write can fail, and what each allows.
func ExampleUnknownError() {
	c, err := client.New(client.Config{Addresses: []string{"127.0.0.1:9081"}})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	_, err = c.Put(context.Background(), []byte("key"), []byte("value"), client.IfAbsent())
	switch {
	case err == nil:
		fmt.Println("written")
	case errors.Is(err, client.ErrCondition):
		fmt.Println("the key exists already, nothing was written")
	case errors.Is(err, client.ErrRefused):
		fmt.Println("nothing was written, and it is safe to try again:", err)
	case errors.Is(err, client.ErrUnknown):
		fmt.Println("written or not: read the key to find out:", err)
	}
}
