package faults

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lockstepdb/lockstep/chaos/cluster"
	"github.com/lockstepdb/lockstep/chaos/driver"
)

const (
	// refuseTimeout is how long a node that must not be let in is watched, and how long one that was damaged may take to end or
	// to serve.
	refuseTimeout = 10 * time.Second
	// replaceTimeout bounds the way from a node that can't go on to another one in its place.
	replaceTimeout = 60 * time.Second
	// rollTimeout bounds how long one node of a rolling restart may take to serve again.
	rollTimeout = 20 * time.Second
	lookPause   = 50 * time.Millisecond
)

// startAll starts nodes again. It goes on when one can't be started.
func (j *Injector) startAll(slots []int) error {
	var err error
	for _, slot := range slots {
		err = errors.Join(err, j.o.Cluster.StartNode(slot))
	}
	return err
}

func (j *Injector) crash(ctx context.Context, i *Injected) error {
	for _, slot := range i.Slots {
		j.o.Cluster.Kill(slot)
	}
	sleep(ctx, time.Duration(i.Fault.For))
	return j.startAll(i.Slots)
}

func (j *Injector) storm(ctx context.Context, i *Injected, slot int) error {
	c := j.o.Cluster
	for end := j.o.Now() + time.Duration(i.Fault.For); j.o.Now() < end && ctx.Err() == nil; {
		c.Kill(slot)
		if err := c.StartNode(slot); err != nil {
			return err
		}
		sleep(ctx, time.Duration(i.Fault.Period))
	}
	return nil
}

func (j *Injector) pause(ctx context.Context, i *Injected, slot int) error {
	if err := j.o.Cluster.Pause(slot); err != nil {
		return err
	}
	sleep(ctx, time.Duration(i.Fault.For))
	return j.o.Cluster.Resume(slot)
}

// stopNode stops a node gracefully: it must end with 0, in time.
func (j *Injector) stopNode(slot int) error {
	e, err := j.o.Cluster.Stop(slot)
	if err != nil {
		return broken("%v", err)
	}
	if e.Code != 0 {
		return broken("node %d was asked to stop and %s", slot, e.Reason)
	}
	return nil
}

func (j *Injector) stop(ctx context.Context, i *Injected, slot int) error {
	err := j.stopNode(slot)
	sleep(ctx, time.Duration(i.Fault.For))
	return errors.Join(err, j.o.Cluster.StartNode(slot))
}

func (j *Injector) rolling(ctx context.Context, i *Injected) error {
	for _, slot := range i.Slots {
		if ctx.Err() != nil {
			return nil
		}
		err := errors.Join(j.stopNode(slot), j.o.Cluster.StartNode(slot))
		if err != nil {
			return err
		}
		wait, cancel := context.WithTimeout(ctx, rollTimeout)
		err = j.o.Cluster.Await(wait, fmt.Sprintf("node %d after its restart", slot), j.o.Cluster.AllReady)
		cancel()
		if err != nil && ctx.Err() == nil {
			return broken("%v", err)
		}
	}
	return nil
}

// wipe takes a node's directory away. Under its old id it must be refused: it has forgotten its votes.
func (j *Injector) wipe(ctx context.Context, i *Injected, slot int) error {
	c := j.o.Cluster
	c.Kill(slot)
	if err := errors.Join(c.Wipe(slot), c.StartNode(slot)); err != nil {
		return err
	}
	c.Expect(slot, true)
	ended, e, err := j.endsOrServes(ctx, slot)
	switch {
	case ctx.Err() != nil:
		return nil
	case ended && !j.refused(e):
		return broken("node %d came back without its directory and %s", slot, e.Reason)
	case !ended && err == nil:
		return broken("node %d came back without its directory and serves under its old id", slot)
	}
	i.Note = "refused under its old id; replaced"
	if !ended {
		i.Note = "not let in under its old id; replaced"
	}
	return j.replace(ctx, slot)
}

func (j *Injector) refused(e cluster.Ending) bool {
	return slices.Contains(j.o.Driver.Refusals(), e.Code)
}

// replace gives a slot to a new member.
func (j *Injector) replace(ctx context.Context, slot int) error {
	c := j.o.Cluster
	c.Kill(slot)
	old := c.Place(slot)
	p, err := c.Renew(slot)
	if err != nil {
		return err
	}
	// Also when the run ends: a cluster that lacks a node would not be what is verified.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), replaceTimeout)
	defer cancel()
	others := slices.Delete(c.Addresses(), slot-1, slot)
	if err := j.o.Driver.Leave(ctx, old.ID, others); err != nil {
		return broken("the lost node can't be removed: %v", err)
	}
	if err := c.StartNode(slot); err != nil {
		return err
	}
	if err := j.o.Driver.Enter(ctx, p, others); err != nil {
		return broken("no new node can be added in place of the lost one: %v", err)
	}
	if err := c.Await(ctx, "the new node", c.AllReady); err != nil {
		return broken("%v", err)
	}
	return nil
}

