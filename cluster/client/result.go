package client

// Item is what a Get found. Revisions count the writes that changed the store, over all keys.
type Item struct {
	// Found says whether the key exists. If not, only Revision counts.
	Found bool
	Value []byte // the caller's own
	// Revision of the store at which the key was read.
	Revision uint64
	// CreateRevision and ModRevision are those of the writes that created the key and that wrote it last.
	CreateRevision, ModRevision uint64
	// Version counts the writes since the key was created, from 1.
	Version uint64
}

// PutResult is what a Put came to.
type PutResult struct {
	Existed  bool   // the key existed before
	Revision uint64 // of the store, this write included
	// Of the key as it is now: CreateRevision and ModRevision are equal when the write created it.
	CreateRevision, ModRevision uint64
	Version                     uint64
}

// DeleteResult is what a Delete came to. Deleting an absent key is no error.
type DeleteResult struct {
	Existed  bool   // the key existed before
	Revision uint64 // of the store, this write included
	// ModRevision is what the key had before, 0 if it did not exist.
	ModRevision uint64
}
