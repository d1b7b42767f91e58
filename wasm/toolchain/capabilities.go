package main

import (
	"encoding/json"
	"os"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// refused are the builtins a pack may not use: a decision must come out the same whenever and wherever it is made again.
// io.jwt.decode_verify and the certificate checks compare with the present time; keys are no business of a pack.
var refused = []string{
	"crypto.x509.parse_and_verify_certificates",
	"crypto.x509.parse_and_verify_certificates_with_options",
	"http.send",
	"io.jwt.decode_verify",
	"io.jwt.encode_sign",
	"io.jwt.encode_sign_raw",
	"net.lookup_ip_addr",
	"opa.runtime",
	"providers.aws.sign_req",
	"rand.intn",
	"time.now_ns",
	"trace",
	"uuid.rfc4122",
}

// capabilities are what packs compile against: OPA's own at this version without deprecated and refused builtins.
// Schemas are matched without the network: allow_net is empty, not absent.
var capabilities = packCapabilities()

func packCapabilities() *ast.Capabilities {
	all := ast.CapabilitiesForThisVersion()
	own := &ast.Capabilities{
		WasmABIVersions: []ast.WasmABIVersion{{Version: 1, Minor: 2}, {Version: 1, Minor: 3}},
		Features:        all.Features,
		FutureKeywords:  all.FutureKeywords,
		AllowNet:        []string{},
	}
	for _, builtin := range all.Builtins {
		if !builtin.Deprecated && !slices.Contains(refused, builtin.Name) {
			offered := builtin.Minimal()
			// only json.match_schema and json.verify_schema still say so, for the network that they do not have here
			offered.Nondeterministic = false
			own.Builtins = append(own.Builtins, offered)
		}
	}
	return own
}

// printCapabilities writes capabilities.json; build.mjs runs it with the machine's own Go.
func printCapabilities() error {
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", " ")
	return encoder.Encode(capabilities)
}

func isOffered(name string) bool {
	return slices.ContainsFunc(capabilities.Builtins, func(b *ast.Builtin) bool { return b.Name == name })
}
