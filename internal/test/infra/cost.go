package infra

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A Flow is what one step of a person costs: requests of the auth function, and units of DynamoDB.
type Flow struct {
	Name     string
	Requests float64
	Units    Units
}

// Prices are list prices of AWS in us-east-1 in dollars, without free tiers, as of 2026-09.
//
// Source: the pricing pages of AWS Lambda, Amazon API Gateway, Amazon DynamoDB, Amazon CloudWatch and Amazon SES.
var prices = struct {
	httpRequest, lambdaRequest, gbSecond, read, write, storedGB, backupGB, loggedGB, metric, alarm, mail float64
}{
	httpRequest: 1.00e-6, lambdaRequest: 0.20e-6, gbSecond: 0.0000133334, read: 0.125e-6, write: 0.625e-6, storedGB: 0.25, backupGB: 0.20,
	loggedGB: 0.50, metric: 0.30, alarm: 0.10, mail: 0.10e-3,
}

// What is assumed of one person in a month, and of the functions.
const (
	signUps, signIns, refreshes, calls = 0.1, 4.0, 60.0, 300.0
	cached                             = 0.90 // of the calls, by the authorizer's cache of 60 s
	authGB, authSeconds                = 1.0, 0.05
	checkGB, checkSeconds              = 0.25, 0.005
	storedKB                           = 4.0 // of one person: account, sessions, history
	loggedKB                           = 0.6 // of one request: access log, event, metric
)

const (
	// Metrics is how many metrics there are: those of package emf, for one issuer.
	Metrics = 8
	// AlarmMetrics is how many metrics have an alarm. One over an expression counts for each of its metrics.
	AlarmMetrics = 13
)

// A Month is the bill of a month by service.
type Month struct{ Gateway, Lambda, DynamoDB, CloudWatch, Mail float64 }

// Total is the sum.
func (m Month) Total() float64 { return m.Gateway + m.Lambda + m.DynamoDB + m.CloudWatch + m.Mail }

// CostOf computes a month of a number of people. byMail is whether they sign in by mailed codes. The calls of the
// application's own API are not in it: only what guards them.
func CostOf(people float64, signUp, signIn, refresh Flow, byMail bool) Month {
	requests := people * (signUps*signUp.Requests + signIns*signIn.Requests + refreshes*refresh.Requests)
	read := people * (signUps*signUp.Units.Read + signIns*signIn.Units.Read + refreshes*refresh.Units.Read)
	write := people * (signUps*signUp.Units.Write + signIns*signIn.Units.Write + refreshes*refresh.Units.Write)
	checks := people * calls * (1 - cached)
	stored := people * storedKB / 1e6
	m := Month{
		Gateway: requests * prices.httpRequest,
		Lambda: (requests+checks)*prices.lambdaRequest +
			(requests*authGB*authSeconds+checks*checkGB*checkSeconds)*prices.gbSecond,
		DynamoDB:   read*prices.read + write*prices.write + stored*(prices.storedGB+prices.backupGB),
		CloudWatch: requests*loggedKB/1e6*prices.loggedGB + Metrics*prices.metric + AlarmMetrics*prices.alarm,
	}
	if byMail {
		m.Mail = people * (signUps + signIns) * prices.mail
	}
	return m
}

var flowRow = regexp.MustCompile(`(?m)^\| ([^|]+) \| ([0-9.]+) \| ([0-9.]+) \| ([0-9.]+) \|$`)

// FlowsOf reads the steps of the tables that CostTable wrote.
func FlowsOf(table string) []Flow {
	var out []Flow
	for _, row := range flowRow.FindAllStringSubmatch(table, -1) {
		var n [3]float64
		for i := range n {
			n[i], _ = strconv.ParseFloat(row[i+2], 64) // the expression has checked it
		}
		out = append(out, Flow{row[1], n[0], Units{n[1], n[2]}})
	}
	return out
}

// CostTable writes the tables of docs/cost.md. The first flows are a sign-up, a sign-in and a refresh.
func CostTable(flows []Flow) string {
	var b strings.Builder
	b.WriteString("| step | requests | read units | write units |\n| --- | ---: | ---: | ---: |\n")
	for _, f := range flows {
		fmt.Fprintf(&b, "| %s | %g | %g | %g |\n", f.Name, f.Requests, f.Units.Read, f.Units.Write)
	}
	b.WriteString("\n| monthly users | API Gateway | Lambda | DynamoDB | CloudWatch | mails | sum | without mails |\n")
	b.WriteString("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	for _, people := range []float64{1e3, 1e5, 1e7} {
		m := CostOf(people, flows[0], flows[1], flows[2], true)
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", thousands(people),
			dollars(m.Gateway), dollars(m.Lambda), dollars(m.DynamoDB), dollars(m.CloudWatch), dollars(m.Mail), dollars(m.Total()), dollars(m.Total()-m.Mail))
	}
	return b.String()
}

func dollars(d float64) string {
	if d < 100 {
		return fmt.Sprintf("$%.2f", d)
	}
	return "$" + thousands(d)
}

func thousands(f float64) string {
	text := fmt.Sprintf("%.0f", f)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