// damage lets one fault at a time take a node's data, and only from a cluster in which all others have theirs: without the data of
// a majority no store could go on.
func (j *Injector) damage(do func(context.Context) error) action {
	return func(ctx context.Context) error {
		select {
		case j.damaging <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		defer func() { <-j.damaging }()
		wait, cancel := context.WithTimeout(ctx, replaceTimeout)
		defer cancel()
		if j.o.Cluster.Await(wait, "all nodes", j.o.Cluster.AllReady) != nil {
			return errors.New("not all nodes served before it")
		}
		return do(ctx)
	}
}

// rot changes a byte while a node is down. It must refuse its directory, or recover and serve.
func (j *Injector) rot(ctx context.Context, i *Injected, slot int) error {
	c := j.o.Cluster
	c.Kill(slot)
	spot, err := j.o.Driver.Rot(c.Place(slot).Dir, i.Fault.Op, j.below)
	if err == nil {
		err = c.Flip(spot)
	}
	if e := c.StartNode(slot); err != nil || e != nil {
		return errors.Join(err, e)
	}
	c.Expect(slot, true)
	ended, e, err := j.endsOrServes(ctx, slot)
	switch {
	case ctx.Err() != nil && err != nil:
		return nil
	case err != nil:
		return broken("node %d neither serves nor refuses after byte %d of %s changed: %v", slot, spot.Offset, spot.File, err)
	case !ended:
		i.Note = "recovered"
		c.Expect(slot, false)
		return nil
	case !j.refused(e):
		return broken("node %d met a changed byte at %d of %s and %s", slot, spot.Offset, spot.File, e.Reason)
	}
	i.Note = "refused its directory; replaced"
	return j.replace(ctx, slot)
}

// endsOrServes waits until a node has ended or serves.
func (j *Injector) endsOrServes(ctx context.Context, slot int) (ended bool, e cluster.Ending, err error) {
	ctx, cancel := context.WithTimeout(ctx, refuseTimeout)
	defer cancel()
	for {
		look, done := context.WithTimeout(ctx, lookPause)
		e, err := j.o.Cluster.AwaitEnd(look, slot)
		done()
		if err == nil {
			return true, e, nil
		}
		if s, err := j.o.Cluster.State(ctx, slot); err == nil && s.Ready {
			return false, e, nil
		}
		if ctx.Err() != nil {
			return false, e, ctx.Err()
		}
	}
}

// disk has a node's writes fail. A node whose write failed must end, and say so; it is then started again.
func (j *Injector) disk(ctx context.Context, i *Injected, slot int) error {
	heal, err := j.spoil(i, slot)
	if errors.Is(err, driver.ErrUnsupported) {
		return errors.New("it needs a file system of its own for each node (--disk-size, as root on Linux), or Linux to limit files")
	}
	if err != nil {
		return err
	}
	j.o.Cluster.Expect(slot, true)
	sleep(ctx, time.Duration(i.Fault.For))
	err = heal()
	ended, e, _ := j.endsOrServes(context.WithoutCancel(ctx), slot) // neither shows as a cluster that does not recover
	if !ended {
		j.o.Cluster.Expect(slot, false)
		i.Note = "went on"
		return errors.Join(err, j.o.Cluster.StartNode(slot)) // it may have ended just now
	}
	i.Note = e.Reason
	if e.Code == 2 || e.Code < 0 {
		return broken("node %d met a disk error and %s", slot, e.Reason)
	}
	return j.o.Cluster.StartNode(slot)
}

// spoil makes writes fail and returns what ends it.
func (j *Injector) spoil(i *Injected, slot int) (heal func() error, err error) {
	c := j.o.Cluster
	lift := func() error {
		if c.PID(slot) == 0 {
			return nil // the bound went with the process
		}
		return c.LimitFiles(slot, -1)
	}
	if i.Fault.Do != "disk-error" {
		leave := int64(0)
		if i.Fault.Do == "disk-low" {
			leave = j.o.Reserve / 2
		}
		err := c.Fill(slot, leave)
		if err == nil || i.Fault.Do == "disk-low" || !errors.Is(err, driver.ErrUnsupported) {
			return func() error { return c.Empty(slot) }, err
		}
		return lift, c.LimitFiles(slot, j.o.FullAt)
	}
	return lift, c.LimitFiles(slot, 0)
}
