package storage

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/cluster/storage/vfs"
)

const (
	identityFormat   = 1
	clusterBytesMax  = 128
	settingsBytesMax = 1024
	identityBytesMax = 1 << 20
)

// Identity is what a directory belongs to; written once, but for the founding membership.
type Identity struct {
	Cluster  string // the cluster's name, 1..128 bytes
	Node     uint64 // not 0
	Instance cluster.Instance
	// Join: made to join a running cluster; it never founds one.
	Join bool
	// Settings are those that decide what commands come to, as text. They are fixed with the directory: a log that was written
	// under some of them must not be replayed under others. At most 1,024 bytes.
	Settings string
	// Met are the founding nodes' instances that this directory has recorded so far, by node; kept after Form. See Store.Meet.
	Met []Met
	// Formed: every founding node has met every other one. Founding is the membership at that moment. A node neither votes nor campaigns before.
	Formed   bool
	Founding cluster.Membership
}

// Met is a founding node that this directory has met, and the instance that it had then.
type Met struct {
	Node     uint64
	Instance cluster.Instance
}

// OtherInstanceError says that a founding node came back with another instance: its directory was lost.
type OtherInstanceError struct {
	Node        uint64
	Known, Seen cluster.Instance
}

func (e *OtherInstanceError) Error() string {
	return fmt.Sprintf("storage: node %d has instance %x, and not %x as when it was first met: its directory was lost or replaced",
		e.Node, e.Seen[:], e.Known[:])
}

// met returns the identity with one more founding node recorded; the same one when it was recorded before.
func (id Identity) met(node uint64, instance cluster.Instance) (Identity, error) {
	at, known := slices.BinarySearchFunc(id.Met, node, func(m Met, n uint64) int { return cmp.Compare(m.Node, n) })
	if !known {
		id.Met = slices.Insert(slices.Clone(id.Met), at, Met{Node: node, Instance: instance})
		return id, nil
	}
	if id.Met[at].Instance != instance {
		return id, &OtherInstanceError{Node: node, Known: id.Met[at].Instance, Seen: instance}
	}
	return id, nil
}

func (id Identity) validate() error {
	if len(id.Cluster) == 0 || len(id.Cluster) > clusterBytesMax {
		return fmt.Errorf("storage: cluster name of %d bytes, must be 1 to %d", len(id.Cluster), clusterBytesMax)
	}
	if len(id.Settings) > settingsBytesMax {
		return fmt.Errorf("storage: settings of %d bytes, at most %d", len(id.Settings), settingsBytesMax)
	}
	if id.Node == 0 {
		return errors.New("storage: node id 0")
	}
	return nil
}

// encodeIdentity writes one fact a line, for people to read; the last line is the checksum of the others.
func encodeIdentity(id Identity) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "lockstep identity %d\n", identityFormat)
	fmt.Fprintf(&b, "cluster %q\nnode %d\ninstance %x\njoin %t\nsettings %q\nformed %t\n",
		id.Cluster, id.Node, id.Instance[:], id.Join, id.Settings, id.Formed)
	for _, m := range id.Met {
		fmt.Fprintf(&b, "met %d %x\n", m.Node, m.Instance[:])
	}
	for _, m := range id.Founding.Members {
		fmt.Fprintf(&b, "member %d %x %t %q %q %q\n", m.ID, m.Instance[:], m.Learner, m.Peer, m.HTTP, m.GRPC)
	}
	for _, n := range id.Founding.Removed {
		fmt.Fprintf(&b, "removed %d\n", n)
	}
	fmt.Fprintf(&b, "crc32c %08x\n", crc32.Checksum(b.Bytes(), castagnoli))
	return b.Bytes()
}

// decodeIdentity takes only what encodeIdentity writes, byte for byte.
func decodeIdentity(file string, b []byte) (Identity, error) {
	damaged := func(reason string) (Identity, error) {
		return Identity{}, &CorruptionError{File: file, Reason: reason}
	}
	first, _, _ := strings.Cut(string(b), "\n")
	version, ok := strings.CutPrefix(first, "lockstep identity ")
	if !ok {
		return damaged("not an identity file")
	}
	if v, err := strconv.ParseUint(version, 10, 32); err == nil && v > identityFormat {
		return Identity{}, &FormatError{File: file, Version: uint32(v), Supported: identityFormat}
	}
	id, err := parseIdentity(strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")[1:])
	if err != nil {
		return damaged(err.Error())
	}
	if !bytes.Equal(encodeIdentity(id), b) {
		return damaged("checksum does not match")
	}
	return id, nil
}

func parseIdentity(lines []string) (id Identity, err error) {
	for _, line := range lines {
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "cluster":
			id.Cluster, err = strconv.Unquote(rest)
		case "node":
			id.Node, err = strconv.ParseUint(rest, 10, 64)
		case "instance":
			id.Instance, err = parseInstance(rest)
		case "join":
			id.Join, err = strconv.ParseBool(rest)
		case "settings":
			id.Settings, err = strconv.Unquote(rest)
		case "formed":
			id.Formed, err = strconv.ParseBool(rest)
		case "met":
			err = parseMet(&id, rest)
		case "member":
			err = parseMember(&id.Founding, rest)
		case "removed":
			err = parseRemoved(&id.Founding, rest)
		case "crc32c":
		default:
			err = errors.New("unknown line")
		}
		if err != nil {
			return id, fmt.Errorf("line %q: %w", line, err)
		}
	}
	return id, id.validate()
}

