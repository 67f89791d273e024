package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
)

// printJSON writes one object a row.
func printJSON(w io.Writer, results []result) error {
	enc := json.NewEncoder(w)
	for _, r := range results {
		if err := enc.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

// against is the contender that people know, for a separate column.
const against = "golang-jwt"

// printTable writes the results of one algorithm for people.
func printTable(w io.Writer, results []result) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "%s %s\tmedian\tp10\tx bare\tx %s\tallocs\tbytes\t\n", results[0].Bench, results[0].Alg, against)
	for _, r := range results {
		other := "-"
		for _, o := range results {
			if o.Impl == against {
				other = fmt.Sprintf("%.2f", ratio(r.rounds, o.rounds))
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", r.Impl, duration(r.MedianNS), duration(r.P10NS), number(r.VsBare, 3), other, number(r.Allocs, -1), number(r.Bytes, -1))
	}
	fmt.Fprintln(t)
	return t.Flush()
}

// printRates does so for servers.
func printRates(w io.Writer, results []result) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "%s %s\trequests/s\tx bare\tCPU a request\tadded\t\n", results[0].Bench, results[0].Alg)
	for _, r := range results {
		fmt.Fprintf(t, "%s\t%.0f\t%.2f\t%s\t%s\t\n", r.Impl, 1e9/r.MedianNS, r.RateVsBare, duration(r.CPU), duration(r.AddedCPU))
	}
	fmt.Fprintln(t)
	return t.Flush()
}

func duration(ns float64) string {
	if ns < 1000 {
		return fmt.Sprintf("%.0f ns", ns)
	}
	return fmt.Sprintf("%.2f µs", ns/1000)
}

func number(v *float64, digits int) string {
	if v == nil {
		return "-"
	}
	return strconv.FormatFloat(*v, 'f', digits, 64)
}
