package testserver

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
)

// serversIn returns the processes of PostgreSQL in a folder of data.
func serversIn(data string) (found []int, err error) {
	data, err = filepath.EvalSymlinks(data)
	if err != nil {
		return nil, err
	}
	folders, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	for _, folder := range folders {
		name, nerr := os.ReadFile(filepath.Join(folder, "comm"))
		in, ierr := os.Readlink(filepath.Join(folder, "cwd"))
		if nerr != nil || ierr != nil || in != data || string(name) != "postgres\n" {
			continue // also one that has ended since
		}
		pid, err := strconv.Atoi(filepath.Base(folder))
		if err != nil {
			return nil, err
		}
		found = append(found, pid)
	}
	return found, nil // none without /proc: there they end by themselves when they see that their father is gone
}

// statusParent is a process's father in the status file Linux keeps of it: proc(5).
var statusParent = regexp.MustCompile(`(?m)^PPid:\s*([0-9]+)$`)

// childrenOf returns the processes whose father is pid.
func childrenOf(pid int) (children []int, err error) {
	files, err := filepath.Glob("/proc/[0-9]*/status")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		found := statusParent.FindSubmatch(text)
		if err != nil || found == nil || string(found[1]) != strconv.Itoa(pid) {
			continue // most likely it has ended since
		}
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			return nil, err
		}
		children = append(children, child)
	}
	return children, nil // none without /proc
}