func parseInstance(s string) (in cluster.Instance, err error) {
	b, err := hex.DecodeString(s)
	if err == nil && len(b) != len(in) {
		err = fmt.Errorf("instance of %d bytes", len(b))
	}
	copy(in[:], b)
	return in, err
}

func parseMet(id *Identity, s string) (err error) {
	node, instance, _ := strings.Cut(s, " ")
	var m Met
	if m.Node, err = strconv.ParseUint(node, 10, 64); err != nil {
		return err
	}
	if m.Instance, err = parseInstance(instance); err != nil {
		return err
	}
	if n := len(id.Met); n > 0 && id.Met[n-1].Node >= m.Node {
		return errors.New("not in the order of nodes")
	}
	id.Met = append(id.Met, m)
	return nil
}

func parseMember(m *cluster.Membership, s string) (err error) {
	words := strings.SplitN(s, " ", 4)
	if len(words) != 4 {
		return errors.New("too few words")
	}
	var member cluster.Member
	if member.ID, err = strconv.ParseUint(words[0], 10, 64); err != nil {
		return err
	}
	if member.Instance, err = parseInstance(words[1]); err != nil {
		return err
	}
	if member.Learner, err = strconv.ParseBool(words[2]); err != nil {
		return err
	}
	rest := words[3]
	for _, field := range []*string{&member.Peer, &member.HTTP, &member.GRPC} {
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			return err
		}
		if *field, err = strconv.Unquote(quoted); err != nil {
			return err
		}
		rest = strings.TrimPrefix(rest[len(quoted):], " ")
	}
	m.Members = append(m.Members, member)
	return nil
}

func parseRemoved(m *cluster.Membership, s string) error {
	n, err := strconv.ParseUint(s, 10, 64)
	m.Removed = append(m.Removed, n)
	return err
}

func readIdentity(fsys vfs.FS, dir string) (Identity, error) {
	name := path.Join(dir, identityName)
	f, err := fsys.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return Identity{}, &fs.PathError{Op: "storage: read identity", Path: name, Err: fs.ErrNotExist}
	}
	if err != nil {
		return Identity{}, &FailedError{Op: "open", File: name, Err: err}
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return Identity{}, &FailedError{Op: "size", File: name, Err: err}
	}
	if size > identityBytesMax {
		return Identity{}, &CorruptionError{File: name, Reason: fmt.Sprintf("%d bytes are too many for an identity", size)}
	}
	b := make([]byte, size)
	if _, err := f.ReadAt(b, 0); err != nil && err != io.EOF {
		return Identity{}, &FailedError{Op: "read", File: name, Err: err}
	}
	return decodeIdentity(name, b)
}

// writeIdentity replaces the file at once: a crash leaves the old one or the new one.
func writeIdentity(fsys vfs.FS, dir string, id Identity) error {
	name := path.Join(dir, identityName)
	temp := name + tempSuffix
	if err := fsys.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &FailedError{Op: "remove", File: temp, Err: err}
	}
	f, err := fsys.Create(temp)
	if err != nil {
		return &FailedError{Op: "create", File: temp, Err: err}
	}
	_, err = f.WriteAt(encodeIdentity(id), 0)
	return publish(fsys, f, err, temp, name)
}

// publish syncs a file that was written aside, with err as the outcome so far, and gives it its name. It closes the file.
func publish(fsys vfs.FS, f vfs.File, err error, temp, name string) error {
	op := "write"
	if err == nil {
		op, err = "sync", f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		op, err = "close", closeErr
	}
	if err != nil {
		return &FailedError{Op: op, File: temp, Err: err}
	}
	return rename(fsys, temp, name)
}

// rename is durable when it returns nil.
func rename(fsys vfs.FS, from, to string) error {
	if err := fsys.Rename(from, to); err != nil {
		return &FailedError{Op: "rename", File: to, Err: err}
	}
	return syncDir(fsys, path.Dir(to))
}

func syncDir(fsys vfs.FS, dir string) error {
	if err := fsys.SyncDir(dir); err != nil {
		return &FailedError{Op: "sync", File: dir, Err: err}
	}
	return nil
}
