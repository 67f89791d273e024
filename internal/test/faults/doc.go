// Package faults holds tests of the whole house under bad luck and attack: a database that fails at any one of its
// calls, providers that stall, lie or lead elsewhere, and the holes that other libraries of this kind had.
package faults
