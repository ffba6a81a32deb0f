package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"text/tabwriter"

	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/exit"
	"github.com/spf13/cobra"
)

const (
	groupRun     = "run"
	groupKeys    = "keys"
	groupCluster = "cluster"
	groupStudy   = "study"
	groupAbout   = "about"
)

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "lockstep",
		Short: "A linearizable key-value store replicated by Raft",
		Long: `Lockstep is a linearizable, in-memory key-value store replicated by Raft.

Start three nodes on this machine with ` + "`lockstep up`" + ` and follow the examples that it prints.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          group,
		RunE:          showHelp,
	}
	root.CompletionOptions.HiddenDefaultCmd = false
	root.PersistentFlags().Bool("json", false, "print JSON")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return usage(c, plainError(err)) })
	root.AddGroup(
		&cobra.Group{ID: groupRun, Title: "Run:"},
		&cobra.Group{ID: groupKeys, Title: "Read and write:"},
		&cobra.Group{ID: groupCluster, Title: "Look at a cluster and change it:"},
		&cobra.Group{ID: groupStudy, Title: "Test and study:"},
		&cobra.Group{ID: groupAbout, Title: "About:"},
	)
	root.AddCommand(newUp(), newDown(), newServe(), newConfig(), newKV(), newStatus(), newMember(), newTransferLeader(), newWAL(), newCheck(), newSim(), newChaos(), newVersion(), newExitCodes())
	root.SetHelpCommandGroupID(groupAbout)
	root.SetCompletionCommandGroupID(groupAbout)
	strict(root)
	return root
}

// strict makes cobra's own commands end with a usage error, as ours do, when they are asked for something unknown.
func strict(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Run, c.RunE = nil, helpFor
		case "completion":
			c.Args, c.Run, c.RunE = group, nil, showHelp
		}
	}
}

// helpFor shows the help of the command that the words name.
func helpFor(help *cobra.Command, words []string) error {
	c, rest, err := help.Root().Find(words)
	if c == nil {
		return usage(help, err)
	}
	if len(rest) > 0 {
		return group(c, rest)
	}
	c.InitDefaultHelpFlag() // so that it is listed
	return c.Help()
}

// internals are the parts of a flag's error that only tell how it was parsed.
var internals = regexp.MustCompile(`strconv\.\w+: parsing "[^"]*": |time: `)

func plainError(err error) error { return errors.New(internals.ReplaceAllString(err.Error(), "")) }

// usage marks an error of the command line itself.
func usage(c *cobra.Command, err error) error {
	return exit.Wrap(exit.Usage, fmt.Sprintf("see `%s --help`", c.CommandPath()), err)
}

// args checks the number of arguments: between least and most, or any number when most is negative.
func args(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, given []string) error {
		switch {
		case len(given) < least:
			return usage(c, fmt.Errorf("%s is missing", argumentName(c, len(given))))
		case most >= 0 && len(given) > most:
			return usage(c, fmt.Errorf("%q is one argument too many", given[most]))
		}
		return nil
	}
}

// argumentName finds the i-th argument in the usage line: KEY in `get KEY`.
func argumentName(c *cobra.Command, i int) string {
	words := strings.Fields(c.Use)[1:]
	if i < len(words) {
		return strings.Trim(words[i], "[]")
	}
	return "an argument"
}

// group is for commands that only hold others.
func group(c *cobra.Command, given []string) error {
	if len(given) == 0 {
		return nil
	}
	c.SuggestionsMinimumDistance = 2 // edits; 0 would suggest only prefixes
	err := fmt.Errorf("unknown command %q", given[0])
	if near := c.SuggestionsFor(given[0]); len(near) > 0 {
		err = fmt.Errorf("%w, did you mean %s?", err, strings.Join(near, " or "))
	}
	return usage(c, err)
}

func showHelp(c *cobra.Command, _ []string) error { return c.Help() }

func wantsJSON(c *cobra.Command) bool {
	on, err := c.Flags().GetBool("json")
	return err == nil && on
}

func newExitCodes() *cobra.Command {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range exit.Table() {
		fmt.Fprintf(t, "  %d\t%s\t%s\n", row.Code, row.Name, row.Meaning)
	}
	t.Flush()
	return &cobra.Command{
		Use:   "exit-codes",
		Short: "How commands end",
		Long:  "Every command ends with one of these codes. An error is one line on stderr that says what to do next.\n\n" + b.String(),
	}
}
