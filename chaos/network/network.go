// Package network says what can be done to the links between real processes, and not how.
//
// Begin with Network: package proxy implements it by TCP proxies on loopback, which need no privileges. A Condition says
// what one direction of a link is like; the zero Condition is a network without faults.
package network

import (
	"maps"
	"time"
)

// Clients is the number that stands for all clients in a Link. Nodes are numbered from 1.
const Clients = 0

// Link is one direction: what From says to To, whoever connected to whom.
type Link struct{ From, To int }

// Back is the other direction.
func (l Link) Back() Link { return Link{From: l.To, To: l.From} }

// Condition is what a direction is like. Everything but Delay, Jitter and BytesPerSecond concerns whole connections, since
// the bytes of a connection can't be lost one by one.
type Condition struct {
	// Cut: nothing passes, also not the end of a connection. Connections that had something to say meanwhile are reset when the
	// cut ends: what was lost stays lost.
	Cut bool
	// Hold: nothing passes until Hold ends, and then all of it arrives.
	Hold bool
	// Refuse: connections are reset, old ones and new ones.
	Refuse bool
	// HalfOpen: the side that was connected to is told that the connection has ended, and the other side is not. New
	// connections are accepted and lead nowhere.
	HalfOpen bool
	// Delay is how much longer bytes take, plus an even share of Jitter. They are not reordered.
	Delay, Jitter time.Duration
	// BytesPerSecond bounds a connection. 0: no bound.
	BytesPerSecond int
	// CloseDelay is how much later one side learns that the other one has closed the connection.
	CloseDelay time.Duration
}

// Either returns what a direction is like under both conditions at once.
func Either(c, o Condition) Condition {
	c.Cut, c.Hold = c.Cut || o.Cut, c.Hold || o.Hold
	c.Refuse, c.HalfOpen = c.Refuse || o.Refuse, c.HalfOpen || o.HalfOpen
	c.Delay, c.Jitter = c.Delay+o.Delay, c.Jitter+o.Jitter
	c.CloseDelay = max(c.CloseDelay, o.CloseDelay)
	if c.BytesPerSecond == 0 || o.BytesPerSecond > 0 && o.BytesPerSecond < c.BytesPerSecond {
		c.BytesPerSecond = o.BytesPerSecond
	}
	return c
}

// Weather is the condition of each direction that is not clear.
type Weather map[Link]Condition

// Add worsens a direction.
func (w Weather) Add(l Link, c Condition) { w[l] = Either(w[l], c) }

// Both worsens a link in both directions.
func (w Weather) Both(a, b int, c Condition) {
	w.Add(Link{a, b}, c)
	w.Add(Link{b, a}, c)
}

// Over returns the weather under several faults at once.
func Over(all ...Weather) Weather {
	sum := Weather{}
	for _, w := range all {
		for l, c := range maps.All(w) {
			sum.Add(l, c)
		}
	}
	return sum
}

// Network is what lies between the nodes, and between them and their clients. It is safe for concurrent use.
type Network interface {
	// Set replaces the weather. Directions that it does not name are clear.
	Set(Weather)
	// Reset breaks all connections to and from a node, once. Both sides are told.
	Reset(node int)
	// Connections counts those that are open now.
	Connections() int
	// Close ends everything.
	Close() error
}
