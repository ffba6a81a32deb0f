package bugs

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Build makes a binary of lockstep with the bug in it, and returns its path. dir is an empty folder for it and for what the go
// command needs. The error of code that does not build holds the compiler's words.
func Build(ctx context.Context, b Bug, dir string) (binary string, err error) {
	root, err := Root(ctx)
	if err != nil {
		return "", err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", err
	}
	binary = filepath.Join(dir, "lockstep")
	args := []string{"build", "-buildvcs=false", "-o", binary}
	if len(b.Edits) > 0 {
		overlay, err := b.overlay(root, dir)
		if err != nil {
			return "", fmt.Errorf("%s: %w", b.Name, err)
		}
		args = append(args, "-overlay", overlay)
	}
	if len(b.Raft) > 0 {
		modfile, err := b.modfile(ctx, root, dir)
		if err != nil {
			return "", fmt.Errorf("%s: %w", b.Name, err)
		}
		args = append(args, "-modfile", modfile)
	}
	if _, err := run(ctx, root, append(args, "./cmd/lockstep")...); err != nil {
		return "", fmt.Errorf("%s: %w", b.Name, err)
	}
	return binary, nil
}

// Root returns the root of this module: the bank is run from the sources that it edits.
func Root(ctx context.Context) (string, error) {
	name, err := run(ctx, "", "env", "GOMOD")
	if err != nil {
		return "", err
	}
	if name == "" || name == os.DevNull {
		return "", fmt.Errorf("this is outside of the module's sources")
	}
	return filepath.Dir(name), nil
}

// run runs the go command and returns what it prints, without the line's end.
func run(ctx context.Context, dir string, args ...string) (string, error) {
	c := exec.CommandContext(ctx, "go", args...)
	c.Dir = dir
	var errs strings.Builder
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", args[0], err, errs.String())
	}
	return strings.TrimSpace(string(out)), nil
}

// edited returns the edited files' texts by name.
func (b *Bug) edited(root string) (map[string]string, error) {
	texts := map[string]string{}
	for i := range b.Edits {
		e := &b.Edits[i]
		text, known := texts[e.File]
		if !known {
			source, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(e.File)))
			if err != nil {
				return nil, err
			}
			text = string(source)
		}
		text, err := e.apply(text)
		if err != nil {
			return nil, err
		}
		texts[e.File] = text
	}
	return texts, nil
}

// overlay writes the edited files aside, and the file that puts them in the sources' place.
func (b *Bug) overlay(root, dir string) (string, error) {
	texts, err := b.edited(root)
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for file, text := range texts {
		aside := filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(aside, []byte(text), 0o644); err != nil {
			return "", err
		}
		replace[filepath.Join(root, filepath.FromSlash(file))] = aside
	}
	return writeJSON(filepath.Join(dir, "overlay.json"), map[string]any{"Replace": replace})
}

func writeJSON(name string, v any) (string, error) {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return "", err
	}
	return name, os.WriteFile(name, append(text, '\n'), 0o644)
}

// modfile edits a copy of raft, and writes the module file that takes it in.
func (b *Bug) modfile(ctx context.Context, root, dir string) (string, error) {
	from, err := run(ctx, root, "list", "-m", "-f", "{{.Dir}}", raftModule)
	if err != nil {
		return "", err
	}
	raft, name := filepath.Join(dir, "raft"), filepath.Join(dir, "go.mod")
	if err := copyRaft(from, raft); err != nil {
		return "", err
	}
	if err := editRaft(raft, b.Raft); err != nil {
		return "", err
	}
	for _, file := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(dir, file), text, 0o644); err != nil {
			return "", err
		}
	}
	_, err = run(ctx, root, "mod", "edit", "-replace", raftModule+"="+raft, name)
	return name, err
}
