package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/lockstepdb/lockstep/cluster/client"
	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/exit"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

const kvTimeout = 10 * time.Second

func newKV() *cobra.Command {
	c := &cobra.Command{
		Use:     "kv",
		Short:   "Read and write keys",
		GroupID: groupKeys,
		Args:    group,
		Long: `Read and write keys. Keys and values are arbitrary bytes: --hex takes and prints them in hexadecimal, --json prints base64.

Ends with 1 when a key is absent or a condition does not hold, with 2 when the outcome of a write is unknown, and with 69 when the
cluster could not do it and nothing was changed.`,
		RunE: showHelp,
	}
	c.PersistentFlags().Bool("hex", false, "keys and values are in hexadecimal")
	c.AddCommand(newKVPut(), newKVGet(), newKVDel(), newKVCAS())
	return c
}

// addRevision gives a write its --if-revision.
func addRevision(c *cobra.Command) {
	c.Flags().Uint64("if-revision", 0, "only if the key's mod revision is this one")
}

// revision reads it; nil without the flag.
func revision(c *cobra.Command) ([]client.WriteOption, error) {
	r, err := c.Flags().GetUint64("if-revision")
	switch {
	case err != nil:
		return nil, err
	case !c.Flags().Changed("if-revision"):
		return nil, nil
	case r == 0:
		return nil, usage(c, errors.New("0 is no revision: they begin at 1"))
	}
	return []client.WriteOption{client.IfRevision(r)}, nil
}

// expectation reads the flags of cas, of which one is needed.
func expectation(c *cobra.Command) ([]client.WriteOption, error) {
	absent, err := c.Flags().GetBool("if-absent")
	if err != nil {
		return nil, err
	}
	if absent == c.Flags().Changed("if-revision") {
		return nil, usage(c, errors.New("say what to expect with either --if-revision or --if-absent"))
	}
	if absent {
		return []client.WriteOption{client.IfAbsent()}, nil
	}
	return revision(c)
}

func newKVPut() *cobra.Command {
	c := &cobra.Command{
		Use:   "put KEY [VALUE]",
		Short: "Write a key",
		Args:  args(1, 2),
		Long:  "Write a key. VALUE is taken from the argument, from stdin if it is -, or from --file.",
		Example: `  lockstep kv put greeting hello
  lockstep kv put photo --file photo.jpg
  date | lockstep kv put now -`,
		RunE: func(c *cobra.Command, given []string) error { return put(c, given, nil) },
	}
	addValueFlags(c)
	return c
}

func newKVCAS() *cobra.Command {
	c := &cobra.Command{
		Use:   "cas KEY [VALUE]",
		Short: "Write a key if it is as expected",
		Args:  args(1, 2),
		Long:  "Write a key if its mod revision is the given one, or if it does not exist. Ends with 1, and changes nothing, otherwise.",
		Example: `  lockstep kv cas lock alice --if-absent
  lockstep kv cas lock bob --if-revision 17`,
		RunE: func(c *cobra.Command, given []string) error {
			options, err := expectation(c)
			if err != nil {
				return err
			}
			return put(c, given, options)
		},
	}
	addRevision(c)
	c.Flags().Bool("if-absent", false, "only if the key does not exist")
	addValueFlags(c)
	return c
}

func addValueFlags(c *cobra.Command) {
	c.Flags().String("file", "", "take the value from this file")
	addClientFlags(c, kvTimeout)
}

// putResult is what put and cas print with --json.
type putResult struct {
	Revision       uint64 `json:"revision"`
	Existed        bool   `json:"existed"`
	CreateRevision uint64 `json:"create_revision"`
	ModRevision    uint64 `json:"mod_revision"`
	Version        uint64 `json:"version"`
}

func put(c *cobra.Command, given []string, options []client.WriteOption) error {
	key, err := bytesOf(c, given[0])
	if err != nil {
		return err
	}
	value, err := valueOf(c, given[1:])
	if err != nil {
		return err
	}
	return withClient(c, func(ctx context.Context, cl *client.Client) error {
		r, err := cl.Put(ctx, key, value, options...)
		if err != nil {
			return err
		}
		if wantsJSON(c) {
			return printJSON(c, putResult{r.Revision, r.Existed, r.CreateRevision, r.ModRevision, r.Version})
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "revision %d\n", r.ModRevision)
		return err
	})
}

func newKVGet() *cobra.Command {
	c := &cobra.Command{
		Use:   "get KEY",
		Short: "Read a key",
		Args:  args(1, 1),
		Long:  "Print a key's value as it is, with a line end added only for a terminal. Ends with 1 when the key does not exist.",
		Example: `  lockstep kv get greeting
  lockstep kv get greeting --json
  lockstep kv get photo > photo.jpg`,
		RunE: func(c *cobra.Command, given []string) error {
			key, err := bytesOf(c, given[0])
			if err != nil {
				return err
			}
			stale, err := c.Flags().GetBool("stale")
			if err != nil {
				return err
			}
			return withClient(c, func(ctx context.Context, cl *client.Client) error {
				consistency := client.Linearizable()
				if stale {
					consistency = client.Stale()
				}
				item, err := cl.Get(ctx, key, consistency)
				if err != nil {
					return err
				}
				return printItem(c, key, item)
			})
		},
	}
	c.Flags().Bool("stale", false, "read what the node has, however old")
	addClientFlags(c, kvTimeout)
	return c
}

