// Command kill plants each bug of the bank and prints how many seeds the simulator needs to find it. Run it in the module's
// folder: `make sim-bugs`, or `go run ./sim/bugs/kill -starts 5 read-joins-round`.
//
// Names restrict it to those bugs. It ends with 0 if all were found, and with 1 otherwise.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/lockstepdb/lockstep/sim/bugs"
	"github.com/lockstepdb/lockstep/sim/plan"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "kill:", err)
		os.Exit(1)
	}
}

// errMissed says that the simulator is not as good as it should be.
var errMissed = errors.New("some bugs were not found")

func run(ctx context.Context) error {
	t := bugs.Trial{}
	flag.IntVar(&t.Workers, "workers", 2, "processes that live seeds")
	flag.StringVar(&t.Profile, "profile", plan.Profiles[0], "what plans are drawn from")
	flag.Uint64Var(&t.SeedsMax, "seeds-max", 2000, "give a hunt up after this many seeds")
	flag.IntVar(&t.Starts, "starts", 3, "hunts for each bug, each from seeds of its own")
	flag.BoolVar(&t.Classes, "classes", true, "look also without each class of faults")
	file := flag.String("json", "", "write the result to a file, as JSON")
	markdown := flag.Bool("markdown", false, "print a table in Markdown")
	flag.Parse()
	if t.Workers < 1 || t.Starts < 1 || t.SeedsMax < 1 {
		return errors.New("-workers, -starts and -seeds-max are at least 1")
	}
	bank, err := bugs.Find(flag.Args())
	if err != nil {
		return err
	}
	rows, err := try(ctx, t, bank, !*markdown)
	if *markdown {
		err = errors.Join(err, bugs.Table(os.Stdout, rows))
	}
	if *file != "" {
		err = errors.Join(err, write(*file, rows))
	}
	if err != nil {
		return err
	}
	return judge(rows)
}

// try looks for one bug after the other.
func try(ctx context.Context, t bugs.Trial, bank []bugs.Bug, print bool) (rows []bugs.Row, err error) {
	for i, b := range bank {
		fmt.Fprintf(os.Stderr, "%d of %d: %s\n", i+1, len(bank), b.Name)
		started := time.Now()
		row, err := t.Run(ctx, b)
		if err != nil {
			return rows, err
		}
		rows = append(rows, row)
		line := os.Stdout
		if !print {
			line = os.Stderr
		}
		fmt.Fprintf(line, "%-32s %-28s by %v, hidden without faults of: %s (%.0f s)\n", row.Name, row.SeedsText(), row.Kinds(), row.HiddenText(), time.Since(started).Seconds())
		if row.Error != "" {
			fmt.Fprintln(os.Stderr, row.Error)
		}
	}
	return rows, nil
}

func write(name string, rows []bugs.Row) error {
	text, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(text, '\n'), 0o644)
}

func judge(rows []bugs.Row) error {
	for i := range rows {
		if !rows[i].Found() {
			return errMissed
		}
	}
	return nil
}
