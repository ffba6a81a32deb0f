package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/lockstepdb/lockstep/cluster/client"
	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/status"
	"github.com/lockstepdb/lockstep/kv/kvpb"
	"github.com/spf13/cobra"
)

func newStatus() *cobra.Command {
	c := &cobra.Command{
		Use:     "status",
		Short:   "Show what every node says of itself",
		GroupID: groupCluster,
		Args:    args(0, 0),
		Long: `Ask every node that is named, and every member that those know of.

Ends with 69 when no node answers, and with 1 when no leader is known.`,
		Example: "  lockstep status\n  lockstep status --json --endpoint 10.0.0.1:9081",
		RunE: func(c *cobra.Command, _ []string) error {
			addresses, err := endpoints(c)
			if err != nil {
				return err
			}
			ctx, cancel, err := deadline(c)
			if err != nil {
				return err
			}
			defer cancel()
			s, verdict := status.Ask(ctx, addresses)
			write := s.WriteTable
			if wantsJSON(c) {
				write = s.WriteJSON
			}
			if err := write(c.OutOrStdout()); err != nil {
				return err
			}
			return verdict
		},
	}
	addClientFlags(c, 3*time.Second)
	return c
}

func newTransferLeader() *cobra.Command {
	c := &cobra.Command{
		Use:     "transfer-leader [NODE]",
		Short:   "Hand leadership to another node",
		GroupID: groupCluster,
		Args:    args(0, 1),
		Long:    "Hand leadership to the node with the id, or to the voter that is furthest.",
		Example: "  lockstep transfer-leader 2",
		RunE: func(c *cobra.Command, given []string) error {
			to := uint64(0)
			if len(given) == 1 {
				id, err := nodeID(c, given[0])
				if err != nil {
					return err
				}
				to = id
			}
			return withClient(c, func(ctx context.Context, cluster *client.Client) error {
				answer, err := cluster.TransferLeader(ctx, to)
				if err != nil {
					return err
				}
				return printTransfer(c, answer)
			})
		},
	}
	addClientFlags(c, 10*time.Second)
	return c
}

func printTransfer(c *cobra.Command, answer *kvpb.TransferLeaderResponse) error {
	if wantsJSON(c) {
		return json.NewEncoder(c.OutOrStdout()).Encode(struct {
			Leader uint64 `json:"leader"`
			Term   uint64 `json:"term"`
		}{answer.GetLeader(), answer.GetTerm()})
	}
	_, err := fmt.Fprintf(c.OutOrStdout(), "node %d leads (term %d)\n", answer.GetLeader(), answer.GetTerm())
	return err
}

func nodeID(c *cobra.Command, text string) (uint64, error) {
	id, err := strconv.ParseUint(text, 10, 64)
	if err != nil || id == 0 {
		return 0, usage(c, fmt.Errorf("%q is not a node's id, a number from 1", text))
	}
	return id, nil
}

func newMember() *cobra.Command {
	c := &cobra.Command{
		Use:     "member",
		Short:   "List, add, promote and remove members",
		GroupID: groupCluster,
		Args:    group,
		RunE:    showHelp,
	}
	c.AddCommand(newMemberList(), newMemberAdd(), newMemberPromote(), newMemberRemove())
	return c
}

func newMemberList() *cobra.Command {
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the members",
		Args:    args(0, 0),
		Example: "  lockstep member list",
		RunE: func(c *cobra.Command, _ []string) error {
			return withClient(c, func(ctx context.Context, cluster *client.Client) error {
				answer, err := cluster.Members(ctx)
				if err != nil {
					return err
				}
				return printMembers(c, answer.GetMembers(), answer.GetLeader())
			})
		},
	}
	addClientFlags(c, 3*time.Second)
	return c
}

