package faults

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
)

// nameserver is a resolver whose answers to all A and AAAA questions are chosen; it speaks DNS over TCP (RFC 7766) on a
// pipe.
func nameserver(answer func(name string) netip.Addr) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			var size [2]byte
			for {
				if _, err := io.ReadFull(theirs, size[:]); err != nil {
					return
				}
				question := make([]byte, binary.BigEndian.Uint16(size[:]))
				if _, err := io.ReadFull(theirs, question); err != nil {
					return
				}
				if _, err := theirs.Write(reply(question, answer)); err != nil {
					return
				}
			}
		}()
		return ours, nil
	}}
}

// reply is the answer (RFC 1035 section 4.1) to a message of one question.
func reply(question []byte, answer func(string) netip.Addr) []byte {
	const header = 12
	name, end := "", header
	for n := int(question[end]); n != 0; n = int(question[end]) {
		name += string(question[end+1:end+1+n]) + "."
		end += n + 1
	}
	kind := binary.BigEndian.Uint16(question[end+1:])
	msg := append([]byte{question[0], question[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, question[header:end+5]...)
	const a, aaaa = 1, 28
	if ip := answer(name); ip.IsValid() && (kind == a && ip.Is4() || kind == aaaa && ip.Is6()) {
		raw := ip.AsSlice()
		msg[7] = 1
		msg = append(msg, 0xc0, header, 0, byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(len(raw)))
		msg = append(msg, raw...)
	}
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(msg))), msg...)
}
