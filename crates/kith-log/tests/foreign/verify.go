// Checks a kith checkpoint and inclusion proof with nothing of kith's: golang.org/x/mod/sumdb
// verifies the note and the proof, as the Go checksum database's clients do.
//
// Reads one JSON object from stdin, checks it as it is, then with each byte of the note, the leaf
// and the proof changed in turn, and prints what was accepted as JSON. Bytes are in base64.
package main

import (
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type evidence struct {
	VerifierKey string   `json:"verifier_key"`
	Note        []byte   `json:"note"`
	Leaf        []byte   `json:"leaf"`
	Index       int64    `json:"index"`
	Proof       [][]byte `json:"proof"`
}

type change struct {
	Part string `json:"part"`
	Byte int    `json:"byte"`
	Xor  byte   `json:"xor"`
	Note []byte `json:"note,omitempty"`
}

type verdict struct {
	// Why the evidence was refused as it is; empty when it was accepted.
	Refused string `json:"refused"`
	// How many changed ones were tried, and which of them were accepted all the same.
	Tried    int      `json:"tried"`
	Accepted []change `json:"accepted"`
}

func check(e *evidence) error {
	verifier, err := note.NewVerifier(e.VerifierKey)
	if err != nil {
		return err
	}
	opened, err := note.Open(e.Note, note.VerifierList(verifier))
	if err != nil {
		return err
	}
	// tlog.ParseTree knows the checksum database's own first line only, so: C2SP tlog-checkpoint.
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() || lines[3] != "" {
		return errors.New("not a checkpoint of this log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return err
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return err
	}
	proof := make(tlog.RecordProof, len(e.Proof))
	for i, hash := range e.Proof {
		if copy(proof[i][:], hash) != tlog.HashSize || len(hash) != tlog.HashSize {
			return errors.New("not a hash")
		}
	}
	return tlog.CheckRecord(proof, size, root, e.Index, tlog.RecordHash(e.Leaf))
}

// each tries all changes of one bit, and of the whole byte, of every byte of a part.
func (v *verdict) each(e *evidence, part string, bytes []byte) {
	for i := range bytes {
		for _, xor := range []byte{1, 2, 4, 8, 16, 32, 64, 128, 255} {
			bytes[i] ^= xor
			v.Tried++
			if check(e) == nil {
				changed := change{Part: part, Byte: i, Xor: xor}
				if part == "note" {
					changed.Note = append(changed.Note, e.Note...)
				}
				v.Accepted = append(v.Accepted, changed)
			}
			bytes[i] ^= xor
		}
	}
}

func main() {
	var e evidence
	if err := json.NewDecoder(os.Stdin).Decode(&e); err != nil {
		panic(err)
	}
	v := verdict{Accepted: []change{}}
	if err := check(&e); err != nil {
		v.Refused = err.Error()
	}
	v.each(&e, "note", e.Note)
	v.each(&e, "leaf", e.Leaf)
	for i, hash := range e.Proof {
		v.each(&e, "proof "+strconv.Itoa(i), hash)
		// A proof that lacks a hash, and one that has it twice.
		whole := e.Proof
		for _, other := range [][][]byte{
			append(append([][]byte{}, whole[:i]...), whole[i+1:]...),
			append(append([][]byte{}, whole[:i+1]...), whole[i:]...),
		} {
			e.Proof = other
			v.Tried++
			if check(&e) == nil {
				v.Accepted = append(v.Accepted, change{Part: "length of the proof", Byte: i})
			}
		}
		e.Proof = whole
	}
	for _, other := range []int64{-1, e.Index - 1, e.Index + 1, e.Index + 1<<32} {
		moved := e
		moved.Index = other
		v.Tried++
		if check(&moved) == nil {
			v.Accepted = append(v.Accepted, change{Part: "index", Byte: int(other)})
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(v); err != nil {
		panic(err)
	}
}