func newMemberAdd() *cobra.Command {
	m := &kvpb.Member{}
	var instance string
	c := &cobra.Command{
		Use:   "add NODE",
		Short: "Add a learner",
		Args:  args(1, 1),
		Long: `Add a node as a learner, which takes the log but has no vote. Its id must never have been used.

Start the node first, with --join: its log says which instance its directory is.`,
		Example: "  lockstep member add 4 --instance 6f1e… --peer 10.0.0.4:16801 --http 10.0.0.4:8081 --grpc 10.0.0.4:9081",
		RunE: func(c *cobra.Command, given []string) error {
			bytes, err := hex.DecodeString(instance)
			if err != nil || len(bytes) != 16 {
				return usage(c, fmt.Errorf("--instance %q is not 32 hexadecimal digits", instance))
			}
			m.Instance, m.Learner = bytes, true
			return changeMember(c, kvpb.MemberChange_MEMBER_CHANGE_ADD_LEARNER, given[0], m)
		},
	}
	c.Flags().StringVar(&instance, "instance", "", "the directory's instance id, 32 hexadecimal digits")
	c.Flags().StringVar(&m.PeerAddress, "peer", "", "where other nodes connect, host:port")
	c.Flags().StringVar(&m.HttpAddress, "http", "", "where HTTP clients connect, host:port")
	c.Flags().StringVar(&m.GrpcAddress, "grpc", "", "where gRPC clients connect, host:port")
	addClientFlags(c, 10*time.Second)
	return c
}

func newMemberPromote() *cobra.Command {
	return memberChange("promote NODE", "Give a learner a vote", "  lockstep member promote 4", kvpb.MemberChange_MEMBER_CHANGE_PROMOTE)
}

func newMemberRemove() *cobra.Command {
	return memberChange("remove NODE", "Remove a member for ever", "  lockstep member remove 3", kvpb.MemberChange_MEMBER_CHANGE_REMOVE)
}

func memberChange(use, short, example string, change kvpb.MemberChange) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Example: example, Args: args(1, 1),
		RunE: func(c *cobra.Command, given []string) error {
			return changeMember(c, change, given[0], &kvpb.Member{})
		},
	}
	addClientFlags(c, 10*time.Second)
	return c
}

func changeMember(c *cobra.Command, change kvpb.MemberChange, node string, m *kvpb.Member) error {
	id, err := nodeID(c, node)
	if err != nil {
		return err
	}
	m.Node = id
	return withClient(c, func(ctx context.Context, cluster *client.Client) error {
		answer, err := cluster.ChangeMember(ctx, change, m)
		if err != nil {
			return err
		}
		return printMembers(c, answer.GetMembers(), 0)
	})
}

// member is one line of `member list --json`.
type member struct {
	Node     uint64 `json:"node"`
	Instance string `json:"instance"`
	Peer     string `json:"peer"`
	HTTP     string `json:"http"`
	GRPC     string `json:"grpc"`
	Learner  bool   `json:"learner"`
}

func printMembers(c *cobra.Command, all []*kvpb.Member, leader uint64) error {
	members := make([]member, len(all))
	for i, m := range all {
		members[i] = member{m.GetNode(), hex.EncodeToString(m.GetInstance()), m.GetPeerAddress(), m.GetHttpAddress(), m.GetGrpcAddress(), m.GetLearner()}
	}
	if wantsJSON(c) {
		return json.NewEncoder(c.OutOrStdout()).Encode(struct {
			Members []member `json:"members"`
			Leader  uint64   `json:"leader,omitempty"`
		}{members, leader})
	}
	return writeMembers(c.OutOrStdout(), members, leader)
}

func writeMembers(w io.Writer, members []member, leader uint64) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NODE\tPART\tPEER\tHTTP\tGRPC\tINSTANCE")
	for _, m := range members {
		part := "voter"
		switch {
		case m.Learner:
			part = "learner"
		case m.Node == leader:
			part = "leader"
		}
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\n", m.Node, part, m.Peer, m.HTTP, m.GRPC, m.Instance)
	}
	return t.Flush()
}