// itemResult is what get prints with --json; encoding/json writes bytes as base64.
type itemResult struct {
	Key            []byte `json:"key"`
	Found          bool   `json:"found"`
	Value          []byte `json:"value"`
	Revision       uint64 `json:"revision"`
	CreateRevision uint64 `json:"create_revision"`
	ModRevision    uint64 `json:"mod_revision"`
	Version        uint64 `json:"version"`
}

func printItem(c *cobra.Command, key []byte, item client.Item) error {
	var absent error
	if !item.Found {
		absent = exit.New(exit.Failure, "", "the key does not exist (store revision %d)", item.Revision)
	}
	if wantsJSON(c) {
		err := printJSON(c, itemResult{key, item.Found, item.Value, item.Revision, item.CreateRevision, item.ModRevision, item.Version})
		return errors.Join(err, absent)
	}
	if absent != nil {
		return absent
	}
	out := c.OutOrStdout()
	if inHex(c) {
		_, err := fmt.Fprintln(out, hex.EncodeToString(item.Value))
		return err
	}
	_, err := out.Write(item.Value)
	if err == nil && isTerminal(out) {
		_, err = fmt.Fprintln(out)
	}
	return err
}

// isTerminal says whether a person is at the other end.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func newKVDel() *cobra.Command {
	c := &cobra.Command{
		Use:     "del KEY",
		Short:   "Delete a key",
		Args:    args(1, 1),
		Long:    "Delete a key. Deleting an absent key is no error.",
		Example: "  lockstep kv del greeting\n  lockstep kv del lock --if-revision 17",
		RunE: func(c *cobra.Command, given []string) error {
			key, err := bytesOf(c, given[0])
			if err != nil {
				return err
			}
			options, err := revision(c)
			if err != nil {
				return err
			}
			return withClient(c, func(ctx context.Context, cl *client.Client) error {
				r, err := cl.Delete(ctx, key, options...)
				if err != nil {
					return err
				}
				return printDelete(c, r)
			})
		},
	}
	addRevision(c)
	addClientFlags(c, kvTimeout)
	return c
}

func printDelete(c *cobra.Command, r client.DeleteResult) error {
	if wantsJSON(c) {
		return printJSON(c, struct {
			Revision    uint64 `json:"revision"`
			Existed     bool   `json:"existed"`
			ModRevision uint64 `json:"mod_revision"`
		}{r.Revision, r.Existed, r.ModRevision})
	}
	text := "deleted"
	if !r.Existed {
		text = "it did not exist"
	}
	_, err := fmt.Fprintf(c.OutOrStdout(), "%s (revision %d)\n", text, r.Revision)
	return err
}

func printJSON(c *cobra.Command, v any) error { return json.NewEncoder(c.OutOrStdout()).Encode(v) }

func inHex(c *cobra.Command) bool {
	on, err := c.Flags().GetBool("hex")
	return err == nil && on
}

// bytesOf is what an argument stands for.
func bytesOf(c *cobra.Command, argument string) ([]byte, error) {
	if !inHex(c) {
		return []byte(argument), nil
	}
	b, err := hex.DecodeString(argument)
	if err != nil {
		return nil, usage(c, fmt.Errorf("%q is not hexadecimal", argument))
	}
	return b, nil
}

// valueOf takes the value from the argument, from stdin or from --file. Those two give raw bytes.
func valueOf(c *cobra.Command, given []string) ([]byte, error) {
	file, err := c.Flags().GetString("file")
	switch {
	case err != nil:
		return nil, err
	case file != "" && len(given) > 0:
		return nil, usage(c, errors.New("VALUE and --file exclude each other"))
	case file == "" && len(given) == 0:
		return nil, usage(c, errors.New("VALUE is missing: give it as an argument, as - for stdin, or with --file"))
	case file != "":
		f, err := os.Open(file)
		if err != nil {
			return nil, exit.Wrap(exit.Usage, "name a file that can be read", err)
		}
		defer f.Close()
		return readValue(f)
	case given[0] == "-":
		return readValue(c.InOrStdin())
	}
	return bytesOf(c, given[0])
}

// readValue stops at what no cluster takes.
func readValue(r io.Reader) ([]byte, error) {
	value, err := io.ReadAll(io.LimitReader(r, requestBytesMax+1))
	if err == nil && len(value) > requestBytesMax {
		err = exit.New(exit.Usage, "split it", "the value is longer than %d bytes", requestBytesMax)
	}
	return value, err
}
