// SPDX-License-Identifier: Apache-2.0

// Package registry knows the sites, and what each last reported.
package registry

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/nvidia/carbide-rest-api/site-manager/pkg/report"
)

var (
	// ErrName means that a site has no name.
	ErrName = errors.New("a site needs a name")
	// ErrExists means that the name is taken.
	ErrExists = errors.New("site exists")
	// ErrUnknown means that no site has the name.
	ErrUnknown = errors.New("unknown site")
)

// Site is one place with machines.
type Site struct {
	Name       string         `json:"name" yaml:"name"`
	Location   string         `json:"location" yaml:"location"`
	Report     *report.Report `json:"report,omitempty" yaml:"-"`
	ReportedAt time.Time      `json:"reportedAt,omitzero" yaml:"-"`
}

// Registry is a list of sites. It is safe for concurrent use.
type Registry struct {
	mu    sync.Mutex
	sites []Site
}

// Load returns the sites of a YAML file ("sites: [{name: …, location: …}]"), or none if file is "".
func Load(file string) (*Registry, error) {
	registry := &Registry{sites: []Site{}}
	if file == "" {
		return registry, nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if err := registry.addAll(content); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return registry, nil
}

func (r *Registry) addAll(content []byte) error {
	var listed struct {
		Sites []Site `yaml:"sites"`
	}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	decoder.KnownFields(true)
	if err := decoder.Decode(&listed); err != nil {
		return err
	}
	for _, site := range listed.Sites {
		if err := r.Add(site.Name, site.Location); err != nil {
			return err
		}
	}
	return nil
}

// List returns the sites in the order of their names.
func (r *Registry) List() []Site {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.sites)
}

// Add adds a site that has not reported yet.
func (r *Registry) Add(name, location string) error {
	if name == "" {
		return ErrName
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	at, found := r.find(name)
	if found {
		return fmt.Errorf("%w: %s", ErrExists, name)
	}
	r.sites = slices.Insert(r.sites, at, Site{Name: name, Location: location})
	return nil
}

// Record keeps what a site reported.
func (r *Registry) Record(name string, reported report.Report, at time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	i, found := r.find(name)
	if !found {
		return fmt.Errorf("%w: %s", ErrUnknown, name)
	}
	r.sites[i].Report, r.sites[i].ReportedAt = &reported, at
	return nil
}

func (r *Registry) find(name string) (int, bool) {
	return slices.BinarySearchFunc(r.sites, name, func(site Site, name string) int {
		return strings.Compare(site.Name, name)
	})
}
