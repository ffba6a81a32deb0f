// Command protogen writes the Go code of the proto files of one folder, without an installed protoc.
//
//	protogen -in kv/kvpb -out kv/kvpb -plugins bin/tools
//
// It compiles every *.proto of the folder named by -in and hands the result to the two pinned generators, protoc-gen-go
// and protoc-gen-go-grpc, that -plugins holds. What they return is written to -out. The same inputs always give the
// same bytes, so that `make verify` can compare; the compiler's version in the generated headers reads "(unknown)",
// because no protoc took part.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

func main() {
	in := flag.String("in", "", "folder of the *.proto files")
	out := flag.String("out", "", "folder that receives the Go files")
	plugins := flag.String("plugins", "", "folder of protoc-gen-go and protoc-gen-go-grpc")
	flag.Parse()
	if err := generate(*in, *out, *plugins); err != nil {
		fmt.Fprintf(os.Stderr, "protogen: %v\n", err)
		os.Exit(1)
	}
}

func generate(in, out, plugins string) error {
	if in == "" || out == "" || plugins == "" {
		return errors.New("-in, -out and -plugins are required")
	}
	request, err := compile(in)
	if err != nil {
		return err
	}
	for _, plugin := range []string{"protoc-gen-go", "protoc-gen-go-grpc"} {
		if err := run(filepath.Join(plugins, plugin), request, out); err != nil {
			return fmt.Errorf("%s: %w", plugin, err)
		}
	}
	return nil
}

// compile returns the request for the generators: all files of the folder, after those that they import.
func compile(in string) (*pluginpb.CodeGeneratorRequest, error) {
	paths, err := filepath.Glob(filepath.Join(in, "*.proto"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("no *.proto in %s", in)
	}
	request := &pluginpb.CodeGeneratorRequest{Parameter: proto.String("paths=source_relative")}
	for _, p := range paths {
		request.FileToGenerate = append(request.FileToGenerate, filepath.Base(p))
	}
	sort.Strings(request.FileToGenerate)

	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{in}}),
		SourceInfoMode: protocompile.SourceInfoStandard, // comments become doc comments
	}
	files, err := compiler.Compile(context.Background(), request.FileToGenerate...)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, f := range files {
		request.ProtoFile = appendAfterImports(request.ProtoFile, f, seen)
	}
	return request, nil
}

func appendAfterImports(dst []*descriptorpb.FileDescriptorProto, f protoreflect.FileDescriptor, seen map[string]bool) []*descriptorpb.FileDescriptorProto {
	if seen[f.Path()] {
		return dst
	}
	seen[f.Path()] = true
	for i := range f.Imports().Len() {
		dst = appendAfterImports(dst, f.Imports().Get(i).FileDescriptor, seen)
	}
	return append(dst, protodesc.ToFileDescriptorProto(f))
}

// run speaks the plugin protocol: the request on stdin, the response on stdout.
func run(plugin string, request *pluginpb.CodeGeneratorRequest, out string) error {
	in, err := proto.Marshal(request)
	if err != nil {
		return err
	}
	command := exec.Command(plugin)
	command.Stdin = bytes.NewReader(in)
	command.Stderr = os.Stderr
	answer, err := command.Output()
	if err != nil {
		return err
	}
	var response pluginpb.CodeGeneratorResponse
	if err := proto.Unmarshal(answer, &response); err != nil {
		return err
	}
	if response.Error != nil {
		return errors.New(response.GetError())
	}
	for _, f := range response.File {
		if err := os.WriteFile(filepath.Join(out, f.GetName()), []byte(f.GetContent()), 0o644); err != nil {
			return err
		}
	}
	return nil
}
